"""The evidence a link collects."""

from datetime import UTC, datetime

from region_operator.replication.link_facts import LinkFacts


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


def facts(clock: Clock) -> LinkFacts:
    return LinkFacts(peering_uid="p1", peer_id=2, clock=clock, now=clock.now)


def test_a_link_that_never_had_contact_knows_no_ages() -> None:
    status = facts(Clock()).status()
    assert (status.state, status.reason) == ("Connecting", "NotYetConnected")
    assert (status.contact_age_ms, status.bad_age_ms, status.good_age_ms, status.lag_ms) == (None, None, None, None)


def test_ages_grow_and_a_fault_starts_a_bad_streak_that_contact_ends() -> None:
    clock = Clock()
    link = facts(clock)
    link.contact()
    clock.seconds += 2
    link.fault("ProbeTimeout", "silence")
    clock.seconds += 3
    link.fault("ProbeTimeout", "silence")
    status = link.status()
    assert (status.state, status.reason) == ("Broken", "ProbeTimeout")
    assert (status.contact_age_ms, status.bad_age_ms, status.good_age_ms) == (5000, 3000, None)
    link.contact()
    status = link.status()
    assert (status.contact_age_ms, status.bad_age_ms, status.good_age_ms) == (0, None, 0)


def test_since_moves_only_when_the_state_does() -> None:
    clock = Clock()
    link = facts(clock)
    assert link.enter("Streaming")
    since = link.status().since
    clock.seconds += 60
    assert not link.enter("Streaming")
    assert link.status().since == since
    assert link.fault("TLSFailed", "unknown authority")
    assert link.status().since != since


def test_lag_is_zero_when_idle_and_grows_while_changes_wait() -> None:
    clock = Clock()
    link = facts(clock)
    link.backlog(pending=0, oldest_age_ms=0)
    clock.seconds += 10
    assert link.lag_ms() == 0
    link.backlog(pending=3, oldest_age_ms=200)
    clock.seconds += 1
    assert link.lag_ms() == 1200


def test_lag_is_unknown_while_the_source_is_not_heard() -> None:
    link = facts(Clock())
    link.backlog(pending=0, oldest_age_ms=0)
    link.fault("ConnectionRefused", "refused")
    assert link.lag_ms() is None


def test_copy_progress_is_told_only_while_copying() -> None:
    clock = Clock()
    link = facts(clock)
    link.copied(rows=100, remaining=300)
    clock.seconds += 1
    link.copied(rows=100, remaining=200)
    link.enter("Copying")
    progress = link.status().copy_progress
    assert (progress.rows, progress.total_rows, progress.rows_per_second, progress.eta_seconds) == (200, 400, 200.0, 1)
    link.enter("Streaming")
    assert link.status().copy_progress is None
