"""Kubernetes Events, written when something changes and never again while it stays so."""

import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from region_operator import naming
from region_operator.errors import RegionOperatorError
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster

log = logging.getLogger(__name__)

NOTE_LIMIT = 1024
_REMEMBERED = 4096
_QUIET_S = 3600.0  # the API server forgets Events after an hour: a lasting trouble may be said again then


class EventRecorder:
    """Writes Events about our objects; a failure to write one is logged and harms nothing."""

    def __init__(self, hub: Cluster, *, instance: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub, self._instance, self._clock = hub, instance, clock
        self._said: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def record(self, body: Mapping[str, Any], kind: Literal["Normal", "Warning"], reason: str, note: str) -> None:
        """Say ``note`` about the object, unless just that was said of it a short while ago."""
        meta = body["metadata"]
        said = (meta["uid"], reason, note)
        now = self._clock()
        if self._said.get(said, float("-inf")) > now - _QUIET_S:
            return
        self._said[said] = now
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        try:
            await self._hub.create(_event(body, kind, reason=reason, note=note, instance=self._instance))
        except RegionOperatorError as error:
            log.warning("an Event was not written: %s", error)


def _event(body: Mapping[str, Any], kind: str, *, reason: str, note: str, instance: str) -> dict[str, Any]:
    meta = body["metadata"]
    return {
        "apiVersion": kinds.EVENT.api_version,
        "kind": kinds.EVENT.kind,
        "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": meta["namespace"]},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": f"{naming.GROUP}/operator",
        "reportingInstance": instance,
        "action": "Reconcile",
        "reason": reason,
        "type": kind,
        "note": note[:NOTE_LIMIT],
        "regarding": {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
