"""Writes a status when it says something new, and only then (OPERATOR.md 12).

A condition that changed is written at once. Figures alone are written at most every 30 s per object, and a status that
is equal to what stands there is not written at all.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from region_operator.api.schema import Manifest as Model
from region_operator.controller.events import EventRecorder
from region_operator.controller.fleet import Fleet
from region_operator.errors import Conflict
from region_operator.kubernetes.cluster import Cluster
from region_operator.kubernetes.kinds import Kind
from region_operator.supervision.units import Key

log = logging.getLogger(__name__)

FIGURES_EVERY_S: Final = 30.0
_BAD: Final = {
    "Ready": "False",
    "Stalled": "True",
    "Partitioned": "True",
    "DeletionBlocked": "True",
    "FullScanCurrent": "False",
}
_TOLD: Final = tuple(_BAD)  # transitions of these become Events


class StatusWriter:
    """Publishes statuses of the three kinds."""

    def __init__(
        self, hub: Cluster, fleet: Fleet, events: EventRecorder, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub, self._fleet, self._events, self._clock = hub, fleet, events, clock
        self._written: dict[Key, float] = {}

    async def publish(
        self, kind: Kind, body: Mapping[str, Any], *, before: Model, after: Model, urgent: Sequence[str] = ()
    ) -> float | None:
        """Write ``after`` if it is new; returns after how many seconds it should be tried again, None when it stands.

        ``urgent`` names further top-level fields whose change does not wait.
        """
        meta = body["metadata"]
        key = Key(kind.kind, meta["namespace"], meta["name"])
        old, new = before.wire(), after.wire()
        if old == new:
            return None
        wait_s = self._written.get(key, float("-inf")) + FIGURES_EVERY_S - self._clock()
        news = _verdicts(old) != _verdicts(new) or any(old.get(name) != new.get(name) for name in urgent)
        if not news and wait_s > 0:
            return wait_s
        try:
            result = await self._hub.patch_status(kind, meta["namespace"], meta["name"], new)
        except Conflict:
            return None  # it is gone
        self._written[key] = self._clock()
        self._fleet.written(key, result["metadata"]["resourceVersion"])
        await self._tell(body, old, new)
        return None

    def forget(self, key: Key) -> None:
        self._written.pop(key, None)

    async def _tell(self, body: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        was = {item["type"]: item["status"] for item in old.get("conditions", ())}
        for item in new.get("conditions", ()):
            name, status = item["type"], item["status"]
            if name not in _TOLD or status == "Unknown" or was.get(name, "Unknown") == status:
                continue
            bad = status == _BAD[name]
            if was.get(name) is None and not bad and name != "Ready":
                continue  # the first look found nothing wrong: no news
            log.info("%s %s: %s=%s (%s)", body["kind"], body["metadata"]["name"], name, status, item["reason"])
            await self._events.record(
                body, "Warning" if bad else "Normal", item["reason"], f"{name}: {item['message']}"
            )


def _verdicts(status: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    return [
        (item["type"], item["status"], item["reason"], item.get("observedGeneration", 0))
        for item in status.get("conditions", ())
    ]
