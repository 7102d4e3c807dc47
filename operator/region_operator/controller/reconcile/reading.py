"""Reads an object of ours; one that cannot be used gets a status that says so, and its last state goes on (kstatus).

The API server refuses such specs, but one may have been stored under an older definition.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from region_operator.api.conditions import Finding, set_conditions
from region_operator.api.peering_status import RegionPeeringStatus
from region_operator.api.policy import SyncPolicyStatus
from region_operator.api.reasons import Kind as KindName
from region_operator.api.region_status import RegionStatus
from region_operator.api.schema import Resource
from region_operator.controller.reconcile.publish import StatusWriter
from region_operator.errors import InvalidInput
from region_operator.kubernetes.kinds import Kind

R = TypeVar("R", bound=Resource)
Status = RegionStatus | RegionPeeringStatus | SyncPolicyStatus

_STATUSES: Final[Mapping[KindName, type[Status]]] = {
    "Region": RegionStatus,
    "RegionPeering": RegionPeeringStatus,
    "SyncPolicy": SyncPolicyStatus,
}


async def read(model: type[R], kind: Kind, body: Mapping[str, Any], *, writer: StatusWriter, now: datetime) -> R | None:
    """The object, or None when its spec cannot be used; its status then names the field and what to do."""
    try:
        return model.parse(body)
    except InvalidInput as error:
        before = _status_of(body)
        after = unreadable(before, body, error, now=now)
        await writer.publish(kind, body, before=before, after=after)
        return None


def unreadable(before: Status, body: Mapping[str, Any], error: InvalidInput, *, now: datetime) -> Status:
    """The status of an object whose spec cannot be used: not ready until it is edited, all else as it was."""
    kind: KindName = body["kind"]
    generation = int(body["metadata"].get("generation") or 0)
    findings = [
        Finding("Ready", "False", "InvalidInput", str(error)),
        Finding("Reconciling", "False", "Waiting", "waiting for an edit"),
        Finding("Stalled", "False", "NotStalled", "an edit of the spec helps"),
    ]
    conditions = set_conditions(before.conditions, findings, kind=kind, generation=generation, now=now)
    return before.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _status_of(body: Mapping[str, Any]) -> Status:
    model = _STATUSES[body["kind"]]
    try:
        return model.model_validate(body.get("status") or {})
    except ValidationError:
        return model()
