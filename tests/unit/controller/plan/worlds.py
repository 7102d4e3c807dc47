"""Worlds in which a Region has come to rest; made once and copied, since that takes most of a test's time."""

import pickle
from functools import cache

from region_operator.controller.plan import steps
from unit.controller.plan.regions import region
from unit.controller.plan.world import World


def settled(name: str = "minimal", **more: object) -> World:
    """A world at rest, of its own for each test; without ``more`` it comes to rest once."""
    if not more:
        return pickle.loads(at_rest(name))
    world = World(region(name), **more)
    world.settle()
    return world


@cache
def at_rest(name: str) -> bytes:
    world = World(region(name))
    world.settle()
    return pickle.dumps(world)


def only_wait(world: World) -> steps.Wait:
    plan = world.plan()
    assert not [act for act in plan.acts if not isinstance(act, steps.AddFinalizer)]
    (wait,) = plan.waits
    return wait
