"""Watches children in every cluster, and says of each change only whose child it was.

Only metadata travels (``PartialObjectMetadata``): no Secret's content and no status is held here. A change of the
status moves the resource version, so it is seen; what it says is read live by the reconcile.
"""

import asyncio
import logging
import random as _random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from region_operator import naming
from region_operator.errors import RegionOperatorError
from region_operator.kubernetes.answers import Expired, refusal
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.connection import Call
from region_operator.kubernetes.kinds import Kind
from region_operator.kubernetes.pages import list_pages
from region_operator.supervision.backoff import Backoff, Random
from region_operator.supervision.supervisor import Process, Supervisor

log = logging.getLogger(__name__)

_AS_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_AS_ITEM: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_SERVER_ENDS_AFTER_S: Final = 300
SILENCE_S: Final = 75.0  # bookmarks come once a minute, so a longer silence is a dead connection


@dataclass(frozen=True)
class Change:
    """Something happened to an object."""

    cluster: str
    kind: Kind
    namespace: str
    name: str
    labels: Mapping[str, str]
    gone: bool = False


OnChange = Callable[[Change], None]
_Owner = tuple[str, str]


def _owner(labels: Mapping[str, str]) -> _Owner:
    """Namespace and name of the Region whose child it is."""
    return labels.get(naming.LABEL_REGION_NAMESPACE, ""), labels.get(naming.LABEL_REGION_NAME, "")


class Watch:
    """Follows the objects of one kind that carry a label: in one namespace, or everywhere.

    ``run`` lists, then watches, for ever: it goes on from the last version after a break, lists anew when that version
    has expired, and rests with back-off while the server does not answer. Each object found by a list is a change.

    Args:
        selector: label selector, as the API takes it.
    """

    def __init__(  # noqa: PLR0913 - what, where, and time as an argument
        self,
        cluster: Cluster,
        kind: Kind,
        namespace: str | None,
        *,
        selector: str,
        on_change: OnChange,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Random = _random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._kind, self._path = cluster, kind, kind.path(namespace)
        self._selector, self._on_change = selector, on_change
        self._backoff, self._sleep, self._random = backoff or Backoff(base_s=1.0, cap_s=30.0), sleep, random
        self._clock = clock
        self._version = ""  # empty: list first
        self._known: dict[tuple[str, str], Mapping[str, str]] = {}
        self._names: dict[tuple[str, _Owner], set[str]] = defaultdict(set)
        self._failures = 0
        self.last_contact: float | None = None

    async def run(self, process: Process | None = None) -> None:
        """Never returns; ``process`` is told when the first list is complete."""
        while True:
            try:
                if not self._version:
                    await self._list()
                if process is not None:
                    process.ready()
                await self._follow()
            except Expired:
                self._version = ""
            except RegionOperatorError as error:
                self._failures += 1
                level = logging.WARNING if self._failures == 1 else logging.DEBUG
                log.log(level, "watch interrupted: %s", error, extra={"cluster": self._cluster.name})
                await self._sleep(self._backoff.rest_s(self._failures, self._random))

    def names(self, namespace: str, owner: "_Owner") -> frozenset[str] | None:
        """Names of an owner's children there; None while that is not known."""
        return frozenset(self._names.get((namespace, owner), ())) if self._version else None

    def children(self) -> Iterator[Change]:
        """All objects that it knows."""
        for (namespace, name), labels in self._known.items():
            yield Change(self._cluster.name, self._kind, namespace, name, labels)

    async def _list(self) -> None:
        call = Call("GET", self._path, query={"labelSelector": self._selector}, accept=_AS_LIST)
        items, version = await list_pages(self._cluster.connection, call, self._kind)
        self._contact()
        before, self._known = self._known, {}
        self._names.clear()
        for item in items:
            self._seen(item["metadata"])
        for (namespace, name), labels in before.items():
            if (namespace, name) not in self._known:
                self._tell(namespace, name, labels, gone=True)
        self._version = version

    async def _follow(self) -> None:
        query = {
            "labelSelector": self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(_SERVER_ENDS_AFTER_S * (1 + 0.2 * self._random()))),
        }
        call = Call("GET", self._path, query=query, accept=_AS_ITEM)
        started = self._clock()
        async for event in self._cluster.connection.stream(call, silence_s=SILENCE_S):
            self._contact()
            self._take(event)
        if self._clock() - started < 1.0:  # a proxy that ends streams at once must not make us spin
            await self._sleep(0.5 + self._random())

    def _take(self, event: Mapping[str, Any]) -> None:
        content = event.get("object") or {}
        if event.get("type") == "ERROR":
            raise refusal(int(content.get("code") or 500), dict(content), f"WATCH {self._path}")
        metadata = content.get("metadata") or {}
        if event.get("type") != "BOOKMARK":
            self._seen(metadata, gone=event.get("type") == "DELETED")
        self._version = str(metadata.get("resourceVersion") or self._version)

    def _seen(self, metadata: Mapping[str, Any], *, gone: bool = False) -> None:
        namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
        labels = dict(metadata.get("labels") or {})
        before = self._known.pop((namespace, name), None)
        if before is not None:
            self._names[namespace, _owner(before)].discard(name)
        if not gone:
            self._known[namespace, name] = labels
            self._names[namespace, _owner(labels)].add(name)
        version = str(metadata.get("resourceVersion", ""))
        if gone or not self._cluster.is_own_write(str(metadata.get("uid", "")), version):
            self._tell(namespace, name, labels, gone=gone)

    def _tell(self, namespace: str, name: str, labels: Mapping[str, str], *, gone: bool) -> None:
        self._on_change(Change(self._cluster.name, self._kind, namespace, name, labels, gone))

    def _contact(self) -> None:
        self._failures, self.last_contact = 0, self._clock()


class Watches:
    """The watches of all clusters; a cluster is covered namespace by namespace, as far as our rights there go."""

    def __init__(self, supervisor: Supervisor, *, kinds: Iterable[Kind], selector: str, on_change: OnChange) -> None:
        self._supervisor, self._kinds = supervisor, tuple(kinds)
        self._selector, self._on_change = selector, on_change
        self._covered: dict[str, set[str | None]] = {}
        self._watches: dict[str, Watch] = {}

    def names(self, cluster: Cluster, kind: Kind, namespace: str, owner: _Owner) -> frozenset[str] | None:
        """Names of the children of that kind which a Region has in a namespace; None when nobody watches there."""
        watch = self._watches.get(_name(cluster.name, namespace, kind))
        return watch.names(namespace, owner) if watch is not None else None

    def children(self) -> Iterator[Change]:
        """All children that are watched, in all clusters."""
        for watch in self._watches.values():
            yield from watch.children()

    def cover(self, cluster: Cluster, namespace: str | None) -> None:
        """Watch the children in a namespace (None: in all) from now on; asking twice is fine."""
        namespaces = self._covered.setdefault(cluster.name, set())
        if namespace in namespaces or None in namespaces:
            return
        namespaces.add(namespace)
        for kind in self._kinds:
            watch = Watch(cluster, kind, namespace, selector=self._selector, on_change=self._on_change)
            name = _name(cluster.name, namespace, kind)
            self._watches[name] = watch
            self._supervisor.spawn(name, watch.run)

    async def uncover(self, cluster: Cluster) -> None:
        """Stop watching a cluster, before its client is closed."""
        namespaces = self._covered.pop(cluster.name, set())
        names = [_name(cluster.name, namespace, kind) for namespace in namespaces for kind in self._kinds]
        for name in names:
            self._watches.pop(name, None)
        await asyncio.gather(*map(self._supervisor.stop, names))


def _name(cluster: str, namespace: str | None, kind: Kind) -> str:
    return f"watch {kind.plural} of {cluster}/{namespace or '*'}"
