"""What the local management server is told."""

from region_operator.api.agent import RegionIdentity
from region_operator.replication.agent import registration
from region_operator.replication.agent.management_api import KnownRegion
from region_operator.replication.agent.registrar import Proof
from unit.replication_agent.documents import link

OWN = RegionIdentity(id=1, name="one", management_endpoint="http://cloud-1.test/client/")
OWN_ROW = KnownRegion(1, "one", "http://cloud-1.test/client/")
PEER_ROW = KnownRegion(2, "region-2", "http://cloud-2.test/client/")


def test_a_new_peer_is_added_and_strangers_are_left_alone() -> None:
    wanted = registration.wanted(OWN, [link("p1")], drained=[])
    steps = registration.steps(wanted, [OWN_ROW, KnownRegion(9, "by hand", "http://nine.test")])
    assert steps == registration.Steps(add=(PEER_ROW,), remove=())


def test_a_changed_endpoint_is_corrected() -> None:
    wanted = registration.wanted(OWN, [link("p1")], drained=[])
    assert registration.steps(wanted, [OWN_ROW, KnownRegion(2, "region-2", "http://old.test")]).add == (PEER_ROW,)
    assert not registration.is_registered(2, wanted, [OWN_ROW, KnownRegion(2, "region-2", "http://old.test")])


def test_nothing_is_to_do_when_all_is_listed() -> None:
    wanted = registration.wanted(OWN, [link("p1")], drained=[])
    assert not registration.steps(wanted, [OWN_ROW, PEER_ROW])
    assert registration.is_registered(2, wanted, [OWN_ROW, PEER_ROW])


def test_a_peer_is_removed_only_when_its_leave_has_drained() -> None:
    leaving = [link("p1", state="Leaving")]
    assert registration.steps(registration.wanted(OWN, leaving, drained=[]), [OWN_ROW, PEER_ROW]).remove == ()
    assert registration.steps(registration.wanted(OWN, leaving, drained=["p1"]), [OWN_ROW, PEER_ROW]).remove == (2,)


def test_a_peer_that_has_left_is_removed_though_nobody_told_us_to_leave() -> None:
    wanted = registration.wanted(OWN, [link("p1")], drained=["p1"])
    assert registration.steps(wanted, [OWN_ROW, PEER_ROW]).remove == (2,)


def test_nothing_of_a_leaving_peer_is_added_or_corrected() -> None:
    wanted = registration.wanted(OWN, [link("p1", state="Leaving")], drained=[])
    assert not registration.steps(wanted, [OWN_ROW])
    assert not registration.steps(wanted, [OWN_ROW, KnownRegion(2, "renamed", "http://old.test")])


def test_a_peer_that_is_only_planned_is_not_even_looked_at() -> None:
    given_up = link("p1", state="Leaving", wired=False)
    for planned in (link("p1", state="Plan"), given_up):
        wanted = registration.wanted(OWN, [planned], drained=["p1"])
        assert not registration.steps(wanted, [OWN_ROW, KnownRegion(2, "by hand", "http://two.test")])
    links = [link("p0", state="Leaving"), link("p1", state="Plan")]
    assert registration.steps(registration.wanted(OWN, links, drained=["p0"]), [OWN_ROW, PEER_ROW]).remove == (2,)


def test_a_peer_that_has_another_link_stays() -> None:
    links = [link("p1", state="Leaving"), link("p2")]
    assert registration.steps(registration.wanted(OWN, links, drained=["p1"]), [OWN_ROW, PEER_ROW]).remove == ()


def test_a_leave_is_not_proved_by_a_list_that_was_read_before_it_drained() -> None:
    wanted = registration.wanted(OWN, [link("p1", state="Leaving")], drained=["p1"])
    assert not Proof(wanted=wanted, listed=(OWN_ROW,)).forgotten("p1", 2)
    assert not Proof(wanted=wanted, listed=(OWN_ROW, PEER_ROW), drained=frozenset({"p1"})).forgotten("p1", 2)
    assert Proof(wanted=wanted, listed=(OWN_ROW,), drained=frozenset({"p1"})).forgotten("p1", 2)
