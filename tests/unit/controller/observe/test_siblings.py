"""No verdict on duplicates, keys and authorities before every Region was listed and looked at (OPERATOR 3)."""

import pytest

from region_operator.controller.facts import AgentFacts, IdHolder, PeerFacts, TrustHolder, Unknown
from region_operator.controller.fleet import Entry, Fleet, Sighting
from region_operator.controller.observe.siblings import key_taken, same_id, trust_holders
from region_operator.supervision.units import Key

pytestmark = pytest.mark.rule("OPERATOR 3")
WEST, EAST = Key("Region", "clouds", "west"), Key("Region", "clouds", "east")


@pytest.fixture
def fleet() -> Fleet:
    """Two Regions with one id, as events told of them; the kinds are not listed yet."""
    made = Fleet()
    for key in (WEST, EAST):
        made.seen(Entry(key, f"uid-{key.name}", generation=1, deleting=False, region_id=7), "1")
    return made


def look(fleet: Fleet, key: Key, *, holds: bool) -> TrustHolder:
    """A pass over the Region; returns whom its agent trusts."""
    agent = AgentFacts("https://agent", status=None)
    seen = PeerFacts("clouds", key.name, f"uid-{key.name}", 1, 7, False, "https://agent", "", agent)
    trust = TrustHolder(key.name, frozenset({"sha256:ca"}), "ca")
    fleet.publish(Sighting(seen, trust, holds_claim=holds, holds_key=holds))
    return trust


def test_nothing_is_said_before_the_kinds_were_listed(fleet):
    look(fleet, EAST, holds=True)
    for verdict in (same_id(fleet, WEST), key_taken(fleet, WEST), trust_holders(fleet, "clouds")):
        assert isinstance(verdict, Unknown)
        assert verdict.reason == "NotObserved"


def test_a_region_that_was_not_looked_at_leaves_it_open_who_holds_the_id(fleet):
    fleet.listed = True
    (other,) = same_id(fleet, WEST)
    assert (other.name, isinstance(other.holds_claim, Unknown)) == ("east", True)
    assert isinstance(key_taken(fleet, WEST), Unknown)
    assert all(isinstance(holder.trusted, Unknown) for holder in trust_holders(fleet, "clouds"))


@pytest.mark.parametrize("holds", [True, False])
def test_what_the_last_pass_saw_is_said(fleet, holds):
    fleet.listed = True
    trust = look(fleet, EAST, holds=holds)
    assert same_id(fleet, WEST) == (IdHolder("clouds", "east", "uid-east", holds),)
    assert key_taken(fleet, WEST) is holds
    assert trust in trust_holders(fleet, "clouds")


def test_a_region_that_is_being_deleted_holds_up_no_rotation_of_the_authority(fleet):
    fleet.listed = True
    fleet.seen(Entry(WEST, "uid-west", generation=2, deleting=True, region_id=7), "2")
    assert [holder.region for holder in trust_holders(fleet, "clouds")] == ["east"]
