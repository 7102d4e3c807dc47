"""Fields of the kinds whose behaviour comes with a later version: refused until then, never silently ignored.

The one table of what is not there yet. A line leaves it when the behaviour lands.
"""

from functools import singledispatch

from region_operator.api.peering import RegionPeeringSpec
from region_operator.api.policy import SyncPolicySpec
from region_operator.api.region import RegionSpec
from region_operator.api.schema import Manifest


@singledispatch
def not_yet_supported(spec: Manifest) -> list[str]:
    """Paths of the fields that ask for what this version cannot do; the reason of Stalled is then NotYetSupported."""
    raise TypeError(f"{type(spec).__name__} is not the spec of a kind")


@not_yet_supported.register
def _(_spec: RegionSpec) -> list[str]:
    return []


@not_yet_supported.register
def _(_spec: RegionPeeringSpec) -> list[str]:
    return []


@not_yet_supported.register
def _(_spec: SyncPolicySpec) -> list[str]:
    return []
