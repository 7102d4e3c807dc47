"""The simulation can fail: an engine that is broken on purpose is found out within some histories.

Each mutation takes one rule of the design away, at the place where the engine keeps it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from memory_region import adopting, applying, circles, feeding, lane, showing
from memory_region.database import Database, Server
from region_operator.replication import link
from region_operator.replication.agent.region import LocalRegion
from region_operator.replication.feed import ApplyOutcome, FeedPage
from region_operator.replication.model import Cursor, Edge, Resume, RowState, merge
from region_operator.replication.scans.settling import Settling
from region_operator.replication.store.parked import Reason
from simulation import histories
from simulation.fleet import Traced
from simulation.plans import drawn

SEEDS = 1000

Patch = pytest.MonkeyPatch


class CursorFirst(Traced):
    """Moves its cursor in a transaction of its own, before the data."""

    def apply(self, source: int, page: FeedPage) -> ApplyOutcome:
        self._write(lambda draft: lane.move_cursor(draft, page))
        return super().apply(source, replace(page, asked=None))


def drop_siblings(patch: Patch) -> None:
    def merged(a: RowState, b: RowState) -> RowState:
        state = merge(a, b)
        return replace(state, registers={name: register[-1:] for name, register in state.registers.items()})

    patch.setattr(applying, "merge", merged)


def take_the_newer_state_whole(patch: Patch) -> None:
    def merged(a: RowState, b: RowState) -> RowState:
        newer = max(a, b, key=lambda state: (state.vector.highest(), state.vector.items()))
        return replace(newer, vector=a.vector.join(b.vector))

    patch.setattr(applying, "merge", merged)


def forget_what_was_seen(patch: Patch) -> None:
    patch.setattr(applying, "merge", lambda a, b: replace(merge(a, b), vector=b.vector))


def keep_the_actor(patch: Patch) -> None:
    def restore(server: Server, backup: Database) -> None:
        server.database = backup
        server.running = backup.history[-1].name

    patch.setattr(Server, "restore", restore)


def never_send_back_what_was_lost(patch: Patch) -> None:
    patch.setattr(feeding, "holds", lambda _history, _cursor: True)


def send_everything_back(patch: Patch) -> None:
    patch.setattr(feeding, "is_echo", lambda _version, _request: False)


def believe_cursors_beyond_the_end(patch: Patch) -> None:
    def resume(cursor: Cursor, *, history: object, head: int, **_: object) -> Resume:
        return Resume(Cursor(history[-1].name, min(cursor.lsn, head)))  # type: ignore[index]

    patch.setattr(feeding, "resume", resume)


def believe_that_a_cursor_says_it_all(patch: Patch) -> None:
    resume = feeding.resume
    patch.setattr(feeding, "resume", lambda cursor, **more: resume(cursor, **{**more, "seen": None}))


def merge_before_folding(patch: Patch) -> None:
    patch.setattr(applying.Application, "_watch_own_past", lambda self, items: self._draft.dirty.clear())


def show_children_without_parents(patch: Patch) -> None:
    columns = showing.Showing._columns

    def blind(self: object, entity: object, target: object, current: object) -> object:
        found = columns(self, entity, target, current)  # type: ignore[arg-type]
        if not isinstance(found, Reason):
            return found
        return {f.columns[0].name: target.projection.values[f.name] for f in entity.fields if not f.is_group}  # type: ignore[attr-defined]

    patch.setattr(showing.Showing, "_columns", blind)


def leave_circles(patch: Patch) -> None:
    def none(edges: Mapping[str, Edge], *, root: str) -> dict[str, str]:
        return {}

    patch.setattr(circles, "break_cycles", none)


def tell_no_history(patch: Patch) -> None:
    async def history(_self: LocalRegion) -> tuple[()]:
        return ()

    patch.setattr(LocalRegion, "history", history)


def ask_on_before_a_page_is_applied(patch: Patch) -> None:
    async def take(self: link.Link, page: FeedPage) -> Cursor:
        page = replace(page, asked=None)  # wherever the link stands
        asyncio.ensure_future(self._here.apply(self._configuration.source, page))  # noqa: RUF006
        return page.next

    patch.setattr(link.Link, "_take", take)


def join_adopted_rows_as_they_are(patch: Patch) -> None:
    def absorbed(winner: RowState, alias: RowState) -> RowState:
        return merge(winner, replace(alias, key=winner.key, born=winner.born, alias=winner.alias))

    patch.setattr(adopting, "absorb", absorbed)


def send_nothing_again_that_was_left_out(patch: Patch) -> None:
    patch.setattr(Database, "send_again", lambda self, entities: None)


def accept_every_region(patch: Patch) -> None:
    """Take of a row what is accepted, and the vector of the whole."""
    unaccepted = applying.unaccepted_region

    def half(remote: RowState, local: RowState | None, **more: object) -> int | None:
        region = unaccepted(remote, local, **more)  # type: ignore[arg-type]
        if region is None or local is None:
            return region
        for name, register in local.registers.items():
            remote.registers[name] = register  # type: ignore[index]
        return None

    patch.setattr(applying, "unaccepted_region", half)


def take_what_is_on_its_way_for_a_difference(patch: Patch) -> None:
    async def at_once(self: Settling) -> tuple[int, int]:
        ours, theirs = await self._here.standing(), await self._peer.standing()
        return ours.head, theirs.head

    patch.setattr(Settling, "caught_up", at_once)


def bring_back_what_was_purged(patch: Patch) -> None:
    patch.setattr(applying.Application, "_is_purged", lambda *_: False)


@dataclass(frozen=True)
class Mutation:
    rule: str
    break_it: Callable[[Patch], None] = lambda _patch: None
    store: type[Traced] = Traced
    theme: str | None = None


MUTATIONS = {
    "a merge that drops siblings": Mutation("ENGINE 3", drop_siblings),
    "a merge that takes the newer state whole": Mutation("ENGINE 3", take_the_newer_state_whole),
    "a merge that forgets what was seen": Mutation("ENGINE 3", forget_what_was_seen),
    "an actor that is used again after a restore": Mutation("ENGINE 11", keep_the_actor, theme="restores"),
    "cursors beyond the end are believed": Mutation("ENGINE 12", believe_cursors_beyond_the_end),
    "a reader that tells only its cursor": Mutation("ENGINE 12", believe_that_a_cursor_says_it_all, theme="restores"),
    "a cursor that moves before the data": Mutation("ENGINE 12", store=CursorFirst),
    "a restored region never gets its own writes back": Mutation("ENGINE 13", never_send_back_what_was_lost),
    "everything is sent back to where it came from": Mutation("ENGINE 13", send_everything_back),
    "a link that does not tell what its region still has": Mutation("ENGINE 13", tell_no_history),
    "adopted rows that are joined as they are": Mutation("ENGINE 7", join_adopted_rows_as_they_are, theme="policies"),
    "what was left out is not sent again": Mutation("ENGINE 5", send_nothing_again_that_was_left_out, theme="policies"),
    "half of what is not accepted is joined": Mutation("OPERATOR 17", accept_every_region, theme="policies"),
    "a merge over captured changes": Mutation("ENGINE 18", merge_before_folding),
    "children without parents": Mutation("ENGINE 20", show_children_without_parents),
    "circles of domains": Mutation("ENGINE 9", leave_circles, theme="moves"),
    "a scan that does not wait": Mutation("OPERATOR 18", take_what_is_on_its_way_for_a_difference),
    "purged events that come back": Mutation("ENGINE 29", bring_back_what_was_purged, theme="events"),
    "a link that asks on before a page is applied": Mutation(
        "ENGINE 12", ask_on_before_a_page_is_applied, theme="crashes"
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_engine_is_found_out(name: str, monkeypatch: Patch) -> None:
    mutation = MUTATIONS[name]
    mutation.break_it(monkeypatch)
    for seed in range(SEEDS):
        if histories.fault_of(drawn(seed, theme=mutation.theme), store=mutation.store) is not None:
            return
    raise AssertionError(f"{name}: {SEEDS} histories found nothing wrong ({mutation.rule})")
