from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from region_operator.controller import certificates
from region_operator.controller.plan.steps import CertificateRequest
from region_operator.errors import InvalidInput

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEY = certificates.new_key()
AUTHORITY = certificates.make_authority("fleet", key=KEY, serial=1, now=NOW)
REQUEST = CertificateRequest(
    common_name="agent-1",
    dns_names=("agent-1.fleet.region-operator.internal",),
    ip_addresses=("192.0.2.1",),
    uris=("spiffe://fleet/region/1",),
    server=True,
    client=True,
)


def issued(request=REQUEST, *, now=NOW, authority=AUTHORITY):
    pair = certificates.issue_leaf(request, authority=authority, key=certificates.new_key(), serial=9, now=now)
    return pair, x509.load_pem_x509_certificate(pair.certificate)


def test_a_leaf_is_verified_by_its_authority_for_its_name():
    _, leaf = issued()
    store = Store([x509.load_pem_x509_certificate(AUTHORITY.certificate)])
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(REQUEST.dns_names[0]))
    assert verifier.verify(leaf, [])[0] == leaf


def test_a_leaf_of_another_authority_is_refused():
    other = certificates.make_authority("fleet", key=certificates.new_key(), serial=1, now=NOW)
    _, leaf = issued(authority=other)
    store = Store([x509.load_pem_x509_certificate(AUTHORITY.certificate)])
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(REQUEST.dns_names[0]))
    with pytest.raises(x509.verification.VerificationError):
        verifier.verify(leaf, [])


@pytest.mark.rule("OPERATOR 17")
def test_a_leaf_lives_365_days_and_is_valid_for_clocks_that_are_two_days_behind():
    _, leaf = issued()
    assert leaf.not_valid_before_utc == NOW - timedelta(hours=48)
    assert leaf.not_valid_after_utc == NOW + timedelta(days=365)


def test_a_leaf_ends_with_its_authority_at_the_latest():
    _, leaf = issued(now=NOW + timedelta(days=3600))
    assert leaf.not_valid_after_utc == NOW + timedelta(days=3650)


def test_a_leaf_cannot_sign_and_is_only_for_what_it_was_asked_for():
    _, leaf = issued(CertificateRequest(common_name="region-operator", server=False, client=True))
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_leaf_comes_with_its_own_key():
    pair, leaf = issued()
    assert load_pem_private_key(pair.key, password=None).public_key() == leaf.public_key()
    assert b"PRIVATE" not in pair.certificate
    assert "PRIVATE" not in repr(pair)


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (b"x", AUTHORITY.key),
        (AUTHORITY.certificate, b"x"),
        (AUTHORITY.certificate, certificates.make_authority("b", key=certificates.new_key(), serial=1, now=NOW).key),
    ],
)
def test_an_authority_that_cannot_be_used_is_told_without_its_key(certificate, key):
    with pytest.raises(InvalidInput) as refused:
        issued(authority=certificates.KeyPair(certificate, key))
    assert "restore" in str(refused.value)
    assert "PRIVATE" not in str(refused.value)


def test_a_long_name_still_fits_the_common_name():
    _, leaf = issued(CertificateRequest(common_name="x" * 80))
    assert len(leaf.subject.rfc4514_string()) <= len("CN=") + 64
