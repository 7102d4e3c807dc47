"""Whether both sides of a peering are wired for its generation, and what they lack."""

from dataclasses import replace

import pytest

from region_operator.controller.facts import DuplicatePeering, Invalid, Unknown
from unit.controller.status.peerings import UID, Watch, aged, agent, link, peering, side


@pytest.mark.parametrize(
    ("facts", "wired", "ready", "stalled"),
    [
        (peering(generation=2), ("False", "ConfigurationPending"), ("False", "NotWired"), "False"),
        (peering(generation=2, paused=True), ("False", "ConfigurationPending"), ("False", "Paused"), "False"),
        (
            peering(side(1, agent(1, link(2, registered=False)))),
            ("False", "NotRegistered"),
            ("False", "NotWired"),
            "False",
        ),
        (
            peering(side(1, agent(1, link(2), left_peerings=[UID]))),
            ("False", "PeeringWasLeft"),
            ("False", "NotWired"),
            "False",
        ),
        (
            peering(side(1, agent(1, link(2), database_key_fingerprint="sha256:other"))),
            ("False", "KeyMismatch"),
            ("False", "Stalled"),
            "True",
        ),
        (
            peering(replace(side(1, agent(1, link(2))), stalled="RegionIdClash")),
            ("False", "RegionIdClash"),
            ("False", "Stalled"),
            "True",
        ),
        (
            peering(replace(side(1, agent(1, link(2))), stalled="NameCollision")),
            ("False", "RegionNotReady"),
            ("False", "NotWired"),
            "False",
        ),
        (peering(side(1)), ("False", "RegionNotReady"), ("False", "NotWired"), "False"),
        (aged(peering(), 91, silent=True), ("Unknown", "AgentUnreachable"), ("Unknown", "AgentUnreachable"), "False"),
        (
            peering(duplicates=(DuplicatePeering("clouds", "older", "u", known_to_agents=True),), generation=1),
            ("False", "DuplicatePeering"),
            ("False", "Stalled"),
            "True",
        ),
    ],
)
def test_what_keeps_a_peering_from_being_wired(facts, wired, ready, stalled):
    watch = Watch()
    watch.look(facts)
    assert watch.verdict("Wired") == wired
    assert watch.verdict("Ready") == ready
    assert watch.condition("Stalled").status == stalled


@pytest.mark.rule("OPERATOR 19")
def test_of_two_peerings_the_one_that_agents_know_stays():
    watch = Watch()
    rival = DuplicatePeering("clouds", "a-smaller-name", "u", known_to_agents=False)
    watch.look(peering(duplicates=(rival,)))
    assert watch.verdict("Wired") == ("True", "Wired")
    watch.look(peering(duplicates=(replace(rival, known_to_agents=True),)))
    assert watch.verdict("Stalled") == ("True", "DuplicatePeering")
    watch.look(peering(duplicates=(replace(rival, known_to_agents=True, deleting=True),)))
    assert watch.verdict("Stalled") == ("False", "NotStalled")


def test_a_document_that_an_agent_refuses_is_told_with_its_words():
    first = side(1, agent(1, link(2)))
    refused = replace(first, agent=replace(first.agent, refusal=Invalid("InvalidDocument", "/links/0: bad url")))
    watch = Watch()
    watch.look(peering(refused))
    assert watch.verdict("Wired") == ("False", "ConfigurationRefused")
    assert "/links/0: bad url" in watch.condition("Wired").message


def test_regions_that_are_not_there_are_named():
    watch = Watch()
    facts = peering()
    watch.look(replace(facts, sides=(facts.sides[0], None)))
    assert watch.verdict("ReferencesResolved") == ("False", "RegionNotFound")
    assert "Region b does not exist in namespace clouds" in watch.condition("ReferencesResolved").message
    assert watch.status.directions == ()
    watch.look(replace(facts, sides=(facts.sides[0], replace(facts.sides[1], deleting=True))))
    assert watch.verdict("ReferencesResolved") == ("False", "RegionDeleting")
    watch.look(replace(facts, sides=(facts.sides[0], Unknown("NotObserved", "Region b was not looked at yet"))))
    assert watch.verdict("ReferencesResolved") == ("Unknown", "NotObserved")
    assert watch.verdict("Ready") == ("Unknown", "RegionUnknown")
