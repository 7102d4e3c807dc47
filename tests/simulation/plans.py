"""What happens in a history, drawn from a seed before it runs: a value, so it can be repeated and made shorter."""

import itertools
import random
from dataclasses import dataclass
from typing import Any

from region_operator.api.agent import EntityRules, FieldRule, Rules

START_S, END_S = 4.0, 16.0
"""Between them things happen; before, the first rows find their way to all regions, unless they are late."""

RULES = (
    Rules(hash="default"),
    Rules(hash="priority", rule="RegionPriority", region_priority=[2, 1, 3]),
    Rules(hash="update-wins", delete_rule="UpdateWins"),
    Rules(
        hash="manual",
        entities=[
            EntityRules(name="user", rule="Manual", fields=[FieldRule(name="state", rule="MostRestrictive")]),
            EntityRules(name="account", delete_rule="UpdateWins"),
        ],
    ),
    Rules(hash="rename", unique_clash="Rename"),
    Rules(hash="adopt", unique_clash="Adopt"),
    Rules(hash="accept", entities=[EntityRules(name="user", accept_from=[1, 2])]),
    Rules(hash="off", entities=[EntityRules(name=name, mode="Off") for name in ("user", "project_member", "event")]),
)
PARTIAL = {"accept", "off"}
"""Rules under which regions do not end equal; each region gives them up before the end."""

LAST_RULES = ("default", "rename", "adopt")

WRITES = {
    "create": 5,
    "contest": 1,
    "change": 10,
    "state": 2,
    "remove": 3,
    "revive": 2,
    "erase": 1,
    "move": 3,
    "swap_names": 1,
    "swap_keys": 1,
    "own": 1,
    "event": 1,
    "purge": 1,
}
MISFORTUNES = {
    "cut": 4,
    "cut_one_way": 3,
    "heal": 4,
    "kill": 4,
    "kill_in_commit": 4,
    "restart_database": 2,
    "backup": 2,
    "restore": 2,
    "jump": 3,
    "rules_change": 2,
    "join": 2,
    "leave": 1,
}
THEMES: dict[str, dict[str, float]] = {
    "all sorts": {},
    "partitions": {"cut": 20, "heal": 2, "kill": 1, "kill_in_commit": 1},
    "deletions": {"remove": 15, "revive": 10, "change": 15, "cut": 20, "heal": 2},
    "moves": {"move": 200, "create": 10, "cut": 100, "heal": 2},
    "names": {"swap_names": 15, "swap_keys": 15, "create": 20, "cut": 10},
    "restores": {"backup": 5, "restore": 40, "change": 50},
    "policies": {"rules_change": 60, "create": 30, "contest": 20, "change": 20, "move": 10, "cut": 20, "heal": 4},
    "events": {"event": 40, "purge": 20, "rules_change": 10, "restore": 5},
    "peerings": {"leave": 30, "join": 40, "cut": 8, "restore": 4, "remove": 8, "event": 5, "purge": 3},
    "crashes": {"kill": 15, "kill_in_commit": 30, "restart_database": 10},
}
"""What a history is mostly about: weights that differ."""


@dataclass(frozen=True)
class Event:
    """Something that happens; ``draws`` decide what exactly (which row, how long), each in 0..1."""

    at_s: float
    kind: str
    region: int
    draws: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """A history to be.

    Attributes:
        people: how many domains, accounts and users each there are at first.
        links: pairs of regions that are peered from the start; ``later``: that become peers.
        clocks_s: how wrong the wall clock of each region is; with jumps, all that tells two runs apart.
        last_rules: what all regions come to in the end, so that they also show the same; "": each keeps its own.
    """

    seed: int
    regions: int
    people: int
    links: tuple[tuple[int, int], ...]
    later: tuple[tuple[int, int], ...]
    batch_rows: int
    loss: float
    usual_s: float
    clocks_s: tuple[float, ...]
    jumps_s: float
    last_rules: str
    events: tuple[Event, ...]


def drawn(seed: int, *, theme: str | None = None) -> Plan:
    """Return the plan of a seed; without ``theme`` it is drawn too."""
    chance = random.Random(seed)
    regions = chance.choices([2, 3, 4, 5], [50, 35, 10, 5])[0]
    links = topology(regions, chance)
    may_come_later = len(links) >= regions and chance.random() < 0.3
    later = tuple(link for link in links if may_come_later and chance.random() < 0.3)
    return Plan(
        seed=seed,
        regions=regions,
        people=chance.choice([1, 2, 2, 3]),
        links=tuple(link for link in links if link not in later),
        later=later,
        batch_rows=chance.choice([1, 2, 5, 200]),
        loss=chance.choice([0.0, 0.0, 0.05, 0.2]),
        usual_s=chance.choice([0.005, 0.05, 0.3]),
        clocks_s=tuple(chance.uniform(-1, 1) * 3600 * 5 for _ in range(regions)),
        jumps_s=3600 * 30,
        last_rules=chance.choice(LAST_RULES) if chance.random() < 0.7 else "",
        events=_events(regions, chance, theme=theme),
    )


def topology(regions: int, chance: random.Random) -> list[tuple[int, int]]:
    """A mesh, a ring, a hub with spokes, or a chain."""
    everybody = range(1, regions + 1)
    match chance.choice(["mesh", "ring", "hub", "chain"]):
        case "mesh":
            return list(itertools.combinations(everybody, 2))
        case "ring" if regions > 2:
            return [*itertools.pairwise(everybody), (1, regions)]
        case "hub":
            return [(1, other) for other in everybody if other > 1]
        case _:
            return list(itertools.pairwise(everybody))


def _events(regions: int, chance: random.Random, *, theme: str | None) -> tuple[Event, ...]:
    weights = THEMES[theme or chance.choice(list(THEMES))]
    writes, misfortunes = (
        {kind: weights.get(kind, weight) for kind, weight in of.items()} for of in (WRITES, MISFORTUNES)
    )
    share = chance.choice([0.6, 0.75, 0.9])
    start_s = chance.choice([0.0, START_S, START_S])
    times = sorted(chance.uniform(start_s, END_S) for _ in range(chance.choice([8, 12, 12, 20, 40])))
    # A backup of each region is there to be restored.
    events = [Event(chance.uniform(0, END_S / 2), "backup", region, ()) for region in range(1, regions + 1)]
    for at_s in times:
        of = writes if chance.random() < share else misfortunes
        kind = chance.choices(list(of), list(of.values()))[0]
        events.append(Event(at_s, kind, chance.randint(1, regions), tuple(chance.random() for _ in range(4))))
    for _ in range(chance.choice([0, 0, 1, 2])):
        events.append(Event(chance.uniform(0, END_S), "scan", 1, tuple(chance.random() for _ in range(6))))
    return tuple(sorted(events, key=lambda event: event.at_s))


def rules_of(draw: float) -> Rules:
    return RULES[int(draw * len(RULES))]


def rules_named(name: str) -> Rules:
    return next(rules for rules in RULES if rules.hash == name)


def pick(draw: float, choices: list[Any]) -> Any:
    return choices[int(draw * len(choices))] if choices else None
