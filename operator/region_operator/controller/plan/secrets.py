"""What the generated Secrets hold, and how an edited password becomes the present one (rules 10 and 21).

A password is made once and never again: a Secret is created, later only patched. Random values come from ``generate``.
Users come in pairs: when the password of ``agent_a`` is seen edited, the name in the Secret becomes ``agent_b``, so the
user that running Pods are signed in as stays valid until they have switched.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from region_operator import naming
from region_operator.controller.facts import SecretFacts, digest
from region_operator.controller.plan.database import PROBE_USER
from region_operator.controller.plan.labels import Site, metadata
from region_operator.controller.plan.steps import CreateOnly, Manifest, Patch, Step
from region_operator.errors import InvalidInput

Generate = Callable[[], str]
Paired = Literal["agent", "manager"]

_USERNAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_REVISION: Final = "-revision"
_DIGEST: Final = "-digest"


@dataclass(frozen=True)
class DatabaseUsers:
    """Which users of ``<region>-database`` are ours to make; the others are copied from Secrets of the user.

    ``copied`` holds ``admin`` and ``agent`` of an external database as (username, password).
    """

    paired: tuple[Paired, ...]
    admin: bool
    copied: Mapping[str, tuple[str, str]]


# --- the database's Secret --------------------------------------------------------------------------------------------


def database_secret(site: Site, users: DatabaseUsers, *, key: bytes, generate: Generate) -> CreateOnly:
    """The Secret as it is made first; ``key`` is the fleet's digest key."""
    values: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for user in users.paired:
        values |= {f"{user}-username": f"{user}_a", f"{user}-password": generate()}
        annotations[_annotation(user, _DIGEST)] = digest(key, values[f"{user}-password"].encode())
        annotations[_annotation(user, _REVISION)] = "1"
    for other, (username, password) in users.copied.items():
        values |= {f"{other}-username": username, f"{other}-password": password}
    if users.admin:
        values |= {"admin-username": "region_admin", "admin-password": generate()}
        values["init.sql"] = init_sql(values["admin-username"], values["admin-password"])
    return CreateOnly(_secret(site, naming.database(site.region), values, annotations=annotations))


def database_secret_patch(users: DatabaseUsers, seen: SecretFacts, *, key: bytes, generate: Generate) -> list[Step]:
    """What makes the Secret right again after an edit; nothing when it is.

    Raises:
        InvalidInput: a name in it cannot be a user's name.
    """
    values: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for user in users.paired:
        _follow_edit(user, seen, key=key, generate=generate, into=(values, annotations))
    for other, (username, password) in users.copied.items():
        for name, value in ((f"{other}-username", username), (f"{other}-password", password)):
            if seen.digests.get(name) != digest(key, value.encode()):
                values[name] = value
    if users.admin:
        username = _known(seen, "admin-username") or "region_admin"
        password = _known(seen, "admin-password") or generate()
        wanted = {"admin-username": username, "admin-password": password, "init.sql": init_sql(username, password)}
        values |= {
            name: value for name, value in wanted.items() if seen.digests.get(name) != digest(key, value.encode())
        }
    return _patch(seen, values, annotations)


def _follow_edit(
    user: Paired,
    seen: SecretFacts,
    *,
    key: bytes,
    generate: Generate,
    into: tuple[dict[str, str], dict[str, str]],
) -> None:
    values, annotations = into
    present = seen.digests.get(f"{user}-password", "")
    recorded = seen.meta.annotations.get(_annotation(user, _DIGEST), "")
    username = _known(seen, f"{user}-username")
    if present and present == recorded and username in _pair(user):
        return
    if not present:
        values[f"{user}-password"] = generate()
        present = digest(key, values[f"{user}-password"].encode())
    annotations[_annotation(user, _DIGEST)] = present
    adopted = not recorded and username in _pair(user) and f"{user}-password" not in values
    if not adopted:
        values[f"{user}-username"] = _other(user, username)
        annotations[_annotation(user, _REVISION)] = str(revision(seen, user) + 1)


def revision(seen: SecretFacts, user: Paired) -> int:
    """How many passwords this user's pair has had; more than 1 means that there is another user to lock."""
    text = seen.meta.annotations.get(_annotation(user, _REVISION), "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def _pair(user: Paired) -> tuple[str, str]:
    return (f"{user}_a", f"{user}_b")


def _other(user: Paired, name: str) -> str:
    first, second = _pair(user)
    return second if name == first else first


def _annotation(user: str, what: str) -> str:
    return f"{naming.GROUP}/{user}{what}"


def _known(seen: SecretFacts, name: str) -> str:
    return seen.values.get(name, b"").decode("utf-8", "replace")


def init_sql(username: str, password: str) -> str:
    """What the server runs at each start: the admin has the password of the Secret, the probe may ping.

    The password goes in as the hash that the server keeps, so nothing of it can be read as SQL.

    Raises:
        InvalidInput: the name cannot be a user's name.
    """
    if not _USERNAME.fullmatch(username):
        raise InvalidInput(
            field="admin-username of the database's Secret",
            problem="is no plain user name",
            remedy="use a-z, 0-9 and _, at most 63, starting with a letter",
        )
    hashed = hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 - the server's own
    return "".join(
        f"{statement};\n"
        for statement in (
            f"CREATE USER IF NOT EXISTS '{username}'@'%' IDENTIFIED BY PASSWORD '*{hashed}'",
            f"ALTER USER '{username}'@'%' IDENTIFIED BY PASSWORD '*{hashed}'",
            f"GRANT ALL PRIVILEGES ON *.* TO '{username}'@'%' WITH GRANT OPTION",
            f"CREATE USER IF NOT EXISTS '{PROBE_USER}'@'localhost' WITH MAX_USER_CONNECTIONS 8",
        )
    )


# --- the other Secrets ------------------------------------------------------------------------------------------------


def admin_secret(site: Site, *, generate: Generate) -> CreateOnly:
    """First sign-in of the cloud's default admin."""
    return CreateOnly(_secret(site, naming.admin(site.region), {"username": "admin", "password": generate()}))


def management_api_secret(site: Site, *, generate: Generate) -> CreateOnly:
    """How the agent speaks to a managed management server."""
    return CreateOnly(
        _secret(site, naming.management_api(site.region), {"apiKey": generate(), "secretKey": generate()})
    )


def fleet_manifest(namespace: str, name: str, kind: str = "Opaque") -> Manifest:
    """A Secret of the whole fleet, in the hub, still empty; it belongs to no Region and outlives them."""
    labels = {"app.kubernetes.io/part-of": naming.PART_OF, "app.kubernetes.io/managed-by": naming.PART_OF}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": meta}


def fleet_database_key(namespace: str, name: str, key: str, *, generate: Generate) -> CreateOnly:
    """CloudStack's database key, made once for the whole fleet."""
    return CreateOnly({**fleet_manifest(namespace, name), "data": _encoded({key: generate()})}, where="hub")


def copy_steps(
    site: Site, name: str, values: Mapping[str, bytes], seen: SecretFacts | None, *, key: bytes
) -> list[Step]:
    """A placement's copy of what a user's Secret holds, made or brought up to date."""
    if seen is None:
        manifest = _secret(site, name, {})
        manifest["data"] = encoded(values)
        return [CreateOnly(manifest)]
    changed = {item: value for item, value in values.items() if seen.digests.get(item) != digest(key, value)}
    gone = sorted(set(seen.digests) - set(values))
    if not changed and not gone:
        return []
    data: dict[str, str | None] = {**encoded(changed), **dict.fromkeys(gone)}
    return [Patch(ref=seen.meta.ref, uid=seen.meta.uid, body={"data": data})]


def _secret(
    site: Site, name: str, values: Mapping[str, str], *, annotations: Mapping[str, str] | None = None
) -> Manifest:
    more: dict[str, Any] = {"annotations": dict(annotations)} if annotations else {}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata(site, name, "region", **more),
        "data": _encoded(values),
    }


def encoded(values: Mapping[str, bytes]) -> dict[str, str]:
    """Values as the data of a Secret."""
    return {name: base64.b64encode(value).decode() for name, value in sorted(values.items())}


def _encoded(values: Mapping[str, str]) -> dict[str, str]:
    return encoded({name: value.encode() for name, value in values.items()})


def _patch(seen: SecretFacts, values: Mapping[str, str], annotations: Mapping[str, str]) -> list[Step]:
    if not values and not annotations:
        return []
    body: dict[str, Any] = {}
    if values:
        body["data"] = _encoded(values)
    if annotations:
        body["metadata"] = {"annotations": dict(annotations)}
    patch = Patch(ref=seen.meta.ref, uid=seen.meta.uid, body=body, resource_version=seen.meta.resource_version)
    return [patch]
