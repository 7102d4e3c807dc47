"""Keys that two clouds, which knew nothing of each other, gave to different things (`KeyReused`).

Old clouds numbered their rows '1', '2', ... What people know a row by tells such rows apart, up to the root: a user by
name, account and domain, and the domain by its own name and parent. A row that refers to one that is another thing here
would end under a stranger, so it waits with it. Once one of the two is known by another key, or is deleted for good,
its remains under the old key give way to the other: they are never merged either.
"""

from collections.abc import Callable, Iterable
from enum import Enum

from region_operator.replication.feed import RowKey
from region_operator.replication.model import codec
from region_operator.replication.model.identity import NaturalIdentity, could_be_reused, key_reused, whole_identity
from region_operator.replication.model.projection import is_alive
from region_operator.replication.model.state import RowState
from region_operator.replication.store import rows, versions
from region_operator.replication.store.connections import Session
from region_operator.replication.store.context import Context
from region_operator.replication.store.intake import Item
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.parked import Reason

KEY_REUSED = "KeyReused"
PARENT_REUSED = "ParentReused"


def known(session: Session, layout: Layout, source: int) -> dict[RowKey, str]:
    """Rows of a source that are other things here under their keys, or hang on such, as text."""
    return {
        RowKey(str(entity), str(key)): str(payload)
        for entity, key, payload in session.select(
            f"SELECT entity, entity_key, payload FROM {layout.own('parked')} "
            "WHERE source = %s AND reason IN (%s, %s) AND payload IS NOT NULL",
            (source, KEY_REUSED, PARENT_REUSED),
        )
    }


class Remains(Enum):
    """Where what is known of a key is only what is left of something that has another key now, or is gone."""

    HERE = "here"
    THERE = "there"


class Reuse:
    """Looks at what arrives from one source in one transaction, parents first."""

    def __init__(self, session: Session, context: Context, items: Iterable[Item]) -> None:
        self._session, self._layout, self._rules = session, context.layout, context.rules
        self._source = source = context.source
        self._arriving = {item.row: item.remote for item in items if item.remote is not None}
        self._reused = known(session, context.layout, source) if self._arriving else {}

    def reason(self, item: Item, local: RowState | None) -> Reason | None:
        """Why a row may not be merged; None if it may."""
        if item.remote is None or item.text is None:
            return None
        parent = next((row for row in self._parents(item.remote) if row in self._reused), None)
        if parent is not None:
            message = f"it refers to {parent.entity} {parent.key}, a key that means another thing here"
            self._reused[item.row] = item.text
            return Reason(PARENT_REUSED, message, parent, payload=item.text)
        if local is not None and self._is_another(local, item.remote):
            self._reused[item.row] = item.text
            message = (
                f"this key means one thing here and another in region {self._source}; give one of them another key "
                "(UPDATE its uuid), then both are in both regions"
            )
            return Reason(KEY_REUSED, message, waits_for=item.row, payload=item.text)
        return None

    def remains(self, item: Item, local: RowState | None, *, is_here: bool) -> Remains | None:
        """Tell which of two things of one key has left it; None if neither, or if they are one thing."""
        remote = item.remote
        self._reused.pop(item.row, None)  # it is judged anew
        if remote is None or local is None or not self._is_another(local, remote):
            return None
        rules = self._rules[item.row.entity]
        gone_here, gone_there = not is_here and not is_alive(local, rules=rules), not is_alive(remote, rules=rules)
        if gone_here and (not gone_there or remote.born < local.born):
            return Remains.HERE
        return Remains.THERE if gone_there else None

    def _is_another(self, local: RowState, remote: RowState) -> bool:
        return could_be_reused(local.born, remote.born) and self._differ(local, remote)

    def _parents(self, state: RowState) -> Iterable[RowKey]:
        for field in self._layout.tables[state.entity].references:
            for pair in state.registers.get(field.name, ()) if field.reference is not None else ():
                if pair.value is not None:
                    yield RowKey(str(field.reference), str(pair.value))

    def _differ(self, local: RowState, remote: RowState) -> bool:
        here = identity(self._layout, local, fetch=self._here)
        there = identity(self._layout, remote, fetch=self._there)
        return key_reused(local, remote, identity_a=here, identity_b=there)

    def _here(self, row: RowKey) -> RowState | None:
        return present(self._session, self._layout, row)

    def _there(self, row: RowKey) -> RowState | None:
        if row in self._reused:
            return codec.decode(self._reused[row])
        return self._arriving.get(row) or self._here(row)


def present(session: Session, layout: Layout, row: RowKey) -> RowState | None:
    """The state of a row as it is here."""
    version = versions.load(session, layout, [row]).get(row)
    business = rows.read_keys(session, layout, [row]).get(row)
    return version.state(layout, business) if version is not None else None


def identity(layout: Layout, state: RowState, *, fetch: Callable[[RowKey], RowState | None]) -> NaturalIdentity:
    """What people know a row by, up to the root; ``fetch`` finds the rows that it refers to."""

    def parent(of: RowState, name: str) -> RowState | None:
        field = layout.tables[of.entity].entity.field(name)
        register = of.registers.get(name, ())
        if field.reference is None or not register or register[0].value is None:
            return None
        row = RowKey(field.reference, str(register[0].value))
        return None if row.key in layout.tables[row.entity].well_known else fetch(row)

    return whole_identity(state, paths=lambda entity: layout.tables[entity].entity.natural_key, parent=parent)
