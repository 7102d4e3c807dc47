"""A Region whose agent or cluster does not answer: nothing that was known is taken back."""

import pytest

from region_operator.controller.facts import (
    Unknown,
)
from unit.controller.status.regions import Life, lost_cluster, silent_agent


@pytest.mark.parametrize("age_s", [0.0, 30.0, 90.0])
def test_an_agent_that_is_silent_for_a_moment_does_not_move_ready(age_s):
    life = Life.ready()
    before = life.region.status.conditions
    silent_agent(life, age_s=age_s)

    life.run(act=False)

    assert life.region.status.conditions == before


def test_an_agent_that_stays_silent_makes_ready_unknown_and_keeps_what_was_known():
    life = Life.ready()
    known = life.region.status.agent
    silent_agent(life, age_s=91)

    life.run(act=False)

    assert life.verdict("AgentReady") == ("Unknown", "ProbeTimeout")
    assert life.verdict("Registered") == ("Unknown", "AgentUnreachable")
    assert life.verdict("HistoryIntact") == ("Unknown", "AgentUnreachable")
    assert life.verdict("Ready") == ("Unknown", "AgentUnreachable")
    assert life.verdict("DatabaseReady") == ("True", "Ready"), "the cluster says so"
    assert life.region.status.agent == known


def test_the_external_database_of_a_silent_agent_is_unknown():
    life = Life.ready("external-database")
    silent_agent(life, age_s=91)

    life.run(act=False)

    assert life.verdict("DatabaseReady") == ("Unknown", "AgentUnreachable")


def test_a_lost_cluster_makes_ready_unknown_and_erases_nothing():
    life = Life.ready("other-cluster")
    before = life.region.status
    lost_cluster(life)

    life.run(act=False)

    after = life.region.status
    assert life.verdict("PlacementReachable") == ("Unknown", "ProbeTimeout")
    for part in ("Claimed", "DatabaseReady", "ManagementServerReady", "CertificatesReady"):
        assert life.verdict(part) == ("Unknown", "PlacementUnreachable"), part
    assert life.verdict("Ready") == ("Unknown", "PlacementUnreachable")
    assert after.claim == before.claim is not None
    assert after.placement == before.placement is not None
    assert (after.database, after.management_server, after.retained) == (
        before.database,
        before.management_server,
        before.retained,
    )
    assert after.observed_generation == life.region.metadata.generation


def test_a_lost_cluster_that_changes_nothing_is_told_once():
    life = Life.ready("other-cluster")
    lost_cluster(life)
    first = life.run(act=False).status
    assert life.run(act=False).status == first


def test_being_forbidden_to_look_is_an_answer():
    life = Life.ready()
    life.world.changes |= {"children": Unknown("Forbidden", "list secrets: 403")}

    life.run(act=False)

    assert life.verdict("PlacementReachable") == ("False", "Forbidden")
    assert life.verdict("Ready") == ("False", "PlacementNotReachable")
