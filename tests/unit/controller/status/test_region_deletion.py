"""What a Region says while it is taken down."""

import pytest

from unit.controller.status.regions import LOST, Life, lost_cluster, peering


def deleted(life: Life, *, age_s: float = 5.0) -> None:
    life.world.deleting = True
    life.world.changes |= {"deleting_age_s": age_s}


def test_a_region_that_is_taken_down_says_so():
    life = Life.ready()
    deleted(life)

    life.run()
    assert life.verdict("Ready") == ("False", "Deleting")
    assert life.verdict("Reconciling") == ("True", "Deleting")
    assert life.verdict("DeletionBlocked") == ("False", "NotBlocked")
    life.run()
    assert life.verdict("ManagementServerReady") == ("False", "Deleting")


@pytest.mark.parametrize(
    ("peerings", "verdict"),
    [
        ((peering("a"),), ("True", "PeeringsExist")),
        ((peering("a", deleting=True, finalizer=True),), ("True", "PeeringsLeaving")),
        (LOST, ("Unknown", "NotObserved")),
    ],
)
def test_peerings_hold_a_region(peerings, verdict):
    life = Life.ready()
    deleted(life)
    life.world.changes |= {"peerings": peerings}

    life.run()

    assert life.verdict("DeletionBlocked") == verdict


def test_children_that_do_not_go_are_told_after_a_while():
    life = Life.ready()
    deleted(life, age_s=61)
    life.run()
    assert life.verdict("DeletionBlocked") == ("True", "ChildrenRemain")
    assert "Deployment/minimal-management" in life.condition("DeletionBlocked").message


def test_a_lost_cluster_holds_a_deletion():
    life = Life.ready("other-cluster")
    deleted(life)
    lost_cluster(life)

    life.run()

    assert life.verdict("DeletionBlocked") == ("True", "PlacementUnreachable")


def test_a_paused_region_is_not_taken_down():
    life = Life.ready()
    life.edit(paused=True)
    deleted(life)
    life.run()
    assert life.verdict("DeletionBlocked") == ("True", "Paused")
