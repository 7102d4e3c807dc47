"""Who a client certificate makes its holder."""

import pytest

from region_operator.errors import InvalidInput
from region_operator.replication.agent.roles import Fleet, Operator, Region, own_fleet, role_of


def certificate(*names: tuple[str, str]) -> dict:
    return {"subjectAltName": names}


@pytest.mark.rule("OPERATOR 17")
@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("spiffe://fleet/operator", Operator()),
        ("spiffe://fleet/region/2", Region(2)),
        ("spiffe://other/operator", None),
        ("spiffe://other/region/2", None),
        ("spiffe://fleet/region/", None),
        ("spiffe://fleet/region/2/operator", None),
        ("spiffe://fleet/region/-1", None),
        ("spiffe://fleet/region/02", None),
        ("spiffe://fleet/operator/", None),
    ],
)
def test_the_uri_name_gives_the_role(name: str, role: object) -> None:
    assert role_of(certificate(("URI", name)), fleet_uid="fleet") == role


def test_other_kinds_of_names_give_no_role() -> None:
    assert role_of(certificate(("DNS", "spiffe://fleet/operator")), fleet_uid="fleet") is None
    assert role_of(None, fleet_uid="fleet") is None
    assert role_of({}, fleet_uid="fleet") is None


def test_the_own_certificate_names_fleet_and_region() -> None:
    assert own_fleet(["spiffe://fleet/region/3"], region_id=3) == Fleet("fleet", 3)
    with pytest.raises(InvalidInput, match="not spiffe://<fleet>/region/3"):
        own_fleet(["spiffe://fleet/region/4"], region_id=3)
