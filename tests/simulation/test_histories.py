"""Some thousands of random fleets keep the consistency contract; a failing seed is printed with how to run it again.

What is checked, at every commit, at every page and in the end: `oracle` and `verdict`. Regions write, move, remove,
bring back and swap names; ways are cut in one direction or both, messages are lost and overtake each other; agents die
between two steps or in a commit; databases start anew or are restored; clocks are wrong by hours and jump; regions
leave each other and join anew; full scans run meanwhile.
"""

from collections import Counter
from dataclasses import replace

import pytest

from simulation import histories, verdict
from simulation.fleet import Fleet
from simulation.plans import THEMES, drawn

BATCH = 110
BATCHES = 10


@pytest.mark.parametrize("batch", range(BATCHES))
def test_regions_converge_and_lose_nothing_whatever_happens_to_them(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        fault = histories.fault_of(drawn(seed))
        if fault is not None:
            raise AssertionError(histories.report(seed, fault)) from fault


def ends(fleet: Fleet) -> list[object]:
    """All states and all that is shown, without the times that people's clocks put into rows."""
    return [
        (
            {row: verdict.timeless(version.state) for row, version in content.versions.items()},
            {row: {**columns, "removed": columns.get("removed") is None} for row, columns in content.business.items()},
            {(row, one.reason) for (row, _), one in content.parked.items()},
        )
        for content in fleet.contents().values()
    ]


@pytest.mark.parametrize("batch", range(2))
def test_the_same_history_under_other_clocks_ends_the_same(batch: int) -> None:
    for seed in range(batch * 50, (batch + 1) * 50):
        # Without scans: how long one may run is a time of day, and what else happens is drawn as it goes on.
        plan = replace(drawn(seed), events=tuple(event for event in drawn(seed).events if event.kind != "scan"))
        right = replace(plan, clocks_s=(0.0,) * plan.regions, jumps_s=0.0)
        assert ends(histories.run(plan)) == ends(histories.run(right)), f"seed {seed}"


@pytest.mark.parametrize("seed", [3, 5])
def test_a_history_is_repeated_exactly_by_its_seed(seed: int) -> None:
    first, again = (histories.run(drawn(seed)) for _ in range(2))
    assert first.contents() == again.contents()
    assert (first.oracle.received_rows, first.oracle.commits) == (again.oracle.received_rows, again.oracle.commits)


def test_histories_are_about_what_they_claim() -> None:
    """That nothing failed says little if nothing happened."""
    seen = Counter[str]()
    themes = [*THEMES, "moves", "policies"]
    for seed in range(220):
        fleet = histories.run(drawn(seed, theme=themes[seed % len(themes)]))
        contents = fleet.contents().values()
        seen.update({record.kind for content in contents for record in content.conflicts.values()})
        seen.update({f"{record.rule} of a name" for content in contents for record in content.conflicts.values()})
        seen.update({"purged"} if fleet.oracle.purged else ())
        seen.update({"lost"} if fleet.oracle.lost else ())
        seen.update({content.history_intact for content in contents})
        seen.update({"parked" for content in contents if content.parked})
        seen.update({"alias" for content in contents if content.aliases})
        seen.update({rules.hash for rules in fleet.told})
        seen.update({f"scan {scan.report.result}" for content in contents for scan in content.scans.values()})
        seen.update({"scan resumed"} if any(node.resumed_scans for node in fleet.nodes.values()) else ())
        seen.update({"left"} if fleet.peerings.left else ())
        seen.update({"joined anew"} if any(uid.endswith("+") for uid in fleet.peerings.links) else ())
    wanted = {"Value", "UniqueClash", "Cycle", "Deletion", "purged", "lost", "Restored", "parked", "alias"}
    wanted |= {"Rename of a name", "accept", "off", "left", "joined anew"}
    wanted |= {"scan Clean", "scan Aborted", "scan resumed"}
    assert not wanted - seen.keys(), seen
