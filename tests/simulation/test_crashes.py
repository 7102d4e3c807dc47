"""An agent that dies at any step of a small history, or in the middle of any of its commits, breaks nothing."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from simulation import histories
from simulation.fleet import Fleet
from simulation.plans import Event, Plan, drawn

LAST_EVENT_S = 8.0
WRITES = ("change", "move", "remove", "create", "change", "swap_names")


def small(seed: int) -> Plan:
    """Two regions that change and move the same few rows on both sides of a cut."""
    plan = drawn(seed)
    events = [Event(4.0, "cut", 1, (0.0,))]
    for number, kind in enumerate(WRITES):
        for region in (1, 2):
            draws = ((seed * 0.37 + number * 0.21 + region * 0.13) % 1, 0.1 * region, 0.5, 0.5)
            events.append(Event(4.1 + 0.3 * number + 0.1 * region, kind, region, draws))
    events.append(Event(LAST_EVENT_S, "heal", 1, (0.0,)))
    return replace(
        plan,
        regions=2,
        people=2,
        links=((1, 2),),
        later=(),
        batch_rows=2,
        loss=0.0,
        usual_s=0.05,
        clocks_s=(0.0, 0.0),
        events=tuple(sorted(events, key=lambda event: event.at_s)),
    )


class Steps:
    """Counts the steps of a history, and kills an agent just before, or in the commit of, one of them."""

    def __init__(self, *, kill: int = 0, region: int = 1, in_commit: bool = False) -> None:
        self.kill, self.region, self.in_commit = kill, region, in_commit
        self.taken = 0

    def __call__(self, fleet: Fleet, step: int) -> None:
        if not fleet.is_quiet:
            self.taken = step
        if step == self.kill:
            node = fleet.nodes[self.region]
            if self.in_commit:
                fleet.kill_in_commit(node, commits=1, starts_after_s=1.0)
            else:
                fleet.kill(node, starts_after_s=1.0)


def steps_to_try(plan: Plan) -> Iterator[int]:
    """Every step until the fleet has come to rest after the cut."""
    counter = Steps()
    histories.run(plan, on_step=counter)
    yield from range(1, counter.taken)


@pytest.mark.parametrize("in_commit", [False, True], ids=["between two steps", "in a commit"])
@pytest.mark.parametrize("region", [1, 2])
def test_an_agent_may_die_at_any_step(region: int, in_commit: bool) -> None:
    plan = small(7)
    for step in steps_to_try(plan):
        try:
            histories.run(plan, on_step=Steps(kill=step, region=region, in_commit=in_commit))
        except Exception as fault:
            raise AssertionError(f"region {region} dies at step {step}: {fault!r}") from fault
