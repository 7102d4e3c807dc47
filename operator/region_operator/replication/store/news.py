"""What a peer does not know yet: no echo of what it sent, unless it has lost that since (ENGINE 13)."""

from dataclasses import dataclass
from itertools import pairwise

from region_operator.replication.model.lag import History

MOST_INCARNATIONS = 32
"""Of a peer that are looked at; what it sent before is sent back to it, which costs a little and harms nothing."""


@dataclass(frozen=True, slots=True)
class NewsFor:
    """SQL that is true for versions ``v`` that are not exactly what a peer sent, unless the peer has lost it since."""

    sql: str
    values: tuple[object, ...]

    @classmethod
    def of(cls, *, peer: int, history: History) -> "NewsFor":
        """``history``: the peer's incarnations; what it sent in one that it has forgotten is news to it."""
        last = history[-1:]
        ended = list(pairwise(history))[-MOST_INCARNATIONS:]
        sent = ["v.from_incarnation = %s"] * len(last)
        sent += ["v.from_incarnation = %s AND v.from_lsn < %s"] * len(ended)
        values = [one.name for one in last]
        bounds = [value for one, following in ended for value in (one.name, following.first_lsn)]
        if not sent:
            return cls("TRUE", ())
        return cls(f"NOT (v.from_region <=> %s AND ({' OR '.join(sent)}))", (peer, *values, *bounds))
