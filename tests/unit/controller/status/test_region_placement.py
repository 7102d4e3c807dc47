"""Conditions about where a Region lives, and which hub commands it."""

import pytest

from region_operator.controller.facts import (
    Children,
    Invalid,
    NamespaceFacts,
    PlacementFacts,
)
from region_operator.controller.outcome import Failure
from region_operator.controller.plan import steps
from unit.controller.status.regions import LOST, Life


@pytest.mark.parametrize(
    ("place", "verdict", "stalled"),
    [
        (
            PlacementFacts(cluster="c", namespace=NamespaceFacts("placed", consent=())),
            ("False", "PlacementNotPermitted"),
            ("True", "PlacementNotPermitted"),
        ),
        (PlacementFacts(cluster="c", namespace=None), ("False", "NamespaceNotFound"), ("False", "NotStalled")),
        (
            PlacementFacts(cluster=Invalid("KubeconfigRefused", "exec"), namespace=LOST),
            ("False", "KubeconfigRefused"),
            ("True", "KubeconfigRefused"),
        ),
        (
            PlacementFacts(cluster=Invalid("SecretNotFound", "Secret far"), namespace=LOST),
            ("Unknown", "NotObserved"),
            ("False", "NotStalled"),
        ),
    ],
)
def test_a_placement_that_cannot_be_used(place, verdict, stalled):
    life = Life.of("other-namespace")
    life.world.changes |= {"placement": place, "children": Children()}

    life.run(act=False)

    assert life.verdict("PlacementReachable") == verdict
    assert life.verdict("Stalled") == stalled
    assert life.verdict("Ready")[0] == "False"
    assert life.region.status.placement is None


def test_the_cluster_is_noted_when_the_claim_is_ours_and_never_changed():
    life = Life.ready()
    assert life.region.status.placement.wire() == {"cluster": "cluster-uid", "namespace": "clouds"}
    life.world.changes |= {"placement": PlacementFacts(cluster="another", namespace=NamespaceFacts("clouds"))}

    life.run(act=False)

    assert life.verdict("PlacementReachable") == ("False", "ClusterChanged")
    assert life.region.status.placement.cluster == "cluster-uid"
    assert life.verdict("Reconciling") == ("False", "Waiting")


def test_a_region_that_another_hub_commands_is_stalled():
    life = Life.of()
    life.run()
    life.world.objects[("placement", "ConfigMap", "minimal-claim")]["data"]["hub"] = "other-hub"

    life.run()

    assert life.verdict("Claimed") == ("False", "ClaimedByAnotherHub")
    assert life.verdict("Stalled") == ("True", "ClaimedByAnotherHub")
    assert life.verdict("Ready") == ("False", "Stalled")
    assert life.region.status.claim.hub == "other-hub"


def test_a_claim_that_the_agent_refuses_is_stalled_too():
    life = Life.ready()
    life.edit(deletionProtection=True)
    push = next(step for step in life.world.plan().acts if isinstance(step, steps.PushConfiguration))
    refused = Failure("configuration", push, "ClaimedByAnotherHub", "hub other commands it")

    life.run(failure=refused)

    assert life.verdict("Claimed") == ("False", "ClaimedByAnotherHub")
    assert life.verdict("Stalled") == ("True", "ClaimedByAnotherHub")
    assert life.region.status.agent.configuration.state == "Refused"
