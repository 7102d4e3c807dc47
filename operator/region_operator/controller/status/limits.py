"""What fits into a status: what agents and users say must not make the API server refuse all of ours."""

import re
from typing import Final

SHORT: Final = 256
LONG: Final = 4096
MOST_ENTITIES: Final = 64

_ENTITY: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


def short(text: str) -> str:
    return text[:SHORT]


def is_entity(name: str) -> bool:
    """Whether an agent's word may stand where the name of an entity does."""
    return _ENTITY.fullmatch(name) is not None
