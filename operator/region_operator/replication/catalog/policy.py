"""The rules of a policy (`api.agent.Rules`) for the fields of an entity.

The most specific word counts: the policy's rule for the field, the policy's rule for the entity, what the catalog says
of the field (states: MostRestrictive), the policy's rule for the fleet. A rule for an entity or for the fleet that a
field has no order for (MostRestrictive of an e-mail address) leaves the field at HighestVersion; naming it for such a
field is an error.
"""

from collections.abc import Iterable

from region_operator.api.agent import EntityRules, Rules
from region_operator.errors import InvalidInput
from region_operator.replication.catalog.entity import Entity
from region_operator.replication.catalog.fields import Field
from region_operator.replication.model.rules import DeleteRule, EntityRuleSet, FieldRule, Rule, UniqueClash


def rule_sets(entities: Iterable[Entity], rules: Rules) -> dict[str, EntityRuleSet]:
    """Return the rules of each entity of a catalog.

    Raises:
        InvalidInput: the policy names an entity or a field that is not there, or a rule that a field has no order for.
    """
    entities = tuple(entities)
    known = {entity.name for entity in entities}
    for index, named in enumerate(rules.entities):
        if named.name not in known:
            raise InvalidInput(
                field=f"entities[{index}].name",
                problem=f"there is no entity {named.name!r}",
                remedy=f"use one of {', '.join(sorted(known))}",
                reason="UnknownEntity",
            )
    made = {entity.name: rule_set(entity, rules) for entity in entities}
    for entity in entities:
        missing = sorted(parent for parent in entity.references.values() if not made[parent].synced)
        if missing and made[entity.name].synced:
            raise InvalidInput(
                field=f"entities[{[named.name for named in rules.entities].index(missing[0])}].mode",
                problem=f"{entity.name} cannot be without {missing[0]}, which is left out",
                remedy=f"set mode Off for {entity.name} too",
            )
    return made


def rule_set(entity: Entity, rules: Rules) -> EntityRuleSet:
    """Return the rules of one entity; raises InvalidInput like `rule_sets`."""
    own = next((named for named in rules.entities if named.name == entity.name), EntityRules(name=entity.name))
    for named in own.fields:
        _check(entity, named.name, Rule(named.rule))
    return EntityRuleSet(
        entity.name,
        {field.name: _field_rule(field, own=own, rules=rules) for field in entity.fields},
        DeleteRule(own.delete_rule or rules.delete_rule),
        UniqueClash(own.unique_clash or rules.unique_clash),
        tuple(rules.region_priority),
        entity.removed,
        frozenset(own.accept_from) if own.accept_from is not None else None,
        own.mode == "Sync",
    )


def _field_rule(field: Field, *, own: EntityRules, rules: Rules) -> FieldRule:
    named = next((rule.rule for rule in own.fields if rule.name == field.name), None)
    wanted = [named, own.rule, field.rule, rules.rule]
    rule = Rule(next(rule for rule in ([field.rule] if field.fixed_rule else wanted) if rule is not None))
    if not _applicable(field, rule):
        rule = Rule.HIGHEST_VERSION
    return FieldRule(rule, field.severity, field.columns[0].kind in ("int", "bool", "decimal"), field.quiet)


def _applicable(field: Field, rule: Rule) -> bool:
    match rule:
        case Rule.MOST_RESTRICTIVE:
            return bool(field.severity)
        case Rule.MAX | Rule.MIN:
            return not field.is_group and field.reference is None and field.columns[0].kind != "str"
        case _:
            return True


def _check(entity: Entity, name: str, rule: Rule) -> None:
    place = f"entities[{entity.name}].fields[{name}]"
    if name not in entity.field_names:
        raise InvalidInput(
            field=place,
            problem="there is no such field",
            remedy=f"use one of {', '.join(entity.field_names)}",
            reason="UnknownField",
        )
    field = entity.field(name)
    if not _applicable(field, rule) or (field.fixed_rule and rule is not field.rule):
        raise InvalidInput(
            field=f"{place}.rule",
            problem=f"{rule.value} does not apply to it",
            remedy="use HighestVersion, RegionPriority or Manual" if not field.fixed_rule else "leave it out",
            reason="RuleNotApplicable",
        )
