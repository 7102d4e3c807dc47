"""Version vectors, row states, merge and rules; pure."""

from region_operator.replication.model.codec import decode, encode
from region_operator.replication.model.merge import DotReuse, FieldLost, MergeRefused, merge, proves_more
from region_operator.replication.model.state import (
    Born,
    Pair,
    Register,
    RowState,
    Scalar,
    Value,
    genesis,
    genesis_actor,
    local_write,
)
from region_operator.replication.model.vectors import (
    Actor,
    Dot,
    VersionVector,
    actor_of,
    base_actor,
    is_genesis,
    region_of,
)

__all__ = [
    "Actor",
    "Born",
    "Dot",
    "DotReuse",
    "FieldLost",
    "MergeRefused",
    "Pair",
    "Register",
    "RowState",
    "Scalar",
    "Value",
    "VersionVector",
    "actor_of",
    "base_actor",
    "decode",
    "encode",
    "genesis",
    "genesis_actor",
    "is_genesis",
    "local_write",
    "merge",
    "proves_more",
    "region_of",
]
