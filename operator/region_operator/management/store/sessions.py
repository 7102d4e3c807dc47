"""Table ``api_session``: sessions live in the database, so that any replica serves them and restarts keep them."""

import hashlib
import hmac

from region_operator.management.store.connection import Transaction

TIMEOUT_S = 1800
_TOUCH_AFTER_S = 60  # a read request writes at most once a minute


def open_session(transaction: Transaction, *, session_id: str, session_key: str, user_id: int) -> None:
    """Keep a new session, and forget some that ended."""
    transaction.write(
        "DELETE FROM api_session WHERE last_used < UTC_TIMESTAMP() - INTERVAL %s SECOND LIMIT 100", (TIMEOUT_S,)
    )
    transaction.write(
        "INSERT INTO api_session (id_digest, key_digest, user_id, created, last_used) "
        "VALUES (%s, %s, %s, UTC_TIMESTAMP(), UTC_TIMESTAMP())",
        (_digest(session_id), _digest(session_key), user_id),
    )


def user_of(transaction: Transaction, *, session_id: str, session_key: str) -> int | None:
    """The local id of the user who signed in, or None if there is no such session, or no longer."""
    row = transaction.row(
        "SELECT user_id, key_digest, last_used < UTC_TIMESTAMP() - INTERVAL %s SECOND AS stale FROM api_session "
        "WHERE id_digest = %s AND last_used >= UTC_TIMESTAMP() - INTERVAL %s SECOND",
        (_TOUCH_AFTER_S, _digest(session_id), TIMEOUT_S),
    )
    if row is None or not hmac.compare_digest(row["key_digest"], _digest(session_key)):
        return None
    if row["stale"]:
        transaction.write(
            "UPDATE api_session SET last_used = UTC_TIMESTAMP() WHERE id_digest = %s", (_digest(session_id),)
        )
    return int(row["user_id"])


def end_session(transaction: Transaction, session_id: str) -> None:
    transaction.write("DELETE FROM api_session WHERE id_digest = %s", (_digest(session_id),))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
