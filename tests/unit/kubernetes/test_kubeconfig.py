import base64
import copy
import datetime

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from region_operator.errors import InvalidInput
from region_operator.kubernetes import kubeconfig
from region_operator.kubernetes.kubeconfig import parse

pytestmark = pytest.mark.rule("OPERATOR 4")


def key_pair(*, password=None):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode(), base64.b64encode(
        pem
    ).decode()


CERTIFICATE, KEY = key_pair()


def document(*, cluster=None, user=None, context=None, **top):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "clusters": [
            {
                "name": "eu",
                "cluster": {
                    "server": "https://10.0.0.1:6443",
                    "certificate-authority-data": CERTIFICATE,
                    **(cluster or {}),
                },
            }
        ],
        "users": [{"name": "operator", "user": {"token": "s3cret"} if user is None else user}],
        "contexts": [{"name": "main", "context": {"cluster": "eu", "user": "operator", **(context or {})}}],
        **top,
    }


def refused(content, **options):
    with pytest.raises(InvalidInput) as error:
        parse(content if isinstance(content, str | bytes) else yaml.safe_dump(content), **options)
    assert error.value.reason == "KubeconfigRefused"
    return error.value


def test_a_token_and_an_authority_are_enough():
    access = parse(yaml.safe_dump(document(context={"namespace": "x"}, preferences={})))
    assert (access.server, access.token) == ("https://10.0.0.1:6443", "s3cret")
    assert access.ca_pem.startswith("-----BEGIN CERTIFICATE")
    assert kubeconfig.configuration(access).api_key == {"BearerToken": "Bearer s3cret"}


def test_a_client_certificate_is_loaded_without_any_file(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tmp_path.chmod(0o500)
    user = {"client-certificate-data": CERTIFICATE, "client-key-data": KEY}
    access = parse(yaml.safe_dump(document(user=user, cluster={"tls-server-name": "api.eu"})))
    assert access.tls_server_name == "api.eu"
    kubeconfig.tls_context(access)
    assert list(tmp_path.iterdir()) == []


def test_only_the_current_context_is_read():
    content = document()
    content["users"].append({"name": "other", "user": {"exec": {"command": "rm"}}})
    content["clusters"].append({"name": "other", "cluster": {"server": "http://127.0.0.1"}})
    assert parse(yaml.safe_dump(content)).token == "s3cret"


@pytest.mark.parametrize(
    "key",
    [
        "exec",
        "tokenFile",
        "client-certificate",
        "client-key",
        "auth-provider",
        "username",
        "password",
        "as",
        "as-groups",
    ],
)
def test_a_user_may_bring_only_data_and_tokens(key):
    assert refused(document(user={"token": "t", key: "/bin/sh"})).field == f"user.{key}"


@pytest.mark.parametrize("key", ["certificate-authority", "insecure-skip-tls-verify", "proxy-url", "extensions"])
def test_a_cluster_may_bring_only_its_address_and_authority(key):
    assert refused(document(cluster={key: "x"})).field == f"cluster.{key}"


def test_other_keys_are_named_wherever_they_are():
    assert refused(document(extensions=[])).field == "kubeconfig.extensions"
    assert refused(document(context={"extensions": []})).field == "context.extensions"
    content = document()
    content["users"][0]["exec"] = {}
    assert refused(content).field == "users.exec"


@pytest.mark.parametrize(
    "server",
    [
        "http://10.0.0.1:6443",
        "10.0.0.1:6443",
        "https://",
        "https://user:password@10.0.0.1",
        "https://10.0.0.1/?a=b",
        "https://10.0.0.1/#a",
        "https://10.0.0.1:99999",
        "https://[::1",
        "file:///etc/passwd",
        None,
        7,
    ],
)
def test_a_server_is_a_plain_https_url(server):
    assert refused(document(cluster={"server": server}), allow_special_addresses=True).field == "server"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "localhost",
        "api.localhost",
        "0.0.0.0",
        "169.254.169.254",
        "169.254.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_special_addresses_are_refused_unless_this_is_development(host):
    content = document(cluster={"server": f"https://{host}:6443"})
    assert refused(content).field == "server"
    assert parse(yaml.safe_dump(content), allow_special_addresses=True).server == f"https://{host}:6443"


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "192.168.1.1", "203.0.113.7", "api.eu.example", "[fd12::1]", "[2001:db8::1]"]
)
def test_private_and_public_addresses_and_names_are_fine(host):
    assert parse(yaml.safe_dump(document(cluster={"server": f"https://{host}/k8s/clusters/c-1/"}))).server.endswith(
        "c-1"
    )


def test_credentials_are_complete():
    assert refused(document(user={})).field == "users"
    assert refused(document(user={"client-certificate-data": CERTIFICATE})).field == "client-key-data"
    assert refused(document(user={"client-key-data": KEY, "token": "t"})).field == "client-key-data"


def test_certificates_and_keys_are_checked_when_read():
    assert refused(document(cluster={"certificate-authority-data": "%%%"})).field == "certificate-authority-data"
    nonsense = base64.b64encode(b"nonsense").decode()
    assert refused(document(cluster={"certificate-authority-data": nonsense})).field == "certificate-authority-data"
    _, another_key = key_pair()
    pair = {"client-certificate-data": CERTIFICATE, "client-key-data": another_key}
    assert refused(document(user=pair)).field == "client-key-data"


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password():
    certificate, key = key_pair(password=b"hidden")
    pair = {"client-certificate-data": certificate, "client-key-data": key}
    assert refused(document(user=pair)).field == "client-key-data"


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "café", 7, ["t"]])
def test_a_token_is_one_plain_word(token):
    assert refused(document(user={"token": token})).field == "token"


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", "{", "- a\n- b", "", "just text", "a: !!python/object/apply:os.system ['true']", "[" * 1000],
)
def test_what_is_not_a_kubeconfig_is_refused(content):
    assert refused(content).field == "kubeconfig"


def test_a_huge_file_is_refused_unread():
    assert refused("x" * 300_000).field == "kubeconfig"


@pytest.mark.parametrize("section", ["clusters", "contexts", "users"])
@pytest.mark.parametrize("value", [None, [], [None], "text", [{"name": "other"}], {"main": {}}])
def test_a_missing_entry_is_named(section, value):
    content = copy.deepcopy(document())
    content[section] = value
    assert refused(content).field == section


def test_a_missing_current_context_is_named():
    content = document()
    del content["current-context"]
    assert refused(content).field == "current-context"


def test_no_secret_is_in_an_error_or_in_a_repr():
    access = parse(yaml.safe_dump(document()))
    assert "s3cret" not in repr(access)
    error = refused(document(user={"token": "s3cret", "client-key-data": KEY}))
    assert "s3cret" not in str(error)
    assert KEY not in str(error)
