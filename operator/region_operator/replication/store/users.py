"""Database users of a region: least privilege, in pairs a/b so that passwords rotate without a gap.

The account that owns the triggers is locked and never rotated: a trigger whose owner is gone stops every writer.
"""

import re
from collections.abc import Collection
from typing import Any, Final

from region_operator import naming
from region_operator.errors import InvalidInput
from region_operator.naming import quote_identifier
from region_operator.replication.store.connections import Session
from region_operator.replication.store.drift import LISTING
from region_operator.replication.store.layout import Layout
from region_operator.replication.store.schema import WITNESS_TABLE

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}\Z")
_PAIR = re.compile(r"(.+)_([ab])\Z")
ANY_HOST: Final = "%"
AGENT_READS: Final = "SELECT, INSERT, UPDATE, DELETE"


def account(name: str, host: str = ANY_HOST) -> str:
    """Return ``'name'@'host'``, validated; where users are named nothing can be bound.

    Raises:
        InvalidInput: the name has other characters than letters, digits, _ and -.
    """
    if not _USER.match(name):
        raise InvalidInput(
            field="username",
            problem=f"{name!r} is not a plain user name",
            remedy="use letters, digits, _ and -, at most 80, not starting with -",
        )
    return f"'{name}'@'{host}'"


def definer(name: str = naming.DEFINER_ACCOUNT) -> str:
    return account(name, "localhost")


def definer_statements(
    layout: Layout, *, other_parents: Collection[str] = (), name: str = naming.DEFINER_ACCOUNT
) -> list[str]:
    """The locked owner of the triggers, and what it may do: read captured tables, add to ``dirty``.

    A trigger whose owner may not fire it stops every writer, also on ``other_parents`` of captured tables.
    """
    owner = definer(name)
    fired = [table.sql for table in layout.tables.values()]
    fired += [f"{layout.business}.{quote_identifier(parent)}" for parent in other_parents]
    return [
        f"CREATE USER IF NOT EXISTS {owner} ACCOUNT LOCK",
        f"ALTER USER {owner} ACCOUNT LOCK",
        f"GRANT INSERT ON {layout.own('dirty')} TO {owner}",
        *(f"GRANT SELECT, TRIGGER ON {table} TO {owner}" for table in fired),
    ]


def agent_grants(layout: Layout, *, name: str) -> list[str]:
    """What the agent may do: everything in its own schema but its shape, and the synced tables' rows."""
    agent = account(name)
    return [
        f"GRANT {AGENT_READS}, CREATE TEMPORARY TABLES ON {layout.sync}.* TO {agent}",
        *(f"GRANT {AGENT_READS} ON {table.sql} TO {agent}" for table in layout.tables.values()),
        f"GRANT SELECT, INSERT, UPDATE ON {layout.business}.{WITNESS_TABLE} TO {agent}",
        listing_grant(layout, agent),
    ]


def listing_grant(layout: Layout, quoted: str) -> str:
    """May see the names and hashes of triggers; their owner, in whose name they are listed, must be allowed to, too."""
    return f"GRANT EXECUTE ON FUNCTION {layout.own(LISTING)} TO {quoted}"


def manager_grants(layout: Layout, *, name: str) -> list[str]:
    """What the management server may do: the rows of the business schema, none of ours."""
    return [f"GRANT {AGENT_READS} ON {layout.business}.* TO {account(name)}"]


def create_user(session: Session, *, name: str, password: str) -> None:
    """Create a user, or give it this password and unlock it; may be run any number of times."""
    if not password:
        raise InvalidInput(
            field="password", problem=f"that of database user {name!r} is empty", remedy="put one into its Secret"
        )
    user = account(name).replace("%", "%%")  # beside bound values a percent sign is written twice
    session.execute(f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY %s", (password,))
    session.execute(f"ALTER USER {user} IDENTIFIED BY %s ACCOUNT UNLOCK", (password,))


def grant(session: Session, statements: list[str]) -> None:
    for statement in statements:
        session.execute(statement)


def other_of_pair(name: str) -> str | None:
    """``agent_b`` for ``agent_a``; None for a user that is no half of a pair."""
    pair = _PAIR.match(name)
    return f"{pair[1]}_{'b' if pair[2] == 'a' else 'a'}" if pair else None


def retire(session: Session, *, name: str) -> bool:
    """Lock the other user of the pair of ``name`` and end its connections; False if there is none."""
    other = other_of_pair(name)
    if other is None or not _exists(session, other):
        return False
    session.execute(f"ALTER USER {account(other)} ACCOUNT LOCK")
    session.execute(f"KILL USER {account(other)}")
    return True


def _exists(session: Session, name: str) -> bool:
    row: Any = session.one("SELECT COUNT(*) FROM mysql.user WHERE user = %s AND host = %s", (name, ANY_HOST))
    return bool(row and row[0])
