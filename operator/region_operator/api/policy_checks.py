"""Whether a SyncPolicy can be acted on, beyond what its schema can say: entities, fields, cron and time zones.

Entities are data: what exists is an argument, so that a policy is judged by the catalog of the running version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from region_operator.api.agent import RuleName
from region_operator.api.policy import EntityPolicy, SyncPolicySpec
from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.scan_terms import scan_terms
from region_operator.errors import InvalidInput

_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class EntityFields:
    """What a policy may say about an entity of the catalog.

    Attributes:
        names: all fields and field groups that travel.
        ordered: those with an order of values (numbers, times), for rules Max and Min.
        ranked: those with an order of restriction (state), for rule MostRestrictive.
        parents: entities that a row cannot be without.
    """

    names: frozenset[str]
    ordered: frozenset[str] = frozenset()
    ranked: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()

    def inapplicable(self, rule: RuleName) -> list[str]:
        """Fields that cannot follow the rule."""
        if rule in ("Max", "Min"):
            return sorted(self.names - self.ordered)
        return sorted(self.names - self.ranked) if rule == "MostRestrictive" else []


def check_policy(spec: SyncPolicySpec, *, entities: Mapping[str, EntityFields], poll_seconds: int) -> None:
    """Refuse what cannot be acted on.

    Raises:
        InvalidInput: with reason UnknownEntity, UnknownField, RuleNotApplicable, InvalidCron, InvalidTimeZone or
            InvalidInput, naming the first field that is wrong.
    """
    for place, entity in enumerate(spec.entities or ()):
        _check_entity(f"spec.entities[{place}]", entity, entities)
    _check_left_out(spec.entities or (), entities)
    for name, fields in sorted(entities.items()):
        _check_rule("spec.conflicts.rule", spec.conflicts.rule, name, fields)
    if spec.partition.evidence_max_age_seconds < 2 * poll_seconds:
        raise InvalidInput(
            field="spec.partition.evidenceMaxAgeSeconds",
            problem=f"{spec.partition.evidence_max_age_seconds} is less than twice the operator's poll",
            remedy=f"set it to at least {2 * poll_seconds}",
        )
    if spec.scan and spec.scan.cron:
        _check_cron(spec.scan.cron)
    if spec.scan and spec.scan.time_zone:
        _check_time_zone(spec.scan.time_zone)
    if spec.scan:
        _check_objective(spec.scan)


def _check_entity(path: str, entity: EntityPolicy, entities: Mapping[str, EntityFields]) -> None:
    known = entities.get(entity.name)
    if known is None:
        raise InvalidInput(
            field=f"{path}.name",
            problem=f"{entity.name!r} is no entity of this version",
            remedy=f"use one of {', '.join(sorted(entities))}",
            reason="UnknownEntity",
        )
    if entity.rule:
        _check_rule(f"{path}.rule", entity.rule, entity.name, known)
    for place, field in enumerate(entity.fields or ()):
        if field.name not in known.names:
            raise InvalidInput(
                field=f"{path}.fields[{place}].name",
                problem=f"{field.name!r} is no field of {entity.name} that travels",
                remedy=f"use one of {', '.join(sorted(known.names))}",
                reason="UnknownField",
            )
        if field.name in known.inapplicable(field.rule):
            raise _not_applicable(f"{path}.fields[{place}].rule", field.rule, f"{entity.name}.{field.name}")


def _check_left_out(policies: Sequence[EntityPolicy], entities: Mapping[str, EntityFields]) -> None:
    """Children of rows that never come would wait for ever."""
    off = {entity.name: place for place, entity in enumerate(policies) if entity.mode == "Off"}
    for name, fields in sorted(entities.items()):
        missing = sorted(fields.parents & off.keys()) if name not in off else []
        if missing:
            raise InvalidInput(
                field=f"spec.entities[{off[missing[0]]}].mode",
                problem=f"{name} cannot be without {missing[0]}, which is left out",
                remedy=f"set mode Off for {name} too",
            )


def _check_rule(path: str, rule: RuleName, entity: str, fields: EntityFields) -> None:
    inapplicable = fields.inapplicable(rule)
    if inapplicable:
        raise _not_applicable(path, rule, f"{entity}.{inapplicable[0]}")


def _not_applicable(path: str, rule: RuleName, field: str) -> InvalidInput:
    return InvalidInput(
        field=path,
        problem=f"rule {rule} needs an order of values that {field} does not have",
        remedy="use HighestVersion, RegionPriority or Manual, or give the rule to single fields",
        reason="RuleNotApplicable",
    )


def _check_cron(expression: str) -> None:
    try:
        if len(expression.split()) != 5:
            raise CronSimError("Wrong number of fields")
        CronSim(expression, _ANY_MOMENT)
    except CronSimError as error:
        raise InvalidInput(
            field="spec.scan.cron",
            problem=f"{expression!r}: {error}",
            remedy='write minute, hour, day of month, month, day of week, as in "0 1 * * *"',
            reason="InvalidCron",
        ) from None


def _check_objective(scan: ScanPolicy) -> None:
    terms = scan_terms(scan)
    if terms.objective_s and not terms.cron and terms.objective_s < terms.interval_s:
        raise InvalidInput(
            field="spec.scan.objectiveSeconds",
            problem=f"{terms.objective_s} is less than the {terms.interval_s} s between two scans: it cannot be held",
            remedy=f"set it to at least {terms.interval_s}, or to 0 for none, or intervalSeconds lower",
        )


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, a path that leaves the directory, a directory
        raise InvalidInput(
            field="spec.scan.timeZone",
            problem=f"{name!r} is no time zone",
            remedy="use a name of the IANA database, as Europe/Berlin",
            reason="InvalidTimeZone",
        ) from None
