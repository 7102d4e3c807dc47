"""The write lane of a region: takes the database, runs one transaction at a time, tries woken rows again."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from region_operator.errors import InvalidInput
from region_operator.replication.catalog import Entity
from region_operator.replication.feed import BulkRows, FeedRow, RowKey
from region_operator.replication.model.identity import adopt, clash_winner
from region_operator.replication.model.rules import UniqueClash
from region_operator.replication.store import compatibility, configuration, incarnations, intake, settling, versions
from region_operator.replication.store.apply import Application
from region_operator.replication.store.bulk_apply import BulkApplication
from region_operator.replication.store.bulk_tables import BulkTable
from region_operator.replication.store.connections import Address, Session
from region_operator.replication.store.context import Context, Outcome, Rules
from region_operator.replication.store.incarnations import Mint, Tenure
from region_operator.replication.store.intake import Item
from region_operator.replication.store.lane import Lane
from region_operator.replication.store.layout import layout, load_well_known
from region_operator.replication.store.parked import Parking, Waiting
from region_operator.replication.store.plain_apply import PlainApplication
from region_operator.replication.store.plain_fold import PlainFold
from region_operator.replication.store.schema import installed_version
from region_operator.replication.store.settling import Clash

Result = TypeVar("Result")

MOST_RETRIES = 10_000
"""Of woken rows within one call; what is left over is found by its time."""


class Writer:
    """Everything that writes to region_sync and, capture switched off, to the business tables."""

    def __init__(
        self, address: Address, *, region_id: int, rules: Rules, mint: Mint, catalog: Mapping[str, Entity]
    ) -> None:
        self.region_id, self.rules, self.parking = region_id, rules, Parking()
        self._address, self._random, self._catalog = address, mint, catalog
        self._minted: set[str] = set()
        self.layout = layout(catalog.values(), business_schema=address.business_schema, sync_schema=address.sync_schema)
        self._tenure: Tenure | None = None
        self._lane = Lane(address, on_connect=self._take)

    def close(self) -> None:
        self._lane.close()

    @property
    def writes(self) -> int:
        """Statements of ours that wrote, since we began."""
        return self._lane.writes

    def write(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in a transaction that holds the lane; raises Conflict if another agent has the database."""

        def guarded(session: Session) -> tuple[Result, int]:
            head = incarnations.guard(session, self.layout, self._present())
            if head < self._present().last_lsn:  # restored under a running agent
                incarnations.begin(session, self.layout, mint=self._mint, reason="HeadWentBack", restored=True)
            return work(session), incarnations.head(session, self.layout)

        result, head = self._lane.run(guarded)
        self._tenure = replace(self._present(), last_lsn=head)
        return result

    def leave_out(self, entities: Collection[str]) -> None:
        """Neither take nor serve rows of these entities from now on."""
        self.layout = replace(self.layout, left_out=frozenset(entities) | self.layout.held)

    def context(self, session: Session, *, source: int = 0, incarnation: str = "") -> Context:
        """What a transaction depends on; ``source`` and ``incarnation`` of the region whose rows are applied."""
        history = incarnations.history(session, self.layout)
        return Context(
            layout=self.layout,
            rules=self.rules,
            tenure=replace(self._present(), history=history, minted=frozenset(self._minted)),
            parking=self.parking,
            mint=self._mint,
            source=source,
            incarnation=incarnation,
        )

    def application(self, session: Session, *, source: int = 0, incarnation: str = "") -> Application:
        return Application(session, self.context(session, source=source, incarnation=incarnation))

    def peer_proved_more(self, session: Session, *, incarnation: str, stands_beyond: bool) -> None:
        """A peer has seen more of ``incarnation`` than we have: we lost commits, or it claims what never was.

        One that does not itself stand beyond our last number may only have been told of captured changes that came to
        nothing; to send it back is enough then.
        """
        tenure = replace(self._present(), minted=frozenset(self._minted))
        if incarnation != incarnations.history(session, self.layout)[-1].name:
            incarnations.mark_restored(session, self.layout)
        elif incarnations.holds_all_writes(session, self.layout, tenure):
            if stands_beyond:
                incarnations.mark_forged(session, self.layout)
        else:
            incarnations.begin(session, self.layout, mint=self._mint, reason="PeerProvedMore", restored=True)

    def fold(self, keys: Sequence[RowKey], *, wait: bool = False) -> Outcome:
        return self.write(lambda session: self.fold_within(session, keys, wait=wait))

    def apply(self, session: Session, piece: Sequence[FeedRow], *, source: int, incarnation: str) -> Outcome:
        """Apply rows of a peer inside a transaction: what is plain by the set, then the rest row by row."""
        context, outcome = self.context(session, source=source, incarnation=incarnation), Outcome()
        rest = PlainApplication(session, context, outcome).run(piece)
        if not rest:
            return outcome
        items, refused = intake.take_in(self.layout, rest)
        return Application(session, context, outcome).run(items, refused)

    def apply_bulk(
        self, session: Session, rows: BulkRows, *, tables: Mapping[str, BulkTable], source: int, incarnation: str
    ) -> tuple[Outcome, list[BulkRows]]:
        """Apply rows that nobody has to look at; returns also those that somebody has to."""
        context, outcome = self.context(session, source=source, incarnation=incarnation), Outcome()
        return outcome, BulkApplication(session, context, outcome, tables=tables).run([rows])

    def retry(self, waiting: Sequence[Waiting]) -> Outcome:
        """Try parked rows again, each in a transaction of its own, settle clashes, and what becomes visible by that."""
        total, todo, tried = Outcome(), list(waiting), set[tuple[RowKey, int]]()
        clashing, tries = set[RowKey](), 0
        while todo and tries < MOST_RETRIES:
            one = todo.pop(0)
            if (one.row, one.source) in tried or not self.layout.exchanges(one.row.entity):
                continue
            tried.add((one.row, one.source))
            tries += 1
            outcome = self.write(partial(self._try_again, one=one))
            if outcome.shown:  # what was tried in vain before may have waited for just this
                tried.clear()
            todo += outcome.woken
            total.add(outcome)
            for clash in outcome.clashes:
                if clash.row in clashing:
                    continue
                clashing.add(clash.row)  # once: a row that clashes again has its next try
                settled = self._settle(clash)
                tried -= {(woken.row, woken.source) for woken in settled.woken}  # their name is free now
                todo += settled.woken
                total.add(settled)
        return total

    def _settle(self, clash: Clash) -> Outcome:
        """Do what the policy says about two rows of one name; nothing if a person has to."""
        try:
            return self.write(partial(self._settle_now, clash=clash))
        except InvalidInput:
            return Outcome()  # one of them is being written; the next try of the row settles it

    def _settle_now(self, session: Session, clash: Clash) -> Outcome:
        entity, rules = self.layout.tables[clash.row.entity].entity, self.rules[clash.row.entity]
        rule = settling.effective(rules, entity, clash)
        known = versions.load(session, self.layout, [clash.row, clash.other])
        states = [version.names() for version in known.values()]
        if rule is UniqueClash.PARK or len(states) < 2 or any(state.alias is not None for state in states):
            return Outcome()
        winner = clash_winner(states)
        (loser,) = (state for state in states if state is not winner)
        row = RowKey(loser.entity, loser.key)
        application = self.application(session)
        if rule is UniqueClash.ADOPT:
            adopter = RowKey(winner.entity, winner.key)
            return application.rewrite(row, lambda state, _actor: adopt(state, winner=winner), adopter=adopter)
        if not settling.renames(loser, region=self.region_id, live=self._live(session)):
            return Outcome()
        return application.rewrite(row, partial(settling.renamed, entity=entity, rules=rules))

    def _live(self, session: Session) -> frozenset[int]:
        """This region and those that it reads."""
        return configuration.sources(session, self.layout) | {self.region_id}

    def fold_within(self, session: Session, keys: Sequence[RowKey], *, wait: bool = False) -> Outcome:
        """The same inside a transaction of the lane."""
        context, outcome = self.context(session), Outcome()
        rest = PlainFold(session, context, outcome).run(keys) if not wait else keys
        return Application(session, context, outcome).fold(rest, wait=wait) if rest else outcome

    def _try_again(self, session: Session, one: Waiting) -> Outcome:
        application = self.application(session, source=one.source)
        if one.payload is None:
            return application.run([Item(one.row)], {}, wait=True)
        items, refused = intake.take_in(self.layout, [FeedRow(0, one.row.entity, one.row.key, one.payload)])
        return application.run(items, refused, wait=True)

    def _mint(self) -> int:
        number = self._random()
        self._minted.add(f"{number:016x}")
        return number

    def _take(self, session: Session) -> None:
        schema = self._address.sync_schema
        incarnations.check_version(installed_version(session, schema))
        found = layout(
            self._catalog.values(),
            business_schema=self._address.business_schema,
            sync_schema=schema,
            well_known=load_well_known(session, schema),
            held=compatibility.load(session, schema).held,
        )
        self.layout = replace(found, left_out=self.layout.left_out | found.held)
        self._tenure = incarnations.take(
            session, self.layout, region_id=self.region_id, mint=self._mint, before=self._tenure
        )

    def _present(self) -> Tenure:
        assert self._tenure is not None, "a session of the lane takes the database first"
        return self._tenure
