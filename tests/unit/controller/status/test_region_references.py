"""The Secrets that a Region names: what is missing in them, or cannot serve, is told in ReferencesResolved."""

from datetime import timedelta

import pytest

from region_operator import naming
from region_operator.controller import certificates
from unit.controller.plan.world import NOW
from unit.controller.status.regions import Life

OTHER = certificates.make_authority("other", key=certificates.new_key(), serial=9, now=NOW)


@pytest.mark.parametrize("missing", ["agent-user", "admin-user", "api", "agent-client"])
def test_a_secret_that_is_missing_is_named(missing):
    life = Life.of("all-external")
    del life.world.references[missing]

    for _ in range(5):
        life.run()

    assert life.verdict("ReferencesResolved") == ("False", "SecretNotFound")
    assert f"Secret {missing} does not exist" in life.condition("ReferencesResolved").message
    assert life.verdict("Reconciling") == ("False", "Waiting")


def test_a_client_secret_without_a_key_is_named():
    life = Life.of("all-external")
    del life.world.references["agent-client"]["tls.key"]
    for _ in range(5):
        life.run()

    assert life.verdict("ReferencesResolved") == ("False", "SecretKeyMissing")
    assert "tls.key" in life.condition("ReferencesResolved").message


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tls.key": OTHER.key}, "is not the key"),
        ({"tls.key": b"no key"}, "no private key"),
        ({"tls.crt": b"no certificate"}, "no certificate can be read"),
    ],
)
def test_a_certificate_that_no_server_can_serve_with_is_told_and_the_servers_keep_what_they_have(values, told):
    life = Life.ready("full")
    before = life.world.data("placement", naming.management_tls("full"))
    life.world.references["web-tls"] |= values
    life.settle()
    assert life.verdict("ReferencesResolved") == ("False", "CertificateUnusable")
    assert told in life.condition("ReferencesResolved").message
    assert life.verdict("Reconciling") == ("False", "Waiting")
    assert life.world.data("placement", naming.management_tls("full")) == before


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tls.crt": OTHER.certificate}, "tls.key is not the key"),
        ({"tls.key": b"no key"}, "no private key"),
        ({"ca.crt": b"no authority"}, "ca.crt: no certificate can be read"),
    ],
)
def test_a_certificate_by_which_no_agent_can_be_reached_is_told(values, told):
    life = Life.ready("all-external")
    life.world.references["agent-client"] |= values
    life.run()
    assert life.verdict("ReferencesResolved") == ("False", "CertificateUnusable")
    message = life.condition("ReferencesResolved").message
    assert f"spec.agent.external.tlsSecretRef: Secret agent-client: {told}" in message


@pytest.mark.parametrize("name", ["full", "all-external"])
def test_a_certificate_that_has_ended_is_told(name):
    life = Life.ready(name)
    life.world.now = NOW + timedelta(days=4000)
    life.run(act=False)
    assert life.verdict("ReferencesResolved") == ("False", "CertificateExpired")
    assert "the certificate ended 2036" in life.condition("ReferencesResolved").message
