"""What is known of the other Regions of a fleet: what the last pass over each of them saw."""

from region_operator.controller.facts import Fact, IdHolder, TrustHolder, Unknown
from region_operator.controller.fleet import REGION, Fleet
from region_operator.supervision.units import Key

_NOT_LISTED = Unknown("NotObserved", "the Regions have not been listed yet")
_UNSEEN = Unknown("NotObserved", "the Region was not looked at yet")


def key_taken(fleet: Fleet, region: Key) -> Fact[bool]:
    """Whether another Region of the fleet was provisioned with the database key."""
    if not fleet.listed:
        return _NOT_LISTED
    names = (entry.key.name for entry in fleet.of_kind(REGION, region.namespace))
    others = [fleet.sighting(region.namespace, name) for name in names if name != region.name]
    verdicts = [other.holds_key if other else None for other in others]
    if any(verdict is True for verdict in verdicts):
        return True
    unknown = next((verdict for verdict in verdicts if isinstance(verdict, Unknown)), None)
    if unknown is None and None in verdicts:
        unknown = Unknown("NotObserved", "not every Region of the fleet was looked at yet")
    return unknown or False


def trust_holders(fleet: Fleet, namespace: str) -> Fact[tuple[TrustHolder, ...]]:
    """Whom each Region's agent trusts; a Region that is being deleted serves nobody any more and is left out."""
    if not fleet.listed:
        return _NOT_LISTED
    there = (entry.key.name for entry in fleet.of_kind(REGION, namespace) if not entry.deleting)
    found = ((name, fleet.sighting(namespace, name)) for name in there)
    return tuple(seen.trust if seen else TrustHolder(name, _UNSEEN, _UNSEEN) for name, seen in found)


def same_id(fleet: Fleet, region: Key) -> Fact[tuple[IdHolder, ...]]:
    """The other Regions with the same id, and whether they hold its claim."""
    entry = fleet.get(region)
    if entry is None or not fleet.listed:
        return _NOT_LISTED
    found = []
    for other in fleet.same_id(entry):
        sighting = fleet.sighting(other.key.namespace, other.key.name)
        holds = sighting.holds_claim if sighting else _UNSEEN
        found.append(IdHolder(other.key.namespace, other.key.name, other.uid, holds, other.deleting))
    return tuple(found)
