"""Conditions: how the verdict of a pass replaces the one before it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field

from region_operator.api.common import Int64, LongText, Timestamp
from region_operator.api.reasons import NOT_OBSERVED, REASONS, Kind, Status
from region_operator.api.schema import Manifest, listed

MESSAGE_LIMIT: Final = 32_768


class Condition(Manifest):
    """metav1.Condition as it stands in a status."""

    type: Annotated[str, Field(max_length=316, pattern=r"^[A-Za-z][A-Za-z0-9]*$")] = Field(
        description="What is stated, in CamelCase."
    )
    status: Status = Field(description="Whether it holds.")
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ] = Field(description="Constant for programs: why.")
    message: LongText = Field(description="For people: what, since when, what to do.")
    last_transition_time: Timestamp = Field(description="When status last changed.")
    observed_generation: Int64 = Field(default=0, description="Generation of the spec that this was judged for.")


Conditions = Annotated[tuple[Condition, ...], Field(max_length=32, json_schema_extra=listed("map", "type"))]


@dataclass(frozen=True)
class Finding:
    """The verdict of one pass on one type; what `set_conditions` makes a Condition of."""

    type: str
    status: Status
    reason: str
    message: str


def condition(conditions: Iterable[Condition], type_: str) -> Condition | None:
    return next((item for item in conditions if item.type == type_), None)


def is_declared(kind: Kind, finding: Finding) -> bool:
    """Whether the reason is one that users were told of, for this type and status."""
    return finding.reason in REASONS[kind].get(finding.type, {}).get(finding.status, ())


def set_conditions(
    old: Iterable[Condition], findings: Iterable[Finding], *, kind: Kind, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Every condition of the kind after a pass, in fixed order.

    A type without a finding keeps what it said before, or is Unknown if it never said anything. Time moves only when
    the status does. A condition of an older operator that this kind does not know any more is dropped.

    Raises:
        ValueError: a finding is about a type that the kind does not have, or two are about the same.
    """
    found: dict[str, Finding] = {}
    for finding in findings:
        if finding.type not in REASONS[kind] or finding.type in found:
            raise ValueError(f"{kind} has exactly one finding for each of its types, not {finding.type} here")
        found[finding.type] = finding
    before = {condition.type: condition for condition in old}
    return tuple(
        _judged(before.get(type_), found[type_], generation=generation, now=now)
        if type_ in found
        else before.get(type_) or _unobserved(type_, generation=generation, now=now)
        for type_ in REASONS[kind]
    )


def _judged(before: Condition | None, finding: Finding, *, generation: int, now: datetime) -> Condition:
    unchanged = before is not None and before.status == finding.status
    return Condition(
        type=finding.type,
        status=finding.status,
        reason=finding.reason,
        message=finding.message[:MESSAGE_LIMIT],
        last_transition_time=before.last_transition_time if before is not None and unchanged else timestamp(now),
        observed_generation=generation,
    )


def _unobserved(type_: str, *, generation: int, now: datetime) -> Condition:
    finding = Finding(type_, "Unknown", NOT_OBSERVED, "not observed yet")
    return _judged(None, finding, generation=generation, now=now)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC and whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
