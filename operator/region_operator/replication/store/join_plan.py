"""What a join with a peer would do, read from both databases and changing neither: the store's part of a dry run.

Rows are told to the peer as sketches and looked for there: by key, and by the names that must be unique, with the same
conditions as the applier's. Nothing is kept between two questions, so memory is bounded by one of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from region_operator.naming import quote_identifier
from region_operator.replication.catalog import Entity, Unique
from region_operator.replication.comparison import (
    SKETCHES_AT_ONCE,
    Name,
    Sketch,
    Totals,
    Verdict,
    digest_of,
    identity_digest,
    relation,
)
from region_operator.replication.feed import RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.state import RowState, Scalar
from region_operator.replication.store import feed, reuse, rows, versions
from region_operator.replication.store.connections import Readers, Session
from region_operator.replication.store.layout import Layout, Table
from region_operator.replication.store.rows import BusinessRow, chunks

TOTALS_AT_ONCE = 5000
_LOOKUPS_AT_ONCE = 100


class JoinPlan:
    """Reads for a dry run, each in a snapshot of its own: under write load the figures are those of a moving target."""

    def __init__(self, readers: Readers, layout: Layout) -> None:
        self._readers, self._layout = readers, layout

    def entities(self) -> list[str]:
        """What this region exchanges, parents first."""
        return [name for name in self._layout.tables if self._layout.exchanges(name)]

    def totals(self, entity: str, *, after: str) -> Totals | None:
        """How much there is after a key, so far; None for an entity that is not exchanged here."""
        if not self._layout.exchanges(entity):
            return None
        with self._readers.snapshot() as session:
            found = versions.by_key(session, self._layout, entity, after=after, limit=TOTALS_AT_ONCE)
            texts, _ = feed.state_texts(session, self._layout, found)
            sizes = [len(text.encode()) for text in texts.values()]
        last = found[-1].row.key if len(found) == TOTALS_AT_ONCE else ""
        return Totals(len(sizes), sum(sizes), last)

    def sketches(self, entity: str, *, after: str) -> tuple[list[Sketch], str]:
        """The next rows in the order of keys, and the key to go on after, "" when these were the last."""
        with self._readers.snapshot() as session:
            found = versions.by_key(session, self._layout, entity, after=after, limit=SKETCHES_AT_ONCE)
            texts, _ = feed.state_texts(session, self._layout, found)
            names = _names(session, self._layout, entity, [row.key for row in texts])
        last = found[-1].row.key if len(found) == SKETCHES_AT_ONCE else ""
        return [_sketch(row, text, names.get(row.key, ())) for row, text in texts.items()], last

    def compare(self, entity: str, sketches: Sequence[Sketch]) -> list[Verdict]:
        """How each of these rows of a peer is held here."""
        if not self._layout.exchanges(entity):
            return [Verdict("Absent")] * len(sketches)
        with self._readers.snapshot() as session:
            wanted = [RowKey(entity, sketch.key) for sketch in sketches]
            found = versions.load(session, self._layout, wanted)
            texts, _ = feed.state_texts(session, self._layout, list(found.values()))
            verdicts = [_verdict(sketch, texts.get(row)) for row, sketch in zip(wanted, sketches, strict=True)]
            # Of a row that is newer here the peer's names are of the past.
            asked = [
                sketch
                for sketch, verdict in zip(sketches, verdicts, strict=True)
                if sketch.names and verdict.relation not in ("Equal", "Older")
            ]
            taken = _taken(session, self._layout, self._layout.tables[entity], asked)
        return [
            replace(verdict, clashes=sketch.key in taken) for sketch, verdict in zip(sketches, verdicts, strict=True)
        ]

    def identities(self, entity: str, keys: Collection[str]) -> dict[str, str]:
        """Digests of what people know these rows by; keys that are not here, or not any more, are left out."""
        if not self._layout.exchanges(entity):
            return {}
        with self._readers.snapshot() as session:

            def fetch(row: RowKey) -> RowState | None:
                return reuse.present(session, self._layout, row)

            here = rows.read_keys(session, self._layout, [RowKey(entity, key) for key in keys])
            states = {key: fetch(RowKey(entity, key)) for key in keys}
            return {
                key: identity_digest(reuse.identity(self._layout, state, fetch=fetch))
                for key, state in states.items()
                if state is not None and (RowKey(entity, key) in here or not _is_deleted(state))
            }


def _is_deleted(state: RowState) -> bool:
    return any(pair.value for pair in state.deleted)


def _sketch(row: RowKey, text: str, names: tuple[Name, ...]) -> Sketch:
    state = codec.decode(text)
    return Sketch(row.key, digest_of(text), len(text.encode()), state.vector, state.born, names)


def _verdict(sketch: Sketch, text: str | None) -> Verdict:
    if text is None:
        return Verdict("Absent")
    return replace(relation(sketch, here=codec.decode(text), digest=digest_of(text)), size=len(text.encode()))


# --- names ------------------------------------------------------------------------------------------------------------


def _compared(entity: Entity) -> list[Unique]:
    """Names of the entity that two regions compare: secrets are told nobody, and a time of removal is no name."""
    secret = {column.name for field in entity.fields if field.secret for column in field.columns}
    return [one for one in entity.unique if not {entity.removed, *secret} & set(one.columns)]


def _names(session: Session, layout: Layout, entity: str, keys: Collection[str]) -> dict[str, tuple[Name, ...]]:
    """The names of rows as they are shown here; a row that is not shown has none."""
    table = layout.tables[entity]
    uniques = _compared(table.entity)
    if not uniques:
        return {}
    found = rows.read_keys(session, layout, [RowKey(entity, key) for key in keys])
    parents = _parents(session, layout, entity=table.entity, uniques=uniques, found=found.values())
    removed = table.entity.removed
    names = {}
    for row, business in found.items():
        shown = [one for one in uniques if not one.live_only or removed is None or business.columns[removed] is None]
        told = (Name(one.columns, _values(table, one, business, parents)) for one in shown)
        names[row.key] = tuple(name for name in told if None not in name.values)
    return names


def _parents(
    session: Session, layout: Layout, *, entity: Entity, uniques: Iterable[Unique], found: Iterable[BusinessRow]
) -> Mapping[RowKey, BusinessRow]:
    """The rows that names lead through, as the account in the domain of a user's account."""
    through = {name.partition(".")[0] for one in uniques for name in one.columns if "." in name}
    references = {name: entity.field(name).reference for name in through}
    wanted = {
        RowKey(str(references[name]), str(business.columns[name]))
        for business in found
        for name in through
        if business.columns[name] is not None
    }
    return rows.read_keys(session, layout, wanted) if wanted else {}


def _values(
    table: Table, unique: Unique, business: BusinessRow, parents: Mapping[RowKey, BusinessRow]
) -> tuple[Scalar, ...]:
    def value(name: str) -> Scalar:
        own, _, of_parent = name.partition(".")
        if not of_parent:
            return business.columns[own]
        parent = parents.get(RowKey(str(table.entity.field(own).reference), str(business.columns[own])))
        return parent.columns[of_parent] if parent is not None else None

    return tuple(map(value, unique.columns))


@dataclass(frozen=True)
class _Lookup:
    """One name of one row, with references as local ids of this region."""

    key: str
    own_id: int
    unique: Unique
    values: tuple[Scalar, ...]

    def sql(self, layout: Layout, table: Table) -> tuple[str, tuple[Scalar, ...]]:
        """A row, ``key``, where another row has the name."""
        joins, conditions = "", []
        for number, name in enumerate(self.unique.columns):
            own, _, of_parent = name.partition(".")
            if of_parent:
                parent, alias = layout.tables[str(table.entity.field(own).reference)], f"p{number}"
                joins += f" JOIN {parent.sql} {alias} ON {alias}.{parent.local_id} = t.{quote_identifier(own)}"
                conditions.append(f"{alias}.{quote_identifier(of_parent)} = %s")
            else:
                conditions.append(f"t.{quote_identifier(own)} = %s")
        if self.unique.live_only and table.entity.removed is not None:
            conditions.append(f"t.{quote_identifier(table.entity.removed)} IS NULL")
        sql = (
            f"(SELECT %s FROM {table.sql} t{joins} WHERE {' AND '.join(conditions)} "
            f"AND t.{table.local_id} <> %s AND NOT {table.exclusion('t')} LIMIT 1)"
        )
        return sql, (self.key, *self.values, self.own_id)


def _taken(session: Session, layout: Layout, table: Table, sketches: Sequence[Sketch]) -> set[str]:
    """The keys of those rows one of whose names belongs to another row here."""
    taken: set[str] = set()
    for piece in chunks(_lookups(session, layout, table, sketches), _LOOKUPS_AT_ONCE):
        parts = [lookup.sql(layout, table) for lookup in piece]
        found = session.select(
            " UNION ALL ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]
        )
        taken |= {str(row[0]) for row in found}
    return taken


def _lookups(session: Session, layout: Layout, table: Table, sketches: Sequence[Sketch]) -> list[_Lookup]:
    uniques = {one.columns: one for one in _compared(table.entity)}
    targets = {columns: [_target(layout, table, name) for name in columns] for columns in uniques}
    keys: dict[str, set[str]] = {}
    for sketch in sketches:
        for name in sketch.names:
            for target, value in zip(targets.get(name.columns, ()), name.values, strict=False):
                if target is not None:
                    keys.setdefault(target, set()).add(str(value))
    local = {entity: rows.local_ids(session, layout.tables[entity], found) for entity, found in keys.items()}
    own = rows.local_ids(session, table, [sketch.key for sketch in sketches])
    lookups = []
    for sketch in sketches:
        for name in sketch.names:
            if len(name.values) != len(targets.get(name.columns, ())):
                continue  # a name that only the peer knows
            pairs = zip(targets[name.columns], name.values, strict=True)
            values = tuple(value if target is None else local[target].get(str(value)) for target, value in pairs)
            if None not in values:  # what refers to a row that is not here has no namesake here
                lookups.append(_Lookup(sketch.key, own.get(sketch.key, 0), uniques[name.columns], values))
    return lookups


def _target(layout: Layout, table: Table, name: str) -> str | None:
    """The entity that a column of a name refers to, None for a plain value."""
    own, _, of_parent = name.partition(".")
    reference = table.entity.field(own).reference
    if not of_parent:
        return reference
    return layout.tables[str(reference)].entity.field(of_parent).reference
