"""What one direction of a peering knows of itself, as evidence with ages; outlives the process of the link. Pure.

Ages are by the monotonic clock given; the wall clock only dates ``since`` for people. Nothing here decides what a
partition is: the operator does, from the ages, with its own hysteresis.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from region_operator.api.agent import CopyProgress, LinkReason, LinkState, LinkStatus, PlanReport

RTT_SMOOTHING = 0.2
RATE_WINDOW_S = 5.0


@dataclass(frozen=True)
class Backlog:
    """What the source said it still has for us, and when (our clock) it said so."""

    pending: int
    oldest_age_ms: int
    heard_at: float


class LinkFacts:
    """Collects evidence; the link writes, the status reads, both on the event loop."""

    def __init__(
        self, *, peering_uid: str, peer_id: int, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self.peering_uid, self.peer_id = peering_uid, peer_id
        self.cursor = ""
        self.peer_database_key_fingerprint = ""
        self.peer_rules_hash = ""
        self.throttled = False
        self.plan: PlanReport | None = None  # of a planned link: the dry run that was worked out last
        self._clock, self._now = clock, now
        self._state: LinkState = "Connecting"
        self._reason: LinkReason = "NotYetConnected"
        self._message = ""
        self._since = now()
        self._last_good: float | None = None
        self._first_good: float | None = None
        self._first_bad: float | None = None
        self._rtt_ms: float | None = None
        self._backlog: Backlog | None = None
        self._copy = _CopyMeter()

    @property
    def state(self) -> LinkState:
        return self._state

    @property
    def reason(self) -> LinkReason:
        return self._reason

    def contact(self, *, rtt_s: float | None = None) -> None:
        """The peer answered well just now."""
        now = self._clock()
        self._last_good, self._first_bad = now, None
        self._first_good = now if self._first_good is None else self._first_good
        if rtt_s is not None:
            fresh = rtt_s * 1000
            self._rtt_ms = fresh if self._rtt_ms is None else self._rtt_ms + RTT_SMOOTHING * (fresh - self._rtt_ms)

    def fault(self, reason: LinkReason, message: str) -> bool:
        """The link is broken for ``reason``; returns whether that is news."""
        now = self._clock()
        self._first_bad = now if self._first_bad is None else self._first_bad
        self._first_good = None
        self.throttled = False
        self._backlog = None  # what the source has for us cannot be known while it is not heard
        return self.enter("Broken", reason, message)

    def enter(self, state: LinkState, reason: LinkReason = "Connected", message: str = "") -> bool:
        """Be in ``state`` from now on; returns whether that is a change."""
        changed = (state, reason) != (self._state, self._reason)
        if changed:
            self._since = self._now()
        self._state, self._reason, self._message = state, reason, message
        return changed

    def rest(self) -> None:
        """The link is told to rest: no evidence is gathered, and the old one says nothing."""
        self._first_good = self._first_bad = self._backlog = None
        self.throttled = False
        self.enter("Suspended", "Suspended")

    def backlog(self, *, pending: int, oldest_age_ms: int) -> None:
        """The source has ``pending`` changes beyond our cursor, the oldest of that age by its own clock."""
        self._backlog = Backlog(pending, oldest_age_ms, self._clock())

    def copied(self, *, rows: int, remaining: int) -> None:
        """``rows`` more of the first copy have been applied."""
        self._copy.add(rows, remaining=remaining, now=self._clock())

    def lag_ms(self) -> int | None:
        """Age of the oldest change that is not applied here; grows while it waits, 0 when there is none."""
        if self._backlog is None:
            return None
        if self._backlog.pending == 0:
            return 0
        return max(0, self._backlog.oldest_age_ms + _ms(self._clock() - self._backlog.heard_at))

    def status(self) -> LinkStatus:
        """Return the evidence; registration and counts of conflicts are added by who knows them."""
        now = self._clock()
        return LinkStatus(
            peering_uid=self.peering_uid,
            peer_id=self.peer_id,
            state=self._state,
            reason=self._reason,
            message=self._message,
            since=self._since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            contact_age_ms=_age_ms(now, self._last_good),
            bad_age_ms=_age_ms(now, self._first_bad),
            good_age_ms=_age_ms(now, self._first_good),
            lag_ms=self.lag_ms(),
            pending_changes=self._backlog.pending if self._backlog else None,
            rtt_ms=round(self._rtt_ms, 1) if self._rtt_ms is not None else None,
            cursor=self.cursor,
            copy_progress=self._copy.progress() if self._state == "Copying" else None,
            peer_database_key_fingerprint=self.peer_database_key_fingerprint,
            peer_rules_hash=self.peer_rules_hash,
            throttled=self.throttled,
            plan=self.plan,
        )


class _CopyMeter:
    """Rows of the first copy and their rate over the last seconds."""

    def __init__(self) -> None:
        self.rows = self.remaining = 0
        self._rate = 0.0
        self._mark: tuple[float, int] | None = None

    def add(self, rows: int, *, remaining: int, now: float) -> None:
        if self._mark is None:
            self._mark = (now, self.rows)
        self.rows += rows
        self.remaining = remaining
        since, rows_then = self._mark
        if now > since:
            self._rate = (self.rows - rows_then) / (now - since)
        if now - since > RATE_WINDOW_S:
            self._mark = (now, self.rows)

    def progress(self) -> CopyProgress:
        return CopyProgress(
            rows=self.rows,
            total_rows=self.rows + self.remaining,
            rows_per_second=round(self._rate, 1),
            eta_seconds=int(self.remaining / self._rate) if self._rate > 0 else None,
        )


def _age_ms(now: float, then: float | None) -> int | None:
    return None if then is None else _ms(now - then)


def _ms(seconds: float) -> int:
    return max(0, int(seconds * 1000))
