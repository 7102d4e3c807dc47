"""Which MariaDB variables a user may set, as far as the API server can tell within the cost that it allows a rule.

A variable that loads code, moves files or loosens TLS would undo what the operator promises about the Pod. The server
also takes unique abbreviations of a name and the prefixes loose, enable, disable and maximum, so those are refused too.
The whole list is held against a spec when its my.cnf is written (``controller/plan/mycnf.py``).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from region_operator.api.schema import Cel

DENIED: Final = (
    "basedir",
    "bind_address",
    "datadir",
    "init_connect",
    "init_file",
    "port",
    "require_secure_transport",
    "secure_file_priv",
    "skip_grant_tables",
    "skip_networking",
    "skip_ssl",
    "socket",
    "user",
)
DENIED_PREFIXES: Final = ("plugin", "ssl", "tls", "loose_", "enable_", "disable_", "maximum_")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_LINE_BREAKERS = re.compile(r"[\r\n\0]")


def denied(name: str) -> bool:
    """Whether the variable, or one that `name` abbreviates, may not be set."""
    return any(full.startswith(name) for full in DENIED) or name.startswith(DENIED_PREFIXES)


def _quoted(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


def _all_names_match(settings: Mapping[str, str]) -> bool:
    return all(_NAME.match(name) for name in settings)


def _none_denied(settings: Mapping[str, str]) -> bool:
    return not any(denied(name) for name in settings)


def _values_stay_on_their_line(settings: Mapping[str, str]) -> bool:
    return not any(_LINE_BREAKERS.search(value) for value in settings.values())


SETTING_NAMES: Final = Cel(
    "self.all(name, name.matches('^[a-z][a-z0-9_]{0,63}$'))",
    "settings: a name must be 1 to 64 characters of a-z, 0-9 and _, starting with a letter",
    _all_names_match,
)
DENIED_SETTINGS: Final = Cel(
    f"self.all(name, !{_quoted(DENIED)}.exists(denied, denied.startsWith(name)) && "
    f"!{_quoted(DENIED_PREFIXES)}.exists(prefix, name.startsWith(prefix)))",
    "settings: variables that load code, move files or loosen TLS are not allowed, nor abbreviations of them "
    f"({', '.join(DENIED)}, {', '.join(prefix.rstrip('_') + '_*' for prefix in DENIED_PREFIXES)})",
    _none_denied,
)
SETTING_VALUES: Final = Cel(
    r"self.all(name, !self[name].matches('[\\r\\n\\x00]'))",
    "settings: a value must be one line, without carriage return, line feed or NUL",
    _values_stay_on_their_line,
)

ServerSettings = Annotated[
    dict[str, Annotated[str, Field(max_length=256)]],
    Field(max_length=64),
    SETTING_NAMES,
    DENIED_SETTINGS,
    SETTING_VALUES,
]
