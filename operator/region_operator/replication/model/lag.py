"""Positions in a source's log, and what is left of them after the source went back in time.

A source keeps the history of its incarnations like PostgreSQL keeps its timelines: each with the first lsn it gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from region_operator.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a receiver has applied a source: all up to ``lsn``, which the source gave out as ``incarnation``."""

    incarnation: str
    lsn: int

    def __str__(self) -> str:
        return f"{self.incarnation}:{self.lsn}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what `str` wrote; the empty text is the beginning.

        Raises:
            InvalidInput: the text is no cursor.
        """
        incarnation, _, lsn = text.rpartition(":")
        if text and not (incarnation and lsn.isascii() and lsn.isdigit()):
            raise InvalidInput(
                field="cursor", problem=f"{text!r} is no position", remedy="pass what the feed gave, or nothing"
            )
        return cls(incarnation, int(lsn)) if text else START


START = Cursor("", 0)


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One life of a source's database and the first lsn it gave."""

    name: str
    first_lsn: int


History = Sequence[Incarnation]
"""Oldest first, the present one last."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of a source a receiver has seen beside its cursor.

    A changed row moves to the head, so a page tells nothing of rows that have moved beyond it by the time it is read.
    If a restore moves them back, they lie behind the cursor, never received. So a receiver that is in the middle of
    catching up also says up to where it is sure of everything, and what it has read reflects.

    Attributes:
        whole: it has all that there was when the source's head was here.
        head: the highest head that the pages it has applied reflect.
    """

    whole: int = 0
    head: int = 0

    def after(
        self, lsn: int, *, head: int, unfolded: bool = False, leaves_out: bool = False, rewound: bool = False
    ) -> "Seen":
        """Return what is seen once a page that ends with ``lsn`` was applied, read when the head was ``head``.

        A page that left out ``unfolded`` rows reflects more than its head: their changes will be beyond it. A source
        that ``leaves_out`` entities is not sure to send their rows again once a restore has made it forget that it did.
        """
        reflected = max(self.head, head + unfolded)
        is_whole = lsn >= head >= reflected and not leaves_out
        return Seen(lsn, lsn) if rewound or is_whole else Seen(self.whole, reflected)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a receiver goes on.

    Attributes:
        lost: the receiver has applied commits that the source does not have any more: the source was restored.
            Then the receiver goes on from here, sends back what it had received, and a scan verifies.
    """

    cursor: Cursor
    lost: bool = False


def resume(cursor: Cursor, *, history: History, head: int, known: History = (), seen: Seen | None = None) -> Resume:
    """Return where a receiver at ``cursor`` goes on in a source of this history and last lsn.

    ``known`` is the history that the receiver had last been told; it finds the last common incarnation when the
    source has forgotten the one of the cursor. Without it everything is sent again, which is slow and harmless.
    ``seen`` proves lost commits that the cursor alone does not; without it the receiver is taken to have seen nothing
    beyond its cursor.

    Raises:
        ValueError: the source has no incarnation at all.
    """
    present = history[-1].name if history else ""
    if not present:
        raise ValueError("a source without an incarnation cannot be resumed")
    if cursor == START:
        return Resume(Cursor(present, 0))
    whole = seen.whole if seen is not None else cursor.lsn
    ends = _ends(history, head=head)
    end = ends.get(cursor.incarnation)
    if end is None:
        known_ends = _ends(known, head=cursor.lsn)
        end = max((min(ends[name], last) for name, last in known_ends.items() if name in ends), default=0)
        return Resume(Cursor(present, min(end, cursor.lsn, whole)), lost=True)
    if max(cursor.lsn, seen.head if seen is not None else 0) > end:
        return Resume(Cursor(present, min(end, cursor.lsn, whole)), lost=True)
    return Resume(Cursor(present, cursor.lsn))


def _ends(history: History, *, head: int) -> dict[str, int]:
    """The last lsn that each incarnation gave."""
    lasts = [*(later.first_lsn - 1 for later in history[1:]), head]
    return {incarnation.name: last for incarnation, last in zip(history, lasts, strict=True)} if history else {}
