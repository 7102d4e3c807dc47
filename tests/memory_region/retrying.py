"""Parked rows tried again, each in a transaction of its own, and clashes settled as the policy says."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from memory_region import intake
from memory_region.applying import Application
from memory_region.database import Database, Server
from memory_region.intake import Item
from region_operator.errors import InvalidInput
from region_operator.replication.feed import FeedRow, RowKey
from region_operator.replication.model import EntityRuleSet, UniqueClash, adopt, clash_winner
from region_operator.replication.store import settling
from region_operator.replication.store.context import Outcome
from region_operator.replication.store.parked import Waiting
from region_operator.replication.store.settling import Clash


class Retrying:
    """The part of `MemoryRegion` that is `store.writer` in MariaDB."""

    region_id: int
    server: Server
    _rules: dict[str, EntityRuleSet]
    _write: Callable[[Callable[[Database], Any]], Any]
    _application: Callable[..., Application]

    def _retry(self, waiting: Sequence[Waiting]) -> Outcome:
        """Try parked rows again, settle clashes, and what becomes visible by that."""
        total, todo, tried = Outcome(), list(waiting), set[tuple[RowKey, int]]()
        clashing = set[RowKey]()
        while todo:
            one = todo.pop(0)
            if (one.row, one.source) in tried or one.row.entity in self.server.read().left_out:
                continue
            tried.add((one.row, one.source))
            outcome = self._write(partial(self._try_again, one=one))
            if outcome.shown:  # what was tried in vain before may have waited for just this
                tried.clear()
            todo += outcome.woken
            total.add(outcome)
            for clash in outcome.clashes:
                if clash.row not in clashing:
                    clashing.add(clash.row)  # once: a row that clashes again has its next try
                    settled = self._settle(clash)
                    tried -= {(woken.row, woken.source) for woken in settled.woken}  # their name is free now
                    todo += settled.woken
                    total.add(settled)
        return total

    def _try_again(self, draft: Database, *, one: Waiting) -> Outcome:
        application = self._application(draft, source=one.source)
        if one.payload is None:
            return application.run([Item(one.row)], {})
        rows = [FeedRow(0, one.row.entity, one.row.key, one.payload)]
        return application.run(*intake.take_in(rows, self.server.catalog, draft.left_out))

    def _settle(self, clash: Clash) -> Outcome:
        """Do what the policy says about two rows of one name; nothing if a person has to."""
        try:
            return self._write(partial(self._settle_now, clash=clash))
        except InvalidInput:
            return Outcome()

    def _settle_now(self, draft: Database, *, clash: Clash) -> Outcome:
        entity, rules = self.server.catalog[clash.row.entity], self._rules[clash.row.entity]
        rule = settling.effective(rules, entity, clash)
        states = [draft.versions[row].state for row in (clash.row, clash.other) if row in draft.versions]
        if rule is UniqueClash.PARK or len(states) < 2 or any(state.alias is not None for state in states):
            return Outcome()
        winner = clash_winner(states)
        (loser,) = (state for state in states if state is not winner)
        row, application = RowKey(loser.entity, loser.key), self._application(draft)
        if rule is UniqueClash.ADOPT:
            adopter = RowKey(winner.entity, winner.key)
            return application.rewrite(row, lambda state, _actor: adopt(state, winner=winner), adopter=adopter)
        if not settling.renames(loser, region=self.region_id, live={self.region_id, *draft.cursors} - draft.left):
            return Outcome()
        return application.rewrite(row, partial(settling.renamed, entity=entity, rules=rules))
