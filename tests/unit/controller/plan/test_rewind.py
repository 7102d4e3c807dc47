"""A hub that was restored from a backup (OPERATOR 8): it only looks on, for what its agents have had later."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_operator import naming
from region_operator.api.agent import Rules, Source
from region_operator.controller.facts import PeeringFacts, PolicyFacts
from region_operator.controller.plan import steps
from region_operator.controller.plan.peering import act, leaving
from region_operator.controller.plan.rewind import accepted, rewound
from unit.controller.plan import test_configuration as configuration
from unit.controller.plan.regions import SPECS, region
from unit.controller.plan.world import World
from unit.controller.plan.worlds import settled
from unit.controller.status.peerings import Watch, agent, joined, link, peering, side

pytestmark = pytest.mark.rule("OPERATOR 8")


def at(generation: int, *, accept: int = 0) -> Source:
    return Source(kind="SyncPolicy", namespace="n", name="s", uid="u", generation=generation, accept_rewind=accept)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_hub_is_rewound_until_it_catches_up_or_a_person_accepts(own: int, known: int, accept: int) -> None:
    told = rewound(at(own, accept=accept), agent(1, sources=[at(known)]), None)
    assert bool(told) == (own < known and accept < known)


def test_what_no_agent_has_had_is_not_rewound() -> None:
    assert rewound(at(1), None, agent(1, sources=[])) == ""


@pytest.mark.parametrize(("given_", "generation"), [("7", 7), ("", 0), ("-7", 0), ("seven", 0), ("9" * 30, 0)])
def test_only_a_generation_accepts(given_: str, generation: int) -> None:
    assert accepted({naming.ANNOTATION_ACCEPT_REWIND: given_}) == generation
    assert accepted({}) == 0


# --- a Region ---------------------------------------------------------------------------------------------------------


def restored(world: World, *, accept: str = "") -> None:
    """The hub's etcd is put back: the Region is as it was two edits ago."""
    assert world.agent is not None
    (source,) = world.agent.sources
    world.agent = world.agent.model_copy(update={"sources": [source.model_copy(update={"generation": 3})]})
    annotations = {naming.ANNOTATION_ACCEPT_REWIND: accept} if accept else {}
    spec = {**SPECS["minimal"], "managementServer": {"managed": {"replicas": 1}}}
    world.region = region(spec=spec, annotations=annotations)


def test_a_restored_hub_changes_nothing_of_a_region_its_agent_has_had_later() -> None:
    world = settled()
    restored(world)
    plan = world.plan()
    assert plan.acts == ()
    (wait,) = plan.waits
    assert (wait.reason, wait.stalled) == ("HubRewound", True)
    assert "generation 1" in wait.message
    assert "accept-rewind: '3'" in wait.message


def test_nor_takes_it_down() -> None:
    world = settled()
    restored(world)
    world.deleting = True
    (wait,) = world.plan().waits
    assert (wait.condition, wait.reason) == ("DeletionBlocked", "HubRewound")
    assert world.plan().acts == ()


def test_when_a_person_accepts_the_agent_is_told_so_once_and_goes_back() -> None:
    world = settled()
    restored(world, accept="3")
    (push,) = [step for step in world.plan().acts if isinstance(step, steps.PushConfiguration)]
    assert push.document.sources[0].accept_rewind == 3
    world.settle()
    assert [(source.generation, source.accept_rewind) for source in world.agent.sources] == [(1, 0)]


def test_a_restored_policy_holds_its_regions_too() -> None:
    world = settled()
    world.changes["policy"] = PolicyFacts("clouds", "default", "uid-policy", 5, Rules(hash="sha256:new"))
    world.settle()
    world.changes["policy"] = PolicyFacts("clouds", "default", "uid-policy", 4, Rules(hash="sha256:old"))
    (wait,) = world.plan().waits
    assert wait.reason == "HubRewound"
    assert "SyncPolicy clouds/default" in wait.message
    world.changes["policy"] = PolicyFacts("clouds", "default", "uid-policy", 6, Rules(hash="sha256:newer"))
    world.settle()
    assert world.agent.sources[1].generation == 6


# --- a RegionPeering --------------------------------------------------------------------------------------------------


def behind(**more: object) -> PeeringFacts:
    """Only the agent of region b has had generation 4; the API has 2."""
    sides = (side(1, agent(1, link(2), generation=2)), side(2, agent(2, link(1), generation=4)))
    return replace(peering(*sides), **{"generation": 2, **more})


@pytest.mark.parametrize("deleting", [False, True])
def test_a_restored_peering_is_left_as_it_is_by_the_other_agent_too(deleting: bool) -> None:
    known = Source(kind="RegionPeering", namespace="clouds", name="p1", uid="p1", generation=9)
    answer = configuration.status(2, links=[configuration.held("p1", 1)], sources=[known])
    other = replace(configuration.peer(), agent=replace(configuration.peer().agent, status=answer, last=answer))
    facts = configuration.peering(other=other, deleting=deleting)
    told = configuration.document(facts, status=configuration.status(links=[configuration.held("p1")]))
    assert told.links == []
    assert [source.kind for source in told.sources] == ["Region"]


def test_a_restored_peering_is_stalled_and_its_wiring_stands() -> None:
    watch = joined()
    watch.look(behind())
    assert watch.verdict("Stalled") == ("True", "HubRewound")
    assert watch.verdict("Ready") == ("False", "Stalled")
    assert watch.verdict("Wired") == ("True", "Wired")
    assert watch.verdict("InSync") == ("True", "WithinObjective"), "data flows on"
    assert watch.condition("Stalled").message.count("accept-rewind: '4'") == 1
    watch.look(behind(accept_rewind=4))
    assert watch.verdict("Stalled") == ("False", "NotStalled")
    watch.look(behind(generation=4))
    assert watch.verdict("Ready") == ("False", "NotWired"), "the agent of region a does not have generation 4 yet"


def test_a_peering_of_a_restored_region_is_stalled_too_and_stays_wired() -> None:
    watch = Watch()
    first, second = peering().sides
    watch.look(peering(replace(first, stalled="HubRewound"), second))
    assert watch.verdict("Stalled") == ("True", "HubRewound")
    assert "Region a" in watch.condition("Stalled").message
    assert watch.verdict("Wired") == ("True", "Wired")


def test_a_deleted_peering_that_was_restored_waits_however_long_and_may_be_abandoned() -> None:
    deleted = behind(deleting=True, deleting_age_s=10_000)
    assert (leaving(deleted).done, leaving(deleted).reason) == (False, "HubRewound")
    assert act(deleted) == "Nothing"
    watch = Watch()
    watch.look(deleted)
    assert watch.verdict("DeletionBlocked") == ("True", "HubRewound")
    assert act(replace(deleted, abandon=True)) == "RemoveFinalizer"
    assert leaving(replace(deleted, accept_rewind=4, deleting_age_s=0)).reason == "Draining"
