"""Rows of a cloud, and whoever writes them: every committed write is captured, as by the triggers on real tables."""

from dataclasses import dataclass

from memory_region.database import CREATED, Captured, Columns, Database, Server
from region_operator.replication.catalog import Entity, Unique
from region_operator.replication.catalog.identities import ROOT_DOMAIN, SYSTEM_ACCOUNT
from region_operator.replication.catalog.roles import default_role
from region_operator.replication.feed import RowKey
from region_operator.replication.model import Scalar


@dataclass
class Cloud:
    """A management server, or a person with an SQL prompt: writes one row per transaction."""

    server: Server

    def insert(self, entity: str, key: str, **columns: Scalar) -> None:
        row, definition = RowKey(entity, key), self.server.catalog[entity]
        whole = {column: columns.get(column) for column in definition.columns}
        with self.server.transaction() as draft:
            if row in draft.business:
                raise ValueError(f"{row} is there already")
            self._put(draft, row, whole, "I", frozenset(definition.field_names))

    def update(self, entity: str, key: str, **columns: Scalar) -> None:
        """Write columns of a row; a write that changes nothing, or a row that is only added, is captured by nobody."""
        row, definition = RowKey(entity, key), self.server.catalog[entity]
        with self.server.transaction() as draft:
            before = draft.business[row]
            changed = [name for name, value in columns.items() if before[name] != value]
            if changed:
                fields = frozenset(field.name for field in definition.fields_of_columns(changed))
                self._put(draft, row, {**before, **columns}, "U", fields)

    def remove(self, entity: str, key: str) -> None:
        """Mark a row as removed, as the cloud does."""
        self.update(entity, key, **{self.server.catalog[entity].removed or "": self.server.time()})

    def erase(self, entity: str, key: str) -> None:
        """Delete a row for good."""
        row = RowKey(entity, key)
        with self.server.transaction() as draft:
            old = draft.business.pop(row)
            if not self.server.catalog[entity].append_only:
                _capture(draft, row, Captured("D", frozenset(), old, self.server.clock()))

    def add_domain(self, key: str, *, name: str | None = None, parent: str | None = None) -> None:
        self.insert(
            "domain",
            key,
            name=name or key,
            parent=parent or ROOT_DOMAIN,
            owner=SYSTEM_ACCOUNT,
            state="Active",
            type="Normal",
            created=CREATED,
        )

    def add_account(self, key: str, *, name: str | None = None, domain: str | None = None) -> None:
        names = {"account_name": name or key, "domain_id": domain or ROOT_DOMAIN}
        self.insert("account", key, **names, type=0, role_id=default_role("User"), state="enabled", created=CREATED)

    def add_user(self, key: str, *, account: str, name: str | None = None, api_key: str | None = None) -> None:
        keys = {"api_key": api_key, "secret_key": f"secret of {api_key}" if api_key else None}
        person = {"firstname": "Jane", "lastname": "Doe", "email": "jane@example", "source": "NATIVE"}
        names = {"username": name or key, "account_id": account, "password": "hash", "state": "enabled"}
        self.insert("user", key, **names, **person, **keys, created=CREATED)

    def add_event(self, key: str, *, account: str, user: str, start: str | None = None) -> None:
        of = {"account_id": account, "user_id": user, "domain_id": ROOT_DOMAIN, "start_id": start}
        words = {"type": "USER.CREATE", "state": "Completed", "description": key, "level": "INFO"}
        self.insert("event", key, **of, **words, created=CREATED)

    def value(self, entity: str, key: str, column: str) -> Scalar:
        row = self.server.database.business.get(RowKey(entity, key))
        return row[column] if row is not None else None

    def has(self, entity: str, key: str) -> bool:
        return RowKey(entity, key) in self.server.database.business

    def _put(self, draft: Database, row: RowKey, columns: Columns, op: str, changed: frozenset[str]) -> None:
        definition = self.server.catalog[row.entity]
        for field in definition.fields:
            target = columns[field.name] if field.reference is not None else None
            if target is not None and RowKey(str(field.reference), str(target)) not in draft.business:
                raise ValueError(f"{row}: {field.name} refers to {target}, which is not there")
        for unique in definition.unique:
            if unique.indexed and holder(draft, definition, unique, columns=columns, own=row.key) is not None:
                raise ValueError(f"{row}: {unique.columns} is taken")
        draft.business[row] = columns
        if op == "I" or not definition.append_only:
            _capture(draft, row, Captured("I" if op == "I" else "U", changed, None, self.server.clock()))


def _capture(draft: Database, row: RowKey, captured: Captured) -> None:
    draft.dirty[row] = (*draft.dirty.get(row, ()), captured)


def holder(draft: Database, entity: Entity, unique: Unique, *, columns: Columns, own: str) -> str | None:
    """The key of another row that has these values; a value that is NULL clashes with nothing."""
    wanted = _unique_values(draft, entity, unique, columns)
    if None in wanted:
        return None
    name = _Named(entity.name, _name_column(entity, unique))
    for row in draft.business.where(name, name(RowKey(entity.name, own), columns)):
        other = draft.business[row]
        if row.key == own:
            continue
        if unique.live_only and entity.removed is not None and other[entity.removed] is not None:
            continue
        if _unique_values(draft, entity, unique, other) == wanted:
            return row.key
    return None


@dataclass(frozen=True)
class _Named:
    """By it rows are found: the name that they have in a column."""

    entity: str
    column: str

    def __call__(self, row: RowKey, columns: Columns) -> Scalar:
        return _folded(columns.get(self.column)) if row.entity == self.entity else None


def _name_column(entity: Entity, unique: Unique) -> str:
    """Of the columns of a name the one that few rows share: not what the name is in."""
    references = {field.name for field in entity.fields if field.reference is not None}
    return next(column for column in unique.columns if column.partition(".")[0] not in references)


def _unique_values(draft: Database, entity: Entity, unique: Unique, columns: Columns) -> tuple[Scalar, ...]:
    found: list[Scalar] = []
    for name in unique.columns:
        own, _, of_parent = name.partition(".")
        value = columns.get(own)
        if of_parent and value is not None:
            parent = draft.business.get(RowKey(str(entity.field(own).reference), str(value)))
            value = parent[of_parent] if parent is not None else None
        found.append(_folded(value))
    return tuple(found)


def _folded(value: Scalar) -> Scalar:
    """As the database compares values."""
    return value.casefold() if isinstance(value, str) else value
