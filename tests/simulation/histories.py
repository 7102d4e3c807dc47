"""Runs histories by their seeds, makes failing ones shorter, and says how to run them again."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from simulation.fleet import Fleet, Traced
from simulation.loop import VirtualLoop
from simulation.plans import Plan, drawn


@contextmanager
def quiet() -> Iterator[None]:
    """Links break all the time here; nobody has to read of it. And the throttle draws from the common generator."""
    logging.disable(logging.CRITICAL)
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
        logging.disable(logging.NOTSET)


OnStep = Callable[[Fleet, int], None]
"""Told of each step of a history before it is taken, with its number."""


def run(plan: Plan, *, store: type[Traced] = Traced, on_step: OnStep = lambda _fleet, _step: None) -> Fleet:
    """Live a plan through and check; raises Violation, or whatever broke."""
    chance = random.Random(plan.seed)
    loop = VirtualLoop(chance)
    try:
        with quiet():
            random.seed(plan.seed)
            return loop.run_until_complete(_run(plan, chance, store, on_step))
    finally:
        loop.close()


async def _run(plan: Plan, chance: random.Random, store: type[Traced], on_step: OnStep) -> Fleet:
    fleet = Fleet(plan, chance=chance, store=store)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.on_step = lambda step: on_step(fleet, step)
    try:
        await fleet.run()
    finally:
        fleet.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
    return fleet


def fault_of(plan: Plan, *, store: type[Traced] = Traced) -> BaseException | None:
    """What goes wrong in a history; None if nothing does."""
    try:
        run(plan, store=store)
    except (Exception, BaseExceptionGroup) as fault:
        return fault
    return None


def shortened(plan: Plan, *, store: type[Traced] = Traced) -> Plan:
    """Leave out events as long as the history still fails."""
    size = max(1, len(plan.events) // 2)
    while size:
        start = 0
        while start < len(plan.events):
            shorter = replace(plan, events=plan.events[:start] + plan.events[start + size :])
            if fault_of(shorter, store=store) is not None:
                plan = shorter
            else:
                start += size
        size //= 2
    return plan


def report(seed: int, fault: BaseException, *, store: type[Traced] = Traced) -> str:
    """Say what failed, after which events, and the command that runs it again."""
    plan = shortened(drawn(seed), store=store)
    events = [f"  {event.at_s:7.3f} s  region {event.region}  {event.kind}" for event in plan.events]
    setting = f"{plan.regions} regions, peered {plan.links}, then {plan.later}, pages of {plan.batch_rows}"
    return "\n".join([f"seed {seed}: {fault!r}", setting, *events, f"again: make soak SEED={seed}"])
