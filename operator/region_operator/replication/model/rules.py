"""How the visible value of a register is chosen, as data.

A rule ranks *one pair at a time*, and the pair that ranks highest is shown; the greatest dot settles equal ranks.
A ranking sees neither the row nor the region nor what was shown before, so a rule that is not a pure function of the
register cannot be written, and regions that hold the same state and the same rules show the same value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from region_operator.replication.model.state import Pair, Register, Scalar
from region_operator.replication.model.vectors import is_genesis, region_of

Rank = tuple[int, Decimal | str | int]
Ranking = Callable[[Pair], Rank]


class Rule(StrEnum):
    """Which of the concurrent values of a field is shown; the names are those of SyncPolicy."""

    MOST_RESTRICTIVE = "MostRestrictive"
    REGION_PRIORITY = "RegionPriority"
    HIGHEST_VERSION = "HighestVersion"
    MAX = "Max"
    MIN = "Min"
    MANUAL = "Manual"


class DeleteRule(StrEnum):
    """Whether a row that was deleted here and updated there is gone."""

    DELETE_WINS = "DeleteWins"
    UPDATE_WINS = "UpdateWins"


class UniqueClash(StrEnum):
    """What becomes of two rows of one name."""

    PARK = "Park"
    RENAME = "Rename"
    ADOPT = "Adopt"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The rule of one field and what it needs to know of the field.

    Attributes:
        severity: the values of the field from most to least restrictive, for MostRestrictive; a value that is not
            listed counts as the most restrictive of all.
        numeric: values are compared as numbers, not as texts (Max, Min).
        quiet: different values are settled without being a conflict (times of creation and removal).
    """

    rule: Rule = Rule.HIGHEST_VERSION
    severity: tuple[str, ...] = ()
    numeric: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class EntityRuleSet:
    """Everything by which the rows of one entity are projected.

    Attributes:
        removed_field: the field with the time of removal, null as long as the row is alive; None if there is none.
        accept_from: region ids whose writes are accepted; None accepts all.
        synced: False leaves the whole entity out.
    """

    entity: str
    fields: Mapping[str, FieldRule]
    delete_rule: DeleteRule = DeleteRule.DELETE_WINS
    unique_clash: UniqueClash = UniqueClash.PARK
    region_priority: tuple[int, ...] = ()
    removed_field: str | None = None
    accept_from: frozenset[int] | None = None
    synced: bool = True
    ranks: Mapping[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {region: -place for place, region in enumerate(self.region_priority)}
        object.__setattr__(self, "ranks", places)


def winner(register: Register, *, rule: FieldRule, rules: EntityRuleSet) -> Pair:
    """Return the pair that is shown. What was there before capture yields to whatever was written since."""
    if len(register) == 1:
        return register[0]
    ranking = ranking_of(rule, region_ranks=rules.ranks)
    return max(captured(register), key=lambda pair: (ranking(pair), pair.dot))


def captured(register: Register) -> Register:
    """Return the pairs that somebody wrote, or all of them if nobody did."""
    return tuple(pair for pair in register if not is_genesis(pair.dot.actor)) or register


def ranking_of(rule: FieldRule, *, region_ranks: Mapping[int, int]) -> Ranking:
    """Return the order in which a rule prefers values."""
    match rule.rule:
        case Rule.MOST_RESTRICTIVE:
            return _by_severity(rule.severity)
        case Rule.REGION_PRIORITY:
            return _by_region(region_ranks)
        case Rule.MAX:
            return _greatest(numeric=rule.numeric)
        case Rule.MIN:
            return _least(numeric=rule.numeric)
        case Rule.HIGHEST_VERSION | Rule.MANUAL:
            return lambda _pair: (0, 0)


def _by_severity(severity: Sequence[str]) -> Ranking:
    places = {value.casefold(): -place for place, value in enumerate(severity)}
    return lambda pair: (0, places.get(str(pair.value).casefold(), 1))


def _by_region(region_ranks: Mapping[int, int]) -> Ranking:
    def rank(pair: Pair) -> Rank:
        region = region_of(pair.dot.actor)
        known = region is not None and region in region_ranks
        return (1, region_ranks[region]) if known and region is not None else (0, 0)

    return rank


def _greatest(*, numeric: bool) -> Ranking:
    def rank(pair: Pair) -> Rank:
        value = _scalar(pair)
        return (0, 0) if value is None else (1, _number(value) if numeric else str(value))

    return rank


def _least(*, numeric: bool) -> Ranking:
    """Null means that nobody set it, so it never wins; texts are ranked by their complement."""

    def rank(pair: Pair) -> Rank:
        value = _scalar(pair)
        if value is None:
            return 0, 0
        return 1, -_number(value) if numeric else _complement(str(value))

    return rank


def _scalar(pair: Pair) -> Scalar:
    return None if isinstance(pair.value, tuple) else pair.value


def _number(value: str | int) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return Decimal("-Infinity")
    return number if not number.is_nan() else Decimal("-Infinity")


def _complement(text: str) -> str:
    """Turn the order of texts around; the end mark makes a longer text smaller than its prefix."""
    return "".join(chr(0x10FFFF - ord(character)) for character in text) + chr(0x10FFFF)
