"""What is wrong is said at the object itself, by reason and field, and costs the other regions of the fleet nothing."""

import base64
import re

import pytest

from devcluster.toolchain import Unavailable
from fleets import Fleet, peering, region
from region_operator import naming

HOSTILE = "x'`\"\\; DROP DATABASE cloud; --"
KINDS = "regions.region-operator.io,regionpeerings.region-operator.io,syncpolicies.region-operator.io"
HEALTHY = "healthy"
SECRET_FIELD = "spec.database.external.credentialsSecretRef"


@pytest.fixture(scope="module")
def fleet(cluster, module_fleet):
    """A fleet with one Region that is all right."""
    fleet = Fleet(cluster, module_fleet)
    fleet.apply(region(HEALTHY, 1, networkPolicies="None"))
    fleet.until_ready(HEALTHY)
    yield fleet
    fleet("delete", KINDS, "--all", "--timeout=240s")


@pytest.fixture(autouse=True)
def healthy_stays_as_it_was(fleet):
    before = fleet.kubectl.conditions("region", HEALTHY)["Ready"]
    yield
    assert fleet.kubectl.conditions("region", HEALTHY)["Ready"] == before


@pytest.fixture
def made(fleet):
    """Applies objects that are deleted again after the test."""
    names = []

    def made(*manifests):
        names.extend(f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in manifests)
        fleet.apply(*manifests)

    yield made
    fleet("delete", *names, "--timeout=240s")


def secret(name, **data):
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def on_external_database(name, number, *, host="database.invalid", admin="", **spec):
    external = {"host": host, "credentialsSecretRef": {"name": f"agent-of-{name}"}, "tls": {"mode": "Disabled"}}
    if admin:
        external["adminCredentialsSecretRef"] = {"name": admin}
    return region(name, number, **{"database": {"external": external}, **spec})


def policy(name, **spec):
    return {"apiVersion": naming.API_VERSION, "kind": "SyncPolicy", "metadata": {"name": name}, "spec": spec}


# --- Secrets and databases ------------------------------------------------------------------------------------------


def test_a_missing_secret_is_named_with_its_field_and_awaited(fleet, made):
    made(on_external_database("lonely", 2))
    fleet.until_told("lonely", "ReferencesResolved", "False", "SecretNotFound")
    assert f"{SECRET_FIELD}: Secret agent-of-lonely does not exist" in fleet.message("lonely", "ReferencesResolved")
    fleet.until_told("lonely", "Reconciling", "False", "Waiting")

    fleet.apply(secret("agent-of-lonely", username="agent"))
    fleet.request_reconcile("lonely", token="half")
    fleet.until_told("lonely", "ReferencesResolved", "False", "SecretKeyMissing")
    assert f"{SECRET_FIELD}: Secret agent-of-lonely has no password" in fleet.message("lonely", "ReferencesResolved")

    fleet.apply(secret("agent-of-lonely", username="agent", password="x"))
    fleet.request_reconcile("lonely", token="whole")
    fleet.until_told("lonely", "ReferencesResolved", "True")


def test_credentials_that_an_external_database_refuses_are_told_as_such(fleet, made):
    made(
        secret("agent-of-stranger", username="agent", password="x"),
        secret("admin-of-stranger", username="nobody", password="wrong"),
        external_on_healthy(fleet, "stranger", 3, admin="admin-of-stranger"),
    )
    fleet.until_told("stranger", "DatabaseReady", "False", "CredentialsRejected")
    message = fleet.message("stranger", "DatabaseReady")
    assert "spec.database.external.adminCredentialsSecretRef" in message
    assert "wrong" not in message


def external_on_healthy(fleet, name, number, *, admin=""):
    """A Region on the database server of the healthy one, which trusts its certificate."""
    tls = fleet.kubectl.get("secret", naming.database_tls(HEALTHY))
    fleet.apply({**secret("healthy-ca"), "data": {"ca.crt": tls["data"]["ca.crt"]}})
    host = f"{naming.database(HEALTHY)}.{fleet.namespace}.svc"
    manifest = on_external_database(name, number, host=host, admin=admin)
    manifest["spec"]["database"]["external"]["tls"] = {
        "mode": "VerifyIdentity",
        "caSecretRef": {"name": "healthy-ca", "key": "ca.crt"},
    }
    return manifest


def test_without_an_admin_the_sql_to_run_is_shown_and_has_no_password_in_it(fleet, made):
    made(
        secret("agent-of-waiting", username=HOSTILE, password="very secret"),
        external_on_healthy(fleet, "waiting", 4),
    )
    fleet.until_told("waiting", "DatabaseReady", "False", "GrantsRequired")
    assert "status.database.requiredGrants" in fleet.message("waiting", "DatabaseReady")
    body = fleet.get("region", "waiting")
    assert "GRANT " in body["status"]["database"]["requiredGrants"]
    assert "very secret" not in str(body)


def test_a_database_that_cannot_be_reached_is_told_with_the_address_that_was_tried(fleet, made):
    made(
        secret("agent-of-nowhere", username="agent", password="x"),
        secret("admin-of-nowhere", username="root", password="x"),
        on_external_database("nowhere", 5, admin="admin-of-nowhere"),
    )
    fleet.until_told("nowhere", "DatabaseReady", "False", "ConnectionFailed")
    message = fleet.message("nowhere", "DatabaseReady")
    assert "spec.database.external.host" in message
    assert "database.invalid" in message


# --- who is who -----------------------------------------------------------------------------------------------------


@pytest.mark.rule("OPERATOR 19")
def test_a_region_id_that_is_in_use_stays_with_who_holds_it(fleet, made):
    made(on_external_database("a-newcomer", 1))
    fleet.until_told("a-newcomer", "Stalled", "True", "RegionIdClash")
    assert f"id 1 belongs to Region {fleet.namespace}/{HEALTHY}" in fleet.message("a-newcomer", "Stalled")
    assert fleet.children("a-newcomer") == set()
    assert fleet.told(HEALTHY, "Claimed") == ("True", "Claimed")


@pytest.mark.rule("OPERATOR 19")
def test_of_two_new_regions_with_one_id_one_is_provisioned_and_the_other_left_alone(fleet, made):
    made(on_external_database("first", 6), on_external_database("second", 6))
    fleet.until_told("second", "Claimed", "False", "RegionIdClash")
    fleet.until_told("first", "Claimed", "True")
    assert fleet.children("second") == set()
    fleet.delete_regions("first")
    fleet.until_told("second", "Claimed", "True")
    fleet.apply(on_external_database("first", 6))
    fleet.until_told("first", "Claimed", "False", "RegionIdClash")


def test_a_peering_to_a_region_that_does_not_exist_says_which_and_waits(fleet, made):
    made(peering(HEALTHY, "nobody"))
    name = f"{HEALTHY}-nobody"
    fleet.until_told(name, "ReferencesResolved", "False", "RegionNotFound", kind="rgp")
    assert "spec.regions: Region nobody does not exist" in fleet.message(name, "ReferencesResolved", kind="rgp")
    assert fleet.told(name, "Ready", kind="rgp") == ("False", "ReferencesNotResolved")


def test_of_two_peerings_of_the_same_regions_one_yields(fleet, made):
    made(on_external_database("partner", 8))
    twin = {**peering("partner", HEALTHY), "metadata": {"name": "a-twin"}}
    made(peering(HEALTHY, "partner"), twin)
    fleet.until_told(f"{HEALTHY}-partner", "Stalled", "True", "DuplicatePeering", kind="rgp")
    assert "a-twin" in fleet.message(f"{HEALTHY}-partner", "Stalled", kind="rgp")
    assert fleet.told("a-twin", "Stalled", kind="rgp") == ("False", "NotStalled")


# --- policies and what comes later ----------------------------------------------------------------------------------


POLICIES = {
    "UnknownEntity": ({"entities": [{"name": "no_such_thing"}]}, "spec.entities[0].name"),
    "UnknownField": (
        {"entities": [{"name": "user", "fields": [{"name": "nope", "rule": "HighestVersion"}]}]},
        "spec.entities[0].fields[0].name",
    ),
    "RuleNotApplicable": (
        {"entities": [{"name": "user", "fields": [{"name": "email", "rule": "Max"}]}]},
        "spec.entities[0].fields[0].rule",
    ),
}


@pytest.mark.parametrize("reason", POLICIES)
def test_a_policy_that_cannot_be_acted_on_says_which_field(fleet, made, reason):
    spec, field = POLICIES[reason]
    name = f"bad-{reason.lower()}"
    made(policy(name, **spec))
    fleet.until_told(name, "Accepted", "False", reason, kind="syncp")
    assert field in fleet.message(name, "Accepted", kind="syncp")
    assert fleet.told(name, "Ready", kind="syncp") == ("False", "NotAccepted")


def test_a_region_whose_policy_is_missing_or_unusable_says_so(fleet, made):
    made(on_external_database("lawless", 9, policyRef={"name": "absent"}))
    fleet.apply(secret("agent-of-lawless", username="agent", password="x"))
    fleet.until_told("lawless", "ReferencesResolved", "False", "PolicyNotFound")
    assert "spec.policyRef: SyncPolicy absent does not exist" in fleet.message("lawless", "ReferencesResolved")


# --- what the API server refuses ------------------------------------------------------------------------------------


def with_settings(**settings):
    return region("bad", 20, database={"managed": {"storage": {"size": "1Gi"}, "settings": settings}})


REFUSED = {
    "a peering to itself": (peering("healthy", "healthy"), "spec.regions"),
    "a second line in a setting": (with_settings(sql_mode="ANSI\nplugin_load=evil"), "spec.database.managed.settings"),
    "a setting's name that ends the line": (with_settings(**{"a\n[mariadbd]": "1"}), "spec.database.managed.settings"),
    "a setting that loads code": (with_settings(plugin_load_add="evil"), "spec.database.managed.settings"),
    "a schema's name that ends the quotes": (
        region("bad", 20, database={"external": {
            "host": "x", "database": "c`; DROP", "credentialsSecretRef": {"name": "x"}}}),
        "spec.database.external.database",
    ),
    "a host with a command in it": (
        on_external_database("bad", 20, host="db;$(reboot)"), "spec.database.external.host",
    ),
    "an endpoint with a password in it": (
        region("bad", 20, managementServer={"endpoint": "https://me:secret@x/"}), "spec.managementServer.endpoint",
    ),
    "an endpoint of two lines": (
        region("bad", 20, managementServer={"endpoint": "https://x/\n<script>"}), "spec.managementServer.endpoint",
    ),
    "a name of an entity that ends the quotes": (
        policy("bad", entities=[{"name": "user`; drop"}]), "spec.entities[0].name",
    ),
    "a name that is no label": (region("Bad'; --", 20), "metadata.name"),
    "an id out of range": (region("bad", 2**31), "spec.id"),
    "an unknown field": (region("bad", 20, databse={}), "databse"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_the_api_server_refuses(fleet, what):
    manifest, field = REFUSED[what]
    with pytest.raises(Unavailable, match=re.escape(field)):
        fleet.apply(manifest)
