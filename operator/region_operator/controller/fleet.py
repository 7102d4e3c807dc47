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
    naming.ANNOTATION_ACCEPT_REWIND,
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


class _Namespace:
    """The entries of one kind in one namespace, by name, and by each thing that others look them up by."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._found: dict[tuple[str, object], set[str]] = defaultdict(set)

    def put(self, entry: Entry) -> None:
        self.drop(entry.key.name)
        self.entries[entry.key.name] = entry
        for term in _terms(entry):
            self._found[term].add(entry.key.name)

    def drop(self, name: str) -> None:
        before = self.entries.pop(name, None)
        for term in _terms(before) if before is not None else ():
            self._found[term].discard(name)
            if not self._found[term]:
                del self._found[term]

    def all(self) -> list[Entry]:
        return [self.entries[name] for name in sorted(self.entries)]

    def find(self, what: str, value: object) -> list[Entry]:
        return [self.entries[name] for name in sorted(self._found.get((what, value), ()))]


def _terms(entry: Entry) -> list[tuple[str, object]]:
    """By what an entry is looked up."""
    regions = frozenset(entry.refers_to)
    return [
        ("id", entry.region_id),
        ("policy", entry.policy),
        ("regions", regions),
        *(("region", name) for name in regions),
        *(("first", name) for name in entry.refers_to[:1]),
    ]


class Fleet:
    """All objects of the three kinds that this operator is responsible for."""

    def __init__(self) -> None:
        self._namespaces: dict[tuple[str, str], _Namespace] = defaultdict(_Namespace)
        self._sightings: dict[str, dict[str, Sighting]] = defaultdict(dict)  # by namespace and name
        self._own_writes: dict[Key, str] = {}
        self.listed = False  # every kind was listed once; before that there is no verdict on duplicates (rule 3)

    # --- events ----------------------------------------------------------------------------------------------------

    def seen(self, entry: Entry, resource_version: str) -> set[Key]:
        """Take note of an object; returns the keys whose passes it concerns."""
        before = self.get(entry.key)
        if before == entry:
            own = resource_version and self._own_writes.get(entry.key) == resource_version
            return set() if own else {entry.key}
        self._of(entry.key.kind, entry.key.namespace).put(entry)
        return {entry.key} | self._concerned(entry) | (self._concerned(before) if before else set())

    def gone(self, key: Key) -> set[Key]:
        """Forget an object that is no more; returns the keys whose passes that concerns, its own too."""
        before = self.get(key)
        self._of(key.kind, key.namespace).drop(key.name)
        if key.kind == REGION:
            self._sightings[key.namespace].pop(key.name, None)
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
            return rivals | {key for key in named if self.get(key)}
        return {user.key for user in self.users_of(namespace, name)}

    # --- questions -------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Entry | None:
        return self._of(key.kind, key.namespace).entries.get(key.name)

    def of_kind(self, kind: str, namespace: str) -> list[Entry]:
        """Every object of ``kind``, in the order of their names."""
        return self._of(kind, namespace).all()

    def same_id(self, entry: Entry) -> list[Entry]:
        """Other Regions of the fleet with the same id."""
        found = self._of(REGION, entry.key.namespace).find("id", entry.region_id)
        return [other for other in found if other.key != entry.key]

    def same_regions(self, entry: Entry) -> list[Entry]:
        """Other peerings of the same two Regions."""
        found = self._of(PEERING, entry.key.namespace).find("regions", frozenset(entry.refers_to))
        return [other for other in found if other.key != entry.key]

    def peerings_of(self, namespace: str, region: str) -> list[Entry]:
        return self._of(PEERING, namespace).find("region", region)

    def users_of(self, namespace: str, policy: str) -> list[Entry]:
        """Regions and peerings whose rules or limits come from ``policy``, a peering also through its first Region."""
        regions, peerings = self._of(REGION, namespace), self._of(PEERING, namespace)
        users = regions.find("policy", policy)
        through = [p for region in users for p in peerings.find("first", region.key.name) if not p.policy]
        return users + sorted([*peerings.find("policy", policy), *through], key=lambda peering: peering.key)

    def policies_of(self, namespace: str, region: str) -> set[Key]:
        """The policies whose standing depends on that Region: its own, and those of its peerings."""
        users = [*self.peerings_of(namespace, region), *filter(None, [self.get(Key(REGION, namespace, region))])]
        return {Key(POLICY, namespace, user.policy) for user in users if user.policy}

    def _of(self, kind: str, namespace: str) -> _Namespace:
        return self._namespaces[kind, namespace]

    # --- what passes tell one another --------------------------------------------------------------------------------

    def publish(self, sighting: Sighting) -> set[Key]:
        """Keep what others need to know of a Region; returns the keys of those for whom something changed.

        The Region itself is among them when its trust became known: its next pass can bring a rotation on. All Regions
        of the fleet are when a known trust changed, which happens only in a rotation.
        """
        peer = sighting.peer
        key = Key(REGION, peer.namespace, peer.name)
        seen = self._sightings[peer.namespace]
        before, seen[peer.name] = seen.get(peer.name), sighting
        if before is not None and _essence(before) == _essence(sighting):
            return set()
        entry = self.get(key)
        rivals = {other.key for other in self.same_id(entry)} if entry else set()
        peerings = self.peerings_of(peer.namespace, peer.name)
        named = {Key(REGION, peer.namespace, name) for peering in peerings for name in peering.refers_to}
        affected = rivals | {peering.key for peering in peerings} | {k for k in named if self.get(k)}
        affected |= self.policies_of(peer.namespace, peer.name)
        affected -= {key}
        trust, known = _known_trust(sighting), _known_trust(before) if before is not None else None
        if trust != known:
            affected |= {key}
        if trust is not None and known is not None and trust != known:
            affected |= {other.key for other in self.of_kind(REGION, peer.namespace)}
        return affected

    def sighting(self, namespace: str, name: str) -> Sighting | None:
        """What the last pass over that Region published; None = no pass of this process was made yet."""
        return self._sightings[namespace].get(name)


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
        peer.agent.refusal,
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
