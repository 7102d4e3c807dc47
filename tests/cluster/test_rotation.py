"""Secrets and certificates are exchanged while a region runs: nobody restarts the operator, nobody is locked out."""

import base64
import json
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass

import pytest

import clouds
from devcluster.toolchain import Unavailable
from fleets import Fleet, region, until
from region_operator import mutual_tls, naming
from region_operator.controller.plan.certificates import ANNOTATION_ROTATE

NAME = "eu-west"
AGENT, DATABASE, MANAGEMENT = f"{NAME}-agent", f"{NAME}-database", f"{NAME}-management"
AGENT_PORT = 8443


@pytest.fixture(scope="module")
def fleet(cluster, module_fleet):
    fleet = Fleet(cluster, module_fleet)
    fleet.apply(region(NAME))
    return fleet


@pytest.fixture
def eu_west(fleet, operator):
    """The Region, Ready; afterwards the operator must be the process that it was."""
    fleet.until_ready(NAME)
    before = operator_pods(fleet)
    yield NAME
    assert operator_pods(fleet) == before


def operator_pods(fleet):
    command = ("get", "pods", "-n", "region-operator", "-l", "app.kubernetes.io/name=region-operator", "-o", "json")
    pods = json.loads(fleet.cluster.kubectl(*command))["items"]
    assert pods
    return {(pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in pods}


# --- passwords --------------------------------------------------------------------------------------------------------


@pytest.mark.rule("OPERATOR 21")
@pytest.mark.parametrize(("user", "deployment"), [("agent", AGENT), ("manager", MANAGEMENT)])
def test_a_password_edited_in_its_secret_is_taken_over_by_the_other_user(fleet, eu_west, user, deployment):
    old = fleet.kubectl.secret(DATABASE)
    edit_password(fleet, user, f"fresh 'password' of {user}")
    until("the name is flipped", lambda: fleet.kubectl.secret(DATABASE)[f"{user}-username"] == f"{user}_b")
    until(f"{user}_a is locked", lambda: locked_users(fleet) >= {f"{user}_a"})
    fleet("rollout", "status", f"deployment/{deployment}", "--timeout=240s")
    fleet.until_ready(NAME)

    assert sign_in(fleet, f"{user}_b", f"fresh 'password' of {user}") == f"{user}_b"
    assert f"{user}_b" not in locked_users(fleet)
    with pytest.raises(Unavailable, match=f"account is locked|Access denied for user '{user}_a'"):
        sign_in(fleet, f"{user}_a", old[f"{user}-password"])


@pytest.mark.rule("OPERATOR 21")
def test_the_admins_password_edited_in_its_secret_becomes_the_servers(fleet, eu_west):
    old = fleet.kubectl.secret(DATABASE)
    edit_password(fleet, "admin", "fresh password of admin")
    until(
        "the server takes the new password",
        lambda: sign_in(fleet, old["admin-username"], "fresh password of admin") == old["admin-username"],
    )
    fleet.until_ready(NAME)
    with pytest.raises(Unavailable, match="Access denied"):
        sign_in(fleet, old["admin-username"], old["admin-password"])
    with clouds.region(fleet.kubectl, NAME) as cloud:  # the whole path: management server on the restarted database
        assert cloud.user("admin")


def edit_password(fleet, user, password):
    fleet.patch("secret", DATABASE, {"stringData": {f"{user}-password": password}})
    fleet.request_reconcile(NAME, token=f"{user}-password")


def locked_users(fleet):
    admin = fleet.kubectl.secret(DATABASE)
    query = "SELECT user FROM mysql.global_priv WHERE JSON_VALUE(priv, '$.account_locked')"
    return set(sql(fleet, admin["admin-username"], admin["admin-password"], query))


def sign_in(fleet, user, password):
    """Over the network and TLS, as the programs do; returns who the server says that is."""
    found = sql(fleet, user, password, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
    return found[0]


def sql(fleet, user, password, statement):
    options = f'[client]\nuser={user}\npassword="{password}"\nhost=127.0.0.1\nssl\n'
    client = ("mariadb", "--defaults-extra-file=/dev/stdin", "--batch", "--skip-column-names", "-e", statement)
    return fleet("exec", "-i", f"{DATABASE}-0", "-c", "mariadb", "--", *client, stdin=options).splitlines()


# --- certificates -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the agent showed and said to a client."""

    serial: int
    status: int


@pytest.mark.rule("OPERATOR 17")
def test_the_fleets_authority_is_exchanged_under_running_agents_and_the_old_one_is_refused(fleet, eu_west):
    old_client, old_ca = client_identity(fleet), fleet_secret(fleet)["ca.crt"]
    before = ask(fleet, old_client)
    assert before.status == 200
    agent_before = agent_pod(fleet)

    fleet("annotate", "secret", naming.FLEET_CA_SECRET, f"{ANNOTATION_ROTATE}=on-demand")
    fleet.request_reconcile(NAME, token="rotate")
    until("the new authority is the only one", lambda: authorities(fleet) not in ([old_ca], []))
    fleet.until_told(NAME, "CertificatesReady", "True", "Valid")
    fleet.until_ready(NAME)

    new_client = client_identity(fleet)
    after = until("the agent answers under the new authority", lambda: ask(fleet, new_client))
    assert (after.status, after.serial != before.serial) == (200, True)
    until("a client of the old authority is refused", lambda: refused(fleet, old_client, trust=new_client.ca_pem))
    assert agent_pod(fleet) == agent_before


def authorities(fleet):
    """The fleet's CA once it is alone, else nothing."""
    secret = fleet_secret(fleet)
    return [secret["ca.crt"]] if not {"next-ca.crt", "previous-ca.crt"} & set(secret) else []


def fleet_secret(fleet):
    data = fleet.get("secret", naming.FLEET_CA_SECRET)["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def agent_pod(fleet):
    selector = f"app.kubernetes.io/component=agent,{naming.LABEL_REGION_NAME}={NAME}"
    (pod,) = json.loads(fleet("get", "pods", "-l", selector, "-o", "json"))["items"]
    return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]


def client_identity(fleet):
    secret = fleet.kubectl.secret(naming.OPERATOR_CLIENT_SECRET)
    return mutual_tls.Identity(secret["ca.crt"], secret["tls.crt"], secret["tls.key"])


def refused(fleet, identity, *, trust):
    """Whether the agent, and not we, ends it."""
    try:
        ask(fleet, mutual_tls.Identity(trust, identity.certificate_pem, identity.key_pem))
    except ssl.SSLError as error:
        return "alert" in str(error).lower() and str(error)
    return ""


def ask(fleet, identity):
    """Ask the agent for its status, as the operator does."""
    fleet_uid = fleet_secret(fleet)["fleet-uid"].decode()
    context = mutual_tls.client_context(identity)
    request = b"GET /v1/status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
    with fleet.kubectl.forward(f"service/{AGENT}", AGENT_PORT) as port:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with closing(context.wrap_socket(plain, server_hostname=naming.agent_server_name(1, fleet_uid))) as connection:
            connection.sendall(request)
            said = connection.recv(64)
            serial = int(connection.getpeercert()["serialNumber"], 16)
    return Answer(serial, int(said.split()[1]))
