"""Who is in which fleet: a small index of the three kinds, fed by events, so that a change reaches all it concerns.

Only what relates objects to each other is kept, never a body: a pass reads its own object live. The index also holds
what the last pass over a Region found out that others need (``Sighting``).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from region_operator import naming
from region_operator.controller.facts import Fact, PeerFacts, TrustHolder, Unknown
from region_operator.supervision.units import Key

REGION, PEERING, POLICY = "Region", "RegionPeering", "SyncPolicy"

_WATCHED_ANNOTATIONS = (
    naming.ANNOTATION_RECONCILE,
    naming.ANNOTATION_ABANDON,
    naming.ANNOTATION_TAKE_OVER,
    naming.ANNOTATION_SCAN,
)


@dataclass(frozen=True)
class Entry:
    """An object of one of the three kinds, as far as others are concerned.

    Attributes:
        refers_to: names of what its spec names: the two Regions of a peering; nothing else.
        policy: name in its ``policyRef``, "" for none.
        region_id: of a Region; 0 otherwise.
        kubeconfig: name of the Secret that leads to a Region's own cluster, "" for the hub's.
        marks: finalizers and the annotations that ask us for something.
    """

    key: Key
    uid: str
    generation: int
    created_at: str
    deleting: bool
    refers_to: tuple[str, ...] = ()
    policy: str = ""
    region_id: int = 0
    kubeconfig: str = ""
    marks: tuple[str, ...] = ()


def entry_of(body: Mapping[str, Any]) -> Entry:
    """Pick from an object what the index keeps; tolerates anything a user may have written."""
    meta, spec = body["metadata"], body.get("spec") or {}
    annotations = meta.get("annotations") or {}
    kind = str(body["kind"])
    kubeconfig = ((spec.get("placement") or {}).get("kubeconfigSecretRef") or {}).get("name", "")
    return Entry(
        key=Key(kind, meta["namespace"], meta["name"]),
        uid=meta.get("uid", ""),
        generation=int(meta.get("generation") or 0),
        created_at=meta.get("creationTimestamp", ""),
        deleting="deletionTimestamp" in meta,
        refers_to=tuple(item.get("name", "") for item in spec.get("regions") or () if isinstance(item, dict)),
        policy=(spec.get("policyRef") or {}).get("name", ""),
        region_id=int(spec.get("id") or 0) if kind == REGION else 0,
        kubeconfig=kubeconfig,
        marks=(
            *sorted(meta.get("finalizers") or ()),
            *(f"{name}={annotations[name]}" for name in _WATCHED_ANNOTATIONS if name in annotations),
        ),
    )


@dataclass(frozen=True)
class Sighting:
    """What the last pass over a Region found out that others need.

    Attributes:
        holds_claim: the placement says that this hub commands the region as this Region.
        holds_key: the placement has its copy of the fleet's database key, so that key is in use.
    """

    peer: PeerFacts
    trust: TrustHolder
    holds_claim: Fact[bool]
    holds_key: Fact[bool]


class Fleet:
    """All objects of the three kinds that this operator is responsible for."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._sightings: dict[Key, Sighting] = {}
        self._own_writes: dict[Key, str] = {}
        self.listed = False  # every kind was listed once; before that there is no verdict on duplicates (rule 3)

    # --- events ----------------------------------------------------------------------------------------------------

    def seen(self, entry: Entry, resource_version: str) -> set[Key]:
        """Take note of an object; returns the keys whose passes it concerns."""
        before = self._entries.get(entry.key)
        self._entries[entry.key] = entry
        if before == entry:
            own = resource_version and self._own_writes.get(entry.key) == resource_version
            return set() if own else {entry.key}
        return {entry.key} | self._concerned(entry) | (self._concerned(before) if before else set())

    def gone(self, key: Key) -> set[Key]:
        """Forget an object that is no more; returns the keys whose passes that concerns, its own too."""
        before = self._entries.pop(key, None)
        self._sightings.pop(key, None)
        self._own_writes.pop(key, None)
        concerned = self._concerned(before) if before else set()
        if key.kind == REGION:  # it may have held up a rotation of the fleet's CA
            concerned |= {other.key for other in self.of_kind(REGION, key.namespace)}
        return {key} | concerned

    def written(self, key: Key, resource_version: str) -> None:
        """Our own write made this resourceVersion: its event is no news."""
        self._own_writes[key] = resource_version

    def _concerned(self, entry: Entry) -> set[Key]:
        namespace, name = entry.key.namespace, entry.key.name
        if entry.key.kind == REGION:
            rivals = {other.key for other in self.same_id(entry)}
            peerings = self.peerings_of(namespace, name)
            return (
                rivals
                | {peering.key for peering in peerings}
                | {Key(POLICY, namespace, entry.policy)} - {Key(POLICY, namespace, "")}
            )
        if entry.key.kind == PEERING:
            rivals = {other.key for other in self.same_regions(entry)}
            named = {Key(REGION, namespace, region) for region in entry.refers_to}
            return rivals | {key for key in named if key in self._entries}
        return {user.key for user in self.users_of(namespace, name)}

    # --- questions -------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def of_kind(self, kind: str, namespace: str | None = None) -> list[Entry]:
        """Every object of ``kind``, in the order of their names."""
        found = (e for e in self._entries.values() if e.key.kind == kind and namespace in (None, e.key.namespace))
        return sorted(found, key=lambda entry: entry.key)

    def same_id(self, entry: Entry) -> list[Entry]:
        """Other Regions of the fleet with the same id."""
        regions = self.of_kind(REGION, entry.key.namespace)
        return [other for other in regions if other.key != entry.key and other.region_id == entry.region_id]

    def same_regions(self, entry: Entry) -> list[Entry]:
        """Other peerings of the same two Regions."""
        pair = frozenset(entry.refers_to)
        peerings = self.of_kind(PEERING, entry.key.namespace)
        return [other for other in peerings if other.key != entry.key and frozenset(other.refers_to) == pair]

    def peerings_of(self, namespace: str, region: str) -> list[Entry]:
        return [peering for peering in self.of_kind(PEERING, namespace) if region in peering.refers_to]

    def users_of(self, namespace: str, policy: str) -> list[Entry]:
        """Regions and peerings whose rules or limits come from ``policy``, a peering also through its first Region."""
        regions = [region for region in self.of_kind(REGION, namespace) if region.policy == policy]
        names = {region.key.name for region in regions}
        peerings = [
            peering
            for peering in self.of_kind(PEERING, namespace)
            if peering.policy == policy or (not peering.policy and peering.refers_to and peering.refers_to[0] in names)
        ]
        return regions + peerings

    # --- what passes tell one another --------------------------------------------------------------------------------

    def publish(self, sighting: Sighting) -> set[Key]:
        """Keep what others need to know of a Region; returns the keys of those for whom something changed.

        The Region itself is among them when its trust became known: its next pass can bring a rotation on. All Regions
        of the fleet are when a known trust changed, which happens only in a rotation.
        """
        peer = sighting.peer
        key = Key(REGION, peer.namespace, peer.name)
        before, self._sightings[key] = self._sightings.get(key), sighting
        if before is not None and _essence(before) == _essence(sighting):
            return set()
        entry = self._entries.get(key)
        rivals = {other.key for other in self.same_id(entry)} if entry else set()
        peerings = self.peerings_of(peer.namespace, peer.name)
        named = {Key(REGION, peer.namespace, name) for peering in peerings for name in peering.refers_to}
        affected = rivals | {peering.key for peering in peerings} | {k for k in named if k in self._entries}
        affected -= {key}
        trust, known = _known_trust(sighting), _known_trust(before) if before is not None else None
        if trust != known:
            affected |= {key}
        if trust is not None and known is not None and trust != known:
            affected |= {other.key for other in self.of_kind(REGION, peer.namespace)}
        return affected

    def sighting(self, namespace: str, name: str) -> Sighting | None:
        """What the last pass over that Region published; None = no pass of this process was made yet."""
        return self._sightings.get(Key(REGION, namespace, name))

    def count(self) -> Mapping[str, int]:
        """Objects per kind, for metrics."""
        counts: dict[str, int] = defaultdict(int)
        for key in self._entries:
            counts[key.kind] += 1
        return counts


def _essence(sighting: Sighting) -> tuple[object, ...]:
    """What makes others look again; ages and figures of links come with their own polls."""
    peer = sighting.peer
    return (
        peer.uid,
        peer.id,
        peer.deleting,
        peer.url,
        peer.management_endpoint,
        _known(peer.ready),
        peer.stalled,
        peer.rules_hash,
        peer.certificate_fingerprint,
        peer.drains,
        peer.agent.document_etag,
        _known_trust(sighting),
        _known(sighting.holds_claim),
        _known(sighting.holds_key),
    )


def _known(fact: Fact[bool]) -> bool | None:
    """The fact, None when it is not known: why it is not changes all the time and concerns nobody else."""
    return None if isinstance(fact, Unknown) else fact


def _known_trust(sighting: Sighting) -> tuple[frozenset[str], str] | None:
    trust = sighting.trust
    if isinstance(trust.trusted, Unknown) or isinstance(trust.authority, Unknown):
        return None
    return (trust.trusted, trust.authority) if trust.trusted and trust.authority else None
