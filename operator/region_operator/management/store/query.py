"""What the listings share: conditions joined by AND with bound values, pages, and which domains are looked at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from region_operator.management.store.connection import Transaction

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """A stretch of a listing; ``limit`` None = all the rest."""

    offset: int = 0
    limit: int | None = 500


@dataclass(frozen=True)
class Found(Generic[Item]):
    """A page of a listing, and how many rows there are on all pages."""

    total: int
    items: list[Item]


@dataclass(frozen=True)
class Scope:
    """Which rows a listing may show; everything by default.

    Attributes:
        account_id: only this account's.
        domain_path: only this domain's, and with ``recursive`` those below it.
    """

    account_id: int | None = None
    domain_path: str | None = None
    recursive: bool = False


@dataclass
class Conditions:
    """A WHERE clause in the making; only constants may be given as ``sql``."""

    _parts: list[str] = field(default_factory=lambda: ["TRUE"])
    _values: list[Any] = field(default_factory=list)

    def add(self, sql: str, *values: Any) -> None:
        self._parts.append(sql)
        self._values.extend(values)

    def add_given(self, sql: str, value: Any) -> None:
        """Add the condition if the caller of the API gave a value."""
        if value is not None:
            self.add(sql, value)

    def add_scope(self, scope: Scope, *, account_column: str, path_column: str) -> None:
        if scope.account_id is not None:
            self.add(f"{account_column} = %s", scope.account_id)
        if scope.domain_path is not None and scope.recursive:
            self.add(f"{path_column} LIKE %s", escaped(scope.domain_path) + "%")
        elif scope.domain_path is not None:
            self.add(f"{path_column} = %s", scope.domain_path)

    @property
    def sql(self) -> str:
        return " AND ".join(self._parts)

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(self._values)


@dataclass(frozen=True)
class Select(Generic[Item]):
    """A listing: the columns, where they come from, and what a row becomes."""

    columns: str
    source: str
    make: Callable[..., Item]
    order: str

    def one(self, transaction: Transaction, where: str, *values: Any) -> Item | None:
        row = transaction.row(f"SELECT {self.columns} FROM {self.source} WHERE {where}", values)
        return None if row is None else self.make(**row)

    def all(self, transaction: Transaction, where: str, *values: Any) -> list[Item]:
        statement = f"SELECT {self.columns} FROM {self.source} WHERE {where} ORDER BY {self.order}"
        return [self.make(**row) for row in transaction.rows(statement, values)]

    def page(self, transaction: Transaction, conditions: Conditions, page: Page) -> Found[Item]:
        counted = transaction.row(
            f"SELECT COUNT(*) AS total FROM {self.source} WHERE {conditions.sql}",
            conditions.values,
        )
        total = int(counted["total"]) if counted else 0
        limit = page.limit if page.limit is not None else total
        statement = (
            f"SELECT {self.columns} FROM {self.source} WHERE {conditions.sql} ORDER BY {self.order} LIMIT %s OFFSET %s"
        )
        rows = transaction.rows(statement, (*conditions.values, limit, page.offset))
        return Found(total=total, items=[self.make(**row) for row in rows])


def escaped(text: str) -> str:
    """``text`` for LIKE, where it means itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def containing(keyword: str) -> str:
    return f"%{escaped(keyword)}%"
