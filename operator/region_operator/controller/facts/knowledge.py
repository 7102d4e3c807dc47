"""The four shapes of a fact; no reader may mix them up.

a value          it is so
None             it was looked for and is not there
Invalid(...)     it is there and cannot be used until a user edits something
Unknown(...)     it could not be looked at (time-out, forbidden, ...); never read as "absent"
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Unknown:
    """It could not be looked at. ``reason`` is a CamelCase constant for a condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Invalid:
    """It was looked at and cannot be used as it is; ``field`` is named as the user would (``spec.placement...``)."""

    reason: str
    message: str
    field: str = ""


Fact: TypeAlias = _T | Unknown
Usable: TypeAlias = _T | Invalid | Unknown
