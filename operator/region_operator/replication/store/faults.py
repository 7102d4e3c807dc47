"""What an error of the driver says, by its number."""

from typing import Final

import pymysql
from pymysql.constants import ER

_LOCK_ERRORS: Final = frozenset({ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT})
_GONE: Final = frozenset({2003, 2006, 2013, 2014, ER.SERVER_SHUTDOWN, ER.CON_COUNT_ERROR, 1927})
_DENIED: Final = frozenset({ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, 4151, 1698})


def is_gone(error: BaseException) -> bool:
    """Tell whether the connection is of no use any more."""
    return isinstance(error, (OSError, pymysql.InterfaceError)) or _is(error, _GONE)


def is_denied(error: BaseException) -> bool:
    """Tell whether the database does not let us in."""
    return _is(error, _DENIED)


def is_lock_error(error: BaseException) -> bool:
    return _is(error, _LOCK_ERRORS)


def is_deadlock(error: BaseException) -> bool:
    return _is(error, {ER.LOCK_DEADLOCK})


def is_duplicate(error: BaseException) -> bool:
    return _is(error, {ER.DUP_ENTRY})


def _is(error: BaseException, numbers: "frozenset[int] | set[int]") -> bool:
    return isinstance(error, pymysql.Error) and bool(error.args) and error.args[0] in numbers
