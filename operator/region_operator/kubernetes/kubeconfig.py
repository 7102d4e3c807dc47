"""Reads a kubeconfig written by a tenant, strictly: a careless reader runs programs and reads files it names."""

import base64
import binascii
import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from kubernetes.aio.client.configuration import Configuration

from region_operator.errors import InvalidInput
from region_operator.kubernetes import addresses

_TOP: Final = {"apiVersion", "kind", "current-context", "clusters", "contexts", "users", "preferences"}
_CONTEXT: Final = {"cluster", "user", "namespace"}
_CLUSTER: Final = {"server", "certificate-authority-data", "tls-server-name"}
_USER: Final = {"client-certificate-data", "client-key-data", "token"}
_LARGEST: Final = 256 * 1024


class KubeconfigRefused(InvalidInput):
    """The kubeconfig holds something we do not accept; ``field`` names the key, never its value."""

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(field=key, problem=problem, remedy=remedy, reason="KubeconfigRefused")


@dataclass(frozen=True)
class Access:
    """How to reach an API server: everything in memory, secrets not in ``repr``."""

    server: str
    ca_pem: str | None = None  # None: the authorities that the image trusts
    certificate_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None


def parse(content: str | bytes, *, allow_special_addresses: bool = False) -> Access:
    """The access that the current context gives.

    Args:
        content: the file; only its current context, and the cluster and user that it names, are looked at.
        allow_special_addresses: for development, where the other cluster is on this machine.

    Raises:
        KubeconfigRefused: naming the key.
    """
    document = _document(content)
    context = _named(document, "contexts", "context", document.get("current-context"), allowed=_CONTEXT)
    cluster = _named(document, "clusters", "cluster", context.get("cluster"), allowed=_CLUSTER)
    user = _named(document, "users", "user", context.get("user"), allowed=_USER)
    access = Access(
        server=_server(cluster.get("server"), allow_special_addresses),
        ca_pem=_pem(cluster, "certificate-authority-data"),
        certificate_pem=_pem(user, "client-certificate-data"),
        key_pem=_pem(user, "client-key-data"),
        token=_token(user),
        tls_server_name=_text(cluster, "tls-server-name"),
    )
    if (access.certificate_pem is None) != (access.key_pem is None):
        raise KubeconfigRefused("client-key-data", "certificate and key come together", "give both or neither")
    if access.certificate_pem is None and access.token is None:
        raise KubeconfigRefused("users", "there are no credentials", "give token, or a client certificate and its key")
    tls_context(access)  # says now what it would say at the first call
    return access


def configuration(access: Access) -> Configuration:
    """For the client library; the certificates go in by ``tls_context``, because it only takes files."""
    result = Configuration(host=access.server, tls_server_name=access.tls_server_name)
    if access.token:
        result.api_key["BearerToken"] = f"Bearer {access.token}"
    return result


def tls_context(access: Access) -> ssl.SSLContext:
    """A context that verifies the server; the key passes through anonymous memory, never through a file system."""
    try:
        context = ssl.create_default_context(cadata=access.ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigRefused(
            "certificate-authority-data", "is not a PEM certificate", "encode the CA file in base64"
        ) from error
    if access.certificate_pem and access.key_pem:
        _load_client_certificate(context, access.certificate_pem, access.key_pem)
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    handle = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(handle, f"{certificate.rstrip()}\n{key.rstrip()}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}", password=lambda: b"")  # never asks at the terminal
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigRefused(
            "client-key-data", "does not fit the certificate, or is encrypted", "give the plain key of the certificate"
        ) from error
    finally:
        os.close(handle)


def _document(content: str | bytes) -> dict[str, Any]:
    if len(content) > _LARGEST:
        raise KubeconfigRefused("kubeconfig", f"is larger than {_LARGEST} bytes", "keep only one context")
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise KubeconfigRefused("kubeconfig", "is not YAML", "store the kubeconfig file as it is") from error
    if not isinstance(document, dict):
        raise KubeconfigRefused("kubeconfig", "is not a mapping", "store the kubeconfig file as it is")
    _only(document, _TOP, "kubeconfig")
    return document


def _named(document: Mapping[str, Any], section: str, kind: str, name: Any, *, allowed: set[str]) -> dict[str, Any]:
    """The entry of ``section`` called ``name``."""
    if not isinstance(name, str) or not name:
        key = "current-context" if section == "contexts" else f"context.{kind}"
        raise KubeconfigRefused(key, "is missing", "name an entry")
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            content = entry.get(kind)
            if not isinstance(content, dict):
                break
            _only(entry, {"name", kind}, section)
            _only(content, allowed, kind)
            return content
    raise KubeconfigRefused(section, "the entry that the current context needs is missing", "add it")


def _only(content: Mapping[Any, Any], allowed: set[str], where: str) -> None:
    for key in content:
        if key not in allowed:
            raise KubeconfigRefused(
                f"{where}.{str(key)[:64]}", "is not accepted", f"use only {', '.join(sorted(allowed))}"
            )


def _text(content: Mapping[str, Any], key: str) -> str | None:
    value = content.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or any(character.isspace() or not character.isprintable() for character in value):
        raise KubeconfigRefused(key, "is not one word of text", "write it as a plain string")
    return value


def _token(user: Mapping[str, Any]) -> str | None:
    token = _text(user, "token")
    if token is not None and not token.isascii():
        raise KubeconfigRefused("token", "holds characters that no token has", "copy the token again")
    return token


def _pem(content: Mapping[str, Any], key: str) -> str | None:
    value = content.get(key)
    if value is None or value == "":
        return None
    try:
        return base64.b64decode(str(value), validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise KubeconfigRefused(key, "is not PEM in base64", "encode the PEM file in base64") from error


def _server(value: Any, allow_special_addresses: bool) -> str:
    try:
        url = urlsplit(str(value or ""))
        host, _ = url.hostname or "", url.port
    except ValueError as error:
        raise KubeconfigRefused("server", "is not a URL", "write https://host:port") from error
    if url.scheme != "https" or not host or url.username or url.password or url.query or url.fragment:
        raise KubeconfigRefused("server", "is not a plain https URL", "write https://host:port")
    if not allow_special_addresses:
        _check_host(host)
    return str(value).rstrip("/")


def _check_host(host: str) -> None:
    """Say at once what the connector would say when it connects; what names resolve to, only it can know."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            raise addresses.AddressRefused(host) from None
        return
    addresses.check(host)
