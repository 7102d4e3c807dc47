from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from region_operator.controller import certificates as issuing
from region_operator.controller.facts import CertificateFacts, Invalid, TrustHolder, Unknown
from region_operator.controller.plan.certificates import (
    Authorities,
    agent_request,
    database_request,
    due,
    expiring,
    rotation,
    why_issue,
)
from region_operator.controller.plan.labels import Site
from region_operator.controller.plan.x509 import describe, why_no_pair
from unit.controller.plan.regions import region
from unit.controller.plan.world import NOW, World

SITE = Site("hub", "clouds", "eu", 7, "placed")
AT = "%Y-%m-%dT%H:%M:%SZ"


def authority(name, serial=1):
    return issuing.make_authority(name, key=issuing.new_key(), serial=serial, now=NOW)


def facts_of(pair) -> CertificateFacts:
    found = describe(pair.certificate)
    assert isinstance(found, CertificateFacts)
    return found


OLD, NEW = authority("old"), authority("new", 2)
OLD_FACTS, NEW_FACTS = facts_of(OLD), facts_of(NEW)
REQUEST = agent_request(SITE, fleet_uid="fleet", expose_host="agent.example")


def leaf(*, now=NOW, request=REQUEST) -> CertificateFacts:
    return facts_of(issuing.issue_leaf(request, authority=OLD, key=issuing.new_key(), serial=3, now=now))


def later(**after) -> str:
    return (NOW + timedelta(**after)).strftime(AT)


@pytest.mark.rule("OPERATOR 17")
def test_a_leaf_is_renewed_at_two_thirds_and_complained_about_in_the_last_quarter():
    made = leaf()
    assert not due(made, now=later(days=243))
    assert due(made, now=later(days=244))
    assert not expiring(made, now=later(days=273))
    assert expiring(made, now=later(days=274))


def test_a_leaf_is_issued_when_there_is_none_or_its_names_or_authority_differ():
    def why(seen, request=REQUEST, signer=OLD_FACTS, **after):
        return why_issue(seen, request, signer=signer, now=later(**after))

    assert why(leaf()) == ""
    assert "not there" in why(None)
    assert "unreadable" in why(Invalid("CertificateUnreadable", "unreadable"))
    assert "authority" in why(leaf(), signer=NEW_FACTS)
    assert "names" in why(leaf(), request=agent_request(SITE, fleet_uid="fleet", expose_host="10.0.0.1"))
    assert "two thirds" in why(leaf(), days=300)


def test_an_agent_is_known_by_the_fleets_own_name_and_by_where_it_is_reached():
    assert REQUEST.dns_names == (
        "agent-7.fleet.region-operator.internal",
        "eu-agent.placed",
        "eu-agent.placed.svc",
        "agent.example",
    )
    assert REQUEST.uris == ("spiffe://fleet/region/7",)
    by_address = agent_request(SITE, fleet_uid="fleet", expose_host="2001:db8::1")
    assert by_address.ip_addresses == ("2001:db8::1",)
    assert leaf(request=by_address).ip_addresses == frozenset({"2001:db8::1"})


def test_a_databases_certificate_names_its_services_and_is_for_servers_only():
    request = database_request(SITE)
    assert "eu-database.placed.svc" in request.dns_names
    assert (request.server, request.client) == (True, False)


def holder(name, trusted, signed_by=OLD_FACTS):
    return TrustHolder(name, trusted, signed_by.key_id if isinstance(signed_by, CertificateFacts) else signed_by)


BOTH = frozenset({OLD_FACTS.fingerprint, NEW_FACTS.fingerprint})
ONLY_OLD, ONLY_NEW = frozenset({OLD_FACTS.fingerprint}), frozenset({NEW_FACTS.fingerprint})
SILENT = Unknown("ProbeTimeout", "no answer")
DISTRIBUTING = Authorities(OLD_FACTS, coming=NEW_FACTS)
REISSUING = Authorities(NEW_FACTS, previous=OLD_FACTS)


@pytest.mark.rule("OPERATOR 17")
@pytest.mark.parametrize(
    ("known", "holders", "expected"),
    [
        (Authorities(OLD_FACTS), (holder("a", ONLY_OLD),), ("None", "None", ())),
        (Authorities(OLD_FACTS, asked="token"), (), ("None", "IssueNext", ())),
        (DISTRIBUTING, (holder("a", BOTH), holder("b", ONLY_OLD)), ("Distributing", "None", ("b",))),
        (DISTRIBUTING, (holder("a", BOTH), holder("b", SILENT)), ("Distributing", "None", ("b",))),
        (DISTRIBUTING, (holder("a", BOTH), holder("b", BOTH)), ("Distributing", "Promote", ())),
        (DISTRIBUTING, (TrustHolder("never provisioned", frozenset(), ""),), ("Distributing", "Promote", ())),
        (DISTRIBUTING, Unknown("x", "x"), ("Distributing", "None", ("?",))),
        (REISSUING, (holder("a", BOTH, NEW_FACTS), holder("b", BOTH)), ("Reissuing", "None", ("b",))),
        (REISSUING, (holder("a", BOTH, NEW_FACTS), holder("b", BOTH, SILENT)), ("Reissuing", "None", ("b",))),
        (REISSUING, (holder("a", BOTH, NEW_FACTS),), ("Reissuing", "Drop", ())),
        (Authorities(NEW_FACTS), (holder("a", BOTH, NEW_FACTS),), ("Dropping", "None", ("a",))),
        (Authorities(NEW_FACTS), (holder("a", ONLY_NEW, NEW_FACTS),), ("None", "None", ())),
    ],
)
def test_a_rotation_goes_on_only_when_every_region_has_followed(known, holders, expected):
    found = rotation(known, holders, now=later())
    assert (found.phase, found.act, found.held_by) == expected


def test_the_authority_itself_is_exchanged_long_before_it_ends():
    assert rotation(Authorities(OLD_FACTS), (), now=later(days=2400)).act == "None"
    assert rotation(Authorities(OLD_FACTS), (), now=later(days=2440)).act == "IssueNext"


def trust_of(world: World) -> dict[str, object]:
    """What the agent has by now: bundle and leaf of its Secret."""
    data = world.data("placement", "minimal-agent-tls")
    bundle = data["ca.crt"].split(b"-----END CERTIFICATE-----\n")[:-1]
    found = [describe(pem + b"-----END CERTIFICATE-----\n") for pem in bundle]
    trusted = frozenset(item.fingerprint for item in found)
    return {"holders": (TrustHolder("minimal", trusted, describe(data["tls.crt"]).authority),)}


@pytest.mark.rule("OPERATOR 17")
def test_a_whole_rotation_ends_with_the_new_authority_alone_and_never_breaks_the_chain():
    world = World(region())
    world.settle()
    before = describe(world.data("hub", "region-operator-ca")["ca.crt"])
    ca = world.objects[("hub", "Secret", "region-operator-ca")]
    ca["metadata"]["annotations"] = {"region-operator.io/rotate-ca": "now"}
    phases = []
    for _ in range(12):
        world.changes = {}
        world.changes = {"fleet": replace(world.look().fleet, **trust_of(world))}
        world.step()
        keys = sorted(world.data("hub", "region-operator-ca"))
        phases.append(tuple(key for key in keys if key.endswith(".crt")))
        leaf_now = describe(world.data("placement", "minimal-agent-tls")["tls.crt"])
        bundle = trust_of(world)["holders"][0].trusted
        known = [
            describe(value) for key, value in world.data("hub", "region-operator-ca").items() if key.endswith(".crt")
        ]
        assert leaf_now.authority in {item.key_id for item in known if item.fingerprint in bundle}
    assert phases[-1] == ("ca.crt",)
    assert [phase for n, phase in enumerate(phases) if n == 0 or phase != phases[n - 1]] == [
        ("ca.crt", "next-ca.crt"),
        ("ca.crt", "previous-ca.crt"),
        ("ca.crt",),
    ]
    after = describe(world.data("hub", "region-operator-ca")["ca.crt"])
    assert after.key_id != before.key_id
    assert describe(world.data("hub", "region-operator-client")["tls.crt"]).authority == after.key_id
    world.changes = {}
    assert world.step() == 0


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=("ec", "rsa", "ed25519"),
)
def test_a_pair_of_any_kind_is_one_if_the_key_is_the_certificates_own(key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=9))
    certificate = builder.sign(key, algorithm).public_bytes(Encoding.PEM)
    plain, locked = (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
        for lock in (NoEncryption(), BestAvailableEncryption(b"x"))
    )
    other = issuing.make_authority("other", key=issuing.new_key(), serial=2, now=NOW)
    assert why_no_pair(certificate, plain) == ""
    assert why_no_pair(certificate + other.certificate, plain) == "", "a chain begins with the leaf"
    assert "is not the key" in why_no_pair(other.certificate + certificate, plain)
    assert "without a password" in why_no_pair(certificate, locked)
    assert "no certificate" in why_no_pair(b"", plain)


def test_what_is_no_certificate_is_told_and_not_raised():
    for pem in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        assert isinstance(describe(pem), Invalid)
