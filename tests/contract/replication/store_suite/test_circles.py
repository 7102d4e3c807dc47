"""Domains that moves in several regions put below themselves: whatever comes in whatever order, no way is endless."""

import functools
from collections.abc import Callable

import pytest

from contract.replication import regions
from contract.replication.regions import default_rules, pull, settle
from contract.replication.store_suite.clouds import Cloud
from region_operator.replication.catalog.identities import ROOT_DOMAIN as ROOT
from region_operator.replication.feed import RowKey

MakeCloud = Callable[..., Cloud]

pytestmark = pytest.mark.rule("ENGINE 9")


def retry(cloud: Cloud) -> None:
    cloud.age_parked(hours=1)
    cloud.store.retry_parked()


meet = functools.partial(regions.meet, retry=retry)


def way_up(cloud: Cloud, key: str) -> list[str]:
    """The keys from a domain to the root; fails where it comes round."""
    way: list[str] = []
    at: str | None = key
    while at is not None:
        assert at not in way, f"region {cloud.id} shows {key} below itself: {way}"
        way.append(at)
        at = cloud.value("domain", at, "parent")
    return way


def move(cloud: Cloud, key: str, parent: str) -> None:
    cloud.update("domain", key, parent=parent)
    cloud.fold()


def assert_alike(*clouds: Cloud, domains: str) -> None:
    for cloud in clouds:
        for key in domains.split():
            way_up(cloud, key)
        assert cloud.content() == clouds[0].content()
        assert cloud.states() == clouds[0].states()


def test_domains_moved_under_each_other_never_loop_and_end_alike(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("x")
    here.add_domain("y")
    settle(here, there)
    here.update("domain", "x", parent="y")
    there.update("domain", "y", parent="x")
    settle(here, there)
    # The younger edge (greatest dot: that of region 2) gives way, in both regions.
    for cloud in two:
        assert (cloud.value("domain", "x", "parent"), cloud.value("domain", "y", "parent")) == ("y", ROOT)
        assert [c.kind for c in cloud.store.conflicts(state=None) if c.kind == "Cycle"] == ["Cycle"]
    assert here.states() == there.states()
    here.update("domain", "x", parent=ROOT)
    settle(here, there)
    for cloud in two:
        assert (cloud.value("domain", "x", "parent"), cloud.value("domain", "y", "parent")) == (ROOT, "x")
        assert cloud.store.parked() == []


def test_a_move_that_is_captured_and_not_versioned_yet_is_seen_when_circles_are_broken(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    here.add_domain("x")
    here.add_domain("y")
    settle(here, there)
    # A row with two values of a field is kept whole beside the business row, under the parent that was versioned.
    here.update("domain", "x", network_domain="here")
    there.update("domain", "x", network_domain="there")
    settle(here, there)
    there.update("domain", "y", parent="x")
    there.fold()
    here.update("domain", "x", parent="y")
    here.store.apply_rows(there.id, there.store.read_rows([RowKey("domain", "y")]))
    assert (here.value("domain", "x", "parent"), here.value("domain", "y", "parent")) != ("y", "x")
    settle(here, there)
    assert here.content() == there.content()
    assert here.states() == there.states()


def test_a_move_that_is_committed_after_the_opposite_one_was_shown_leaves_no_circle(two: tuple[Cloud, Cloud]) -> None:
    """The cloud looked before the other move came, and wrote after it."""
    here, there = two
    for key in ("x", "y", "z"):
        here.add_domain(key)
    settle(here, there)
    there.update("domain", "y", parent="x")
    there.update("domain", "z", parent="y")
    pull(here, there)
    here.update("domain", "x", parent="z")
    here.fold()
    parents = {key: here.value("domain", key, "parent") for key in ("x", "y", "z")}
    assert ROOT in parents.values()
    assert [c.kind for c in here.store.conflicts(state=None)] == ["Cycle"]
    settle(here, there)
    assert {key: there.value("domain", key, "parent") for key in ("x", "y", "z")} == parents
    assert here.content() == there.content()
    assert here.states() == there.states()


def test_a_row_that_is_tried_again_does_not_go_below_one_that_has_moved_below_it(two: tuple[Cloud, Cloud]) -> None:
    """The parent that lost against the youngest move leads out of the circle only if it is looked at from there."""
    here, there = two
    here.add_domain("top")
    here.add_domain("middle", parent="top")
    here.add_domain("low", parent="middle")
    settle(here, there)
    move(there, "low", "top")
    move(there, "middle", "low")
    move(here, "middle", ROOT)
    move(here, "top", "low")
    move(here, "low", ROOT)
    move(here, "low", "middle")
    pull(there, here)
    retry(there)
    way_up(there, "top")
    meet(here, there)
    assert_alike(here, there, domains="top middle low")


def test_a_row_does_not_move_below_a_new_one_that_comes_with_it_and_lies_below_it(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("x")
    here.add_domain("y")
    settle(here, there)
    move(there, "x", "y")
    here.add_domain("new", parent="x")
    move(here, "y", "new")
    pull(there, here)
    way_up(there, "y")
    meet(here, there)
    assert_alike(here, there, domains="x y new")


def test_a_region_that_joins_when_there_is_a_circle_shows_all_of_its_rows(make_cloud: MakeCloud) -> None:
    a, b, late = (make_cloud(number) for number in (1, 2, 3))
    a.add_domain("x")
    a.add_domain("y")
    settle(a, b)
    a.update("domain", "x", parent="y")
    b.update("domain", "y", parent="x")
    settle(a, b)
    pull(late, a)
    meet(a, b, late)
    assert_alike(a, b, late, domains="x y")
    assert late.has("domain", "x")
    assert late.has("domain", "y")


def test_a_removed_parent_that_is_inserted_for_its_child_closes_no_circle(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    here.add_domain("x")
    here.add_domain("z")
    settle(here, there)
    move(there, "z", "x")
    here.add_domain("gone", parent="z")
    move(here, "x", "gone")
    here.update("domain", "gone", removed="2026-01-02 00:00:00")
    here.fold()
    pull(there, here)
    way_up(there, "x")
    meet(here, there)
    assert_alike(here, there, domains="x z")


def test_a_row_that_adopts_its_parent_is_not_its_own_parent(two: tuple[Cloud, Cloud]) -> None:
    here, there = two
    for cloud in two:
        cloud.store.set_rules(default_rules(unique_clash="Adopt"))
    here.add_domain("top")
    here.add_domain("one", name="acme", parent="top")
    settle(here, there)
    here.add_domain("two", name="acme", parent="top")
    here.fold()
    move(here, "one", "two")
    meet(here, there)
    assert_alike(here, there, domains="top one")
    assert there.value("domain", "one", "parent") == "top"


def test_a_move_that_is_seen_when_a_circle_is_broken_is_told_to_the_peer_that_wrote_the_row_before(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    for key in "xyz":
        here.add_domain(key)
    move(here, "z", "x")
    settle(here, there)
    there.update("domain", "y", network_domain="there")
    settle(here, there)
    move(there, "x", "y")
    here.update("domain", "y", parent="z")
    here.store.apply_rows(there.id, there.store.read_rows([RowKey("domain", "x")]))
    meet(here, there)
    assert_alike(here, there, domains="x y z")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_row_that_its_name_holds_back_hides_no_circle(two: tuple[Cloud, Cloud], at_once: bool) -> None:
    """What moves below it waits until it has left, for by the states there is no circle to be broken."""
    here, there = two
    here.add_domain("y")
    here.add_domain("p", parent="y")
    here.add_domain("x", name="taken", parent="p")
    settle(here, there)
    there.add_domain("namesake", name="taken")
    there.fold()
    move(here, "x", ROOT)
    if not at_once:
        pull(there, here)
    move(here, "y", "x")
    pull(there, here)
    way_up(there, "y")
    meet(here, there)
    way_up(there, "y")
    assert {row.row.key: row.reason for row in there.store.parked()} == {"x": "UniqueClash", "y": "BelowItself"}
    there.update("domain", "namesake", name="another")
    there.fold()
    meet(here, there)
    assert_alike(here, there, domains="x y p namesake")
    assert way_up(there, "p") == ["p", "y", "x", ROOT]
    assert not [row for cloud in two for row in cloud.store.parked()]


@pytest.mark.parametrize("apart", [False, True])
def test_what_was_written_of_a_row_is_told_although_a_circle_of_others_moves_it(
    two: tuple[Cloud, Cloud], apart: bool
) -> None:
    here, there = two
    for key in "clmd":
        here.add_domain(key)
    settle(here, there)
    move(here, "d", "c")
    move(there, "c", "d")  # the younger one: shown at the root
    move(here, "m", "c")
    move(there, "m", "l")  # shown; the other one stands behind it
    meet(here, there)
    assert [here.value("domain", key, "parent") for key in "cdm"] == [ROOT, "c", "l"]
    here.update("domain", "l", parent="m")
    here.update("domain", "c", name="renamed")
    if apart:
        here.store.fold(1)
    here.fold()
    meet(here, there)
    assert_alike(here, there, domains="c d l m")
    assert there.value("domain", "c", "name") == "renamed"


def test_what_was_written_of_a_row_is_told_although_a_decision_about_another_one_moves_it(
    two: tuple[Cloud, Cloud],
) -> None:
    here, there = two
    for key in ("m", "c", "top"):
        here.add_domain(key)
    here.add_domain("x", parent="m")
    settle(here, there)
    move(there, "m", "c")
    here.update("domain", "m", network_domain="here")
    here.fold()
    move(here, "m", "top")  # shown; the other one stands behind it
    for number in range(3):
        here.update("domain", "c", network_domain=f"here-{number}")
        here.fold()
    move(here, "c", "x")  # younger than any move of m
    meet(here, there)
    assert here.value("domain", "m", "parent") == "top"
    here.update("domain", "c", name="renamed")
    (conflict,) = (one for one in here.store.conflicts(state=None) if one.field == "parent")
    here.store.restore(conflict.id, dot=next(value.dot for value in conflict.values if value.value == "c"))
    assert [here.value("domain", key, "parent") for key in "cm"] == [ROOT, "c"]
    meet(here, there)
    assert_alike(here, there, domains="m c x top")
    assert there.value("domain", "c", "name") == "renamed"
