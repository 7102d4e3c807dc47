"""When an agent is sent its document, and by which rules."""

from dataclasses import replace

import pytest

from region_operator.api.agent import Rules
from region_operator.controller.facts import PeeringFacts, Unknown
from region_operator.controller.plan import steps
from unit.controller.plan.worlds import settled


def test_an_agent_that_runs_is_told_of_its_links_also_while_something_else_is_held_up():
    world = settled("external-database")
    del world.references["database-ca"]
    world.agent = world.agent.model_copy(update={"configuration_etag": "sha256:of the past"})

    plan = world.plan()

    assert [wait.reason for wait in plan.waits] == ["SecretNotFound"]
    assert [type(act) for act in plan.acts] == [steps.PushConfiguration]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"region_id": 9}, "WrongRegion"), ({"api_versions": ["v2"]}, "VersionSkew")],
)
def test_an_agent_that_is_not_fit_is_told_nothing(change, reason):
    world = settled()
    world.agent = world.agent.model_copy(update={"configuration_etag": "", **change})
    assert not [act for act in world.plan().acts if isinstance(act, steps.PushConfiguration)]
    assert reason in [wait.reason for wait in world.plan().waits]


def test_an_operator_that_was_just_started_sends_no_document_before_it_looked_at_the_peers():
    unseen = Unknown("NotObserved", "not looked at yet")
    made = PeeringFacts("clouds", "p", "p", 1, ("minimal", "us"), (unseen, unseen), policy=None, finalizer=True)
    world = settled()
    world.agent = world.agent.model_copy(update={"sources": []})
    for just_started, pushes in ((True, 0), (False, 1)):
        hub = replace(world.look().hub, term=99, just_started=just_started)
        world.changes = {"hub": hub, "peerings": (made,)}
        assert len([act for act in world.plan().acts if isinstance(act, steps.PushConfiguration)]) == pushes


@pytest.mark.rule("OPERATOR 7")
def test_the_rules_of_a_policy_that_is_gone_stay_in_force():
    world = settled()
    agent = world.look().agent
    world.changes = {"policy": None, "agent": replace(agent, rules_in_force=Rules(hash="sha256:kept"))}
    (push,) = (act for act in world.plan().acts if isinstance(act, steps.PushConfiguration))
    assert push.document.rules.hash == "sha256:kept"

    world.changes = {"policy": None}
    assert [wait.reason for wait in world.plan().waits] == ["PolicyNotFound"]


@pytest.mark.rule("OPERATOR 7")
def test_an_operator_that_was_restarted_takes_the_rules_of_a_policy_that_is_gone_from_the_agent():
    world = settled()
    world.changes = {"policy": None}
    world.agent = world.agent.model_copy(update={"rules": Rules(hash="sha256:kept")})
    (push,) = (act for act in world.plan().acts if isinstance(act, steps.PushConfiguration))
    assert push.document.rules.hash == "sha256:kept"
