"""Versions of rows: states in ``row_version``, with their values where the business row does not hold exactly them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from region_operator.replication.feed import RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.state import Pair, RowState, Value
from region_operator.replication.store import contents
from region_operator.replication.store.connections import Session
from region_operator.replication.store.documents import NUMBER, TEXT, documents, source
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.news import NewsFor
from region_operator.replication.store.rows import BusinessRow, by_entity, chunks, marks
from region_operator.replication.store.shaped import ShapedTexts

_COLUMNS = "entity, entity_key, lsn, complete, state, from_region, from_incarnation, from_lsn"
REPLACE_KNOWN = (
    "ON DUPLICATE KEY UPDATE lsn = VALUES(lsn), complete = VALUES(complete), state = VALUES(state), "
    "alive = VALUES(alive), from_region = VALUES(from_region), from_incarnation = VALUES(from_incarnation), "
    "from_lsn = VALUES(from_lsn), content_hash = VALUES(content_hash), changed_at = VALUES(changed_at)"
)
"""The end of an INSERT of versions some of which are known."""


_NEW = source(
    [
        ("entity", TEXT),
        ("entity_key", TEXT),
        ("lsn", NUMBER),
        ("complete", NUMBER),
        ("alive", NUMBER),
        ("region", NUMBER),
        ("incarnation", TEXT),
        ("from_lsn", NUMBER),
        ("content_hash", contents.HASH),
        ("genesis", TEXT),
        ("shape", NUMBER),
        ("state", TEXT),  # the last and longest: the server looks for each column from the beginning of its row
    ]
)


@dataclass(frozen=True)
class Origin:
    """From whom a row came exactly as it is, and where that stood in the sender's changes."""

    region: int
    incarnation: str
    lsn: int


@dataclass(frozen=True)
class Version:
    """A row of ``row_version`` that has been filled; ``text`` lacks its values unless ``complete``."""

    row: RowKey
    lsn: int
    complete: bool
    text: str
    origin: Origin | None = None

    def names(self) -> RowState:
        """The state for its vector and births; values may be missing."""
        return codec.decode(self.text)

    def state(self, layout: Layout, business: BusinessRow | None) -> RowState | None:
        """The state with its values; None if the business row that should hold them is gone."""
        state = codec.decode(self.text)
        if self.complete:
            return state
        if business is None:
            return None
        return filled(state, layout.tables[self.row.entity].entity.values(business.columns, key=self.row.key))


@dataclass(frozen=True)
class NewVersion:
    """What a transaction has found a row's state to be; written under the next lsn just before it commits."""

    state: RowState
    complete: bool
    alive: bool
    origin: Origin | None = None

    @property
    def row(self) -> RowKey:
        return RowKey(self.state.entity, self.state.key)


@dataclass(frozen=True, slots=True)
class VersionText:
    """A new version as ``row_version`` takes it; ``text`` lacks its values unless ``complete``.

    Attributes:
        content_hash: of the business row, by who has looked at it under its lock; None = to be worked out.
    """

    row: RowKey
    text: str
    complete: bool
    alive: bool
    origin: Origin | None = None
    content_hash: int | None = None


def fits(layout: Layout, state: RowState, values: Mapping[str, Value] | None) -> bool:
    """Tell whether a business row with these values says all that ``state`` says but the names of the writes."""
    if values is None or state.deleted or state.alias is not None or state.registers.keys() != values.keys():
        return False
    if not layout.tables[state.entity].entity.is_stable(values):
        return False
    return all(len(register) == 1 and register[0].value == values[name] for name, register in state.registers.items())


def filled(state: RowState, values: Mapping[str, Value]) -> RowState:
    """Put values into the registers of a state that was kept without."""
    registers = {
        name: (Pair(register[0].dot, values[name]),) if name in values else register
        for name, register in state.registers.items()
    }
    return replace(state, registers=registers)


def ensure(session: Session, layout: Layout, rows: Collection[RowKey]) -> None:
    """Make sure that each key has a row to lock, and lock them in the order of keys."""
    session.insert(
        f"INSERT IGNORE INTO {layout.own('row_version')} (entity, entity_key, changed_at) "
        "VALUES (%s, %s, UTC_TIMESTAMP(6))",
        [(row.entity, row.key) for row in rows],
    )
    for entity, keys in sorted(by_entity(rows).items()):
        for piece in chunks(sorted(keys)):
            session.select(
                f"SELECT entity_key FROM {layout.own('row_version')} WHERE entity = %s AND entity_key IN "
                f"({marks(piece)}) ORDER BY entity_key FOR UPDATE",
                (entity, *piece),
            )


def load(session: Session, layout: Layout, rows: Iterable[RowKey]) -> dict[RowKey, Version]:
    """Read versions; keys without a state yet are left out."""
    found: dict[RowKey, Version] = {}
    for entity, keys in by_entity(rows).items():
        for piece in chunks(keys):
            for row in session.select(
                f"SELECT {_COLUMNS} FROM {layout.own('row_version')} WHERE entity = %s "
                f"AND entity_key IN ({marks(piece)}) AND lsn IS NOT NULL",
                (entity, *piece),
            ):
                version = parse(row)
                found[version.row] = version
    return found


def load_texts(session: Session, layout: Layout, entity: str, keys: Iterable[str]) -> dict[str, str | None]:
    """The texts of versions whose values are in the business row, by key; None for other versions."""
    found: dict[str, str | None] = {}
    for piece in chunks(keys):
        found |= dict(
            session.select(
                f"SELECT entity_key, IF(complete, NULL, state) FROM {layout.own('row_version')} "
                f"WHERE entity = %s AND entity_key IN ({marks(piece)}) AND lsn IS NOT NULL",
                (entity, *piece),
            )
        )
    return found


def after(session: Session, layout: Layout, *, lsn: int, limit: int, news: NewsFor) -> list[Version]:
    """The next versions in the order of lsn."""
    return [
        parse(row)
        for row in session.select(
            # Of a first copy the optimizer would rather sort the whole table, page by page.
            f"SELECT {_COLUMNS} FROM {layout.own('row_version')} v FORCE INDEX (i_row_version__lsn) "
            f"WHERE v.lsn > %s AND {news.sql} ORDER BY v.lsn LIMIT %s",
            (lsn, *news.values, limit),
        )
    ]


def by_key(session: Session, layout: Layout, entity: str, *, after: str, limit: int) -> list[Version]:
    """The next versions of an entity in the order of keys."""
    return [
        parse(row)
        for row in session.select(
            f"SELECT {_COLUMNS} FROM {layout.own('row_version')} WHERE entity = %s AND entity_key > %s "
            "AND lsn IS NOT NULL ORDER BY entity_key LIMIT %s",
            (entity, after, limit),
        )
    ]


def count_after(session: Session, layout: Layout, *, lsn: int, limit: int) -> dict[str, tuple[int, int]]:
    """Of the next versions, how many there are of each entity, and the last number; told from the index alone."""
    return {
        str(entity): (int(count), int(last))
        for entity, count, last in session.select(
            "SELECT s.entity, COUNT(*), MAX(s.lsn) FROM (SELECT v.lsn, v.entity "
            f"FROM {layout.own('row_version')} v FORCE INDEX (i_row_version__lsn) "
            "WHERE v.lsn > %s ORDER BY v.lsn LIMIT %s) s GROUP BY s.entity",
            (lsn, limit),
        )
    }


def numbered(session: Session, layout: Layout, numbers: Collection[int]) -> list[Version]:
    """The versions of these numbers, in their order."""
    found: list[Version] = []
    for piece in chunks(sorted(numbers)):
        found += map(
            parse,
            session.select(
                f"SELECT {_COLUMNS} FROM {layout.own('row_version')} WHERE lsn IN ({marks(piece)}) ORDER BY lsn", piece
            ),
        )
    return found


def parse(row: tuple[object, ...]) -> Version:
    entity, key, lsn, complete, text, region, incarnation, from_lsn = row
    origin = Origin(int(str(region)), str(incarnation), int(str(from_lsn))) if region is not None else None
    return Version(RowKey(str(entity), str(key)), int(str(lsn)), bool(complete), str(text), origin)


def write(session: Session, layout: Layout, versions: Collection[NewVersion]) -> int:
    """Give versions the next numbers and return the head; see ``write_texts``."""
    texts = [
        VersionText(
            version.row,
            codec.encode(version.state if version.complete else stripped(version.state)),
            version.complete,
            version.alive,
            version.origin,
        )
        for version in versions
    ]
    return write_texts(session, layout, texts)


def write_texts(session: Session, layout: Layout, texts: Collection[VersionText]) -> int:
    """Give versions the next numbers and return the head; the last thing a transaction does before it commits.

    The lane's row stays locked until then, so numbers become visible in their order.
    """
    row = session.one(f"SELECT last_lsn FROM {layout.own('lane')} WHERE id = 1 FOR UPDATE")
    assert row is not None
    head = int(row[0])
    if not texts:
        return head
    unhashed = [text.row for text in texts if not text.complete and text.content_hash is None]
    hashes = contents.hashes(session, layout, unhashed)
    shaped = ShapedTexts()
    rows = [
        (*_values(lsn, text, hashes), *shaped.add(text.text, row=text.row, whole=text.complete))
        for lsn, text in enumerate(texts, start=head + 1)
    ]
    for document in documents(rows):
        session.execute(
            f"INSERT INTO {layout.own('row_version')} (entity, entity_key, lsn, complete, state, alive, from_region, "
            "from_incarnation, from_lsn, content_hash, changed_at) "
            f"SELECT r.entity, r.entity_key, r.lsn, r.complete, {shaped.sql}, "
            f"r.alive, r.region, r.incarnation, r.from_lsn, r.content_hash, UTC_TIMESTAMP(6) FROM {_NEW} "
            f"{REPLACE_KNOWN}",
            (*shaped.values, document),
        )
    head += len(texts)
    session.execute(f"UPDATE {layout.own('lane')} SET last_lsn = %s WHERE id = 1", (head,))
    return head


def _values(lsn: int, version: VersionText, hashes: Mapping[RowKey, int]) -> tuple[object, ...]:
    origin, content_hash = version.origin, version.content_hash
    return (
        *(version.row.entity, version.row.key, lsn, int(version.complete), int(version.alive)),
        *((origin.region, origin.incarnation, origin.lsn) if origin else (None, None, None)),
        content_hash if content_hash is not None else hashes.get(version.row),
    )


def stripped(state: RowState) -> RowState:
    """The state as it is kept where the business row holds its values."""
    registers = {name: (Pair(register[0].dot, None),) for name, register in state.registers.items()}
    return replace(state, registers=registers)
