"""Children whose Region is not there are told, hourly and per cluster, and never deleted (OPERATOR.md 13).

Absence may be our own mistake: a hub restored from an older backup, a finalizer taken off by hand. What is left by
intent (volumes and Secrets of ``deletionPolicy: Retain``) is of kinds that are not watched, so it is not told here.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

from prometheus_client import Gauge

from region_operator import naming
from region_operator.controller.fleet import REGION, Fleet
from region_operator.kubernetes.watch import Change
from region_operator.supervision.units import Key

log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 3600.0
_SHOWN: Final = 20


class Watched(Protocol):
    def children(self) -> Iterable[Change]: ...


class LeftBehind:
    """Looks through what the watches know, at no cost for any API server.

    Args:
        namespaces: those of the Regions that are ours to judge; empty for all.
    """

    def __init__(
        self,
        watched: Watched,
        fleet: Fleet,
        *,
        namespaces: Collection[str],
        gauge: Gauge,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched, self._fleet, self._namespaces = watched, fleet, frozenset(namespaces)
        self._gauge, self._clock = gauge, clock
        self._told: dict[str, list[str]] = {}
        self._told_at = clock()

    def look(self) -> None:
        """Count what is left behind, and tell it when it is other than before or an hour has passed."""
        found = self._found()
        self._gauge.clear()
        for cluster, names in found.items():
            self._gauge.labels(cluster).set(len(names))
        if found == self._told and self._clock() - self._told_at < TELL_EVERY_S:
            return
        self._told, self._told_at = found, self._clock()
        for cluster, names in found.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            shown = ", ".join(names[:_SHOWN]) + more
            log.warning(
                "children of Regions that are not there, left as they are; apply the Region again or delete them: %s",
                shown,
                extra={"cluster": cluster},
            )

    def _found(self) -> dict[str, list[str]]:
        found = defaultdict(set)
        for child in self._watched.children():
            namespace = child.labels.get(naming.LABEL_REGION_NAMESPACE, "")
            name = child.labels.get(naming.LABEL_REGION_NAME, "")
            if not namespace or not name or (self._namespaces and namespace not in self._namespaces):
                continue
            if self._fleet.get(Key(REGION, namespace, name)) is None:
                owner = f"Region {namespace}/{name}"
                found[child.cluster].add(f"{child.kind.kind} {child.namespace}/{child.name} of {owner}")
        return {cluster: sorted(names) for cluster, names in sorted(found.items())}
