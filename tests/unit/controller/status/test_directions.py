"""When a direction counts as cut, when as healed, and when nothing is known (hysteresis by ages only)."""

import pytest

from unit.controller.status.peerings import Watch, aged, both, broken, joined, link, peering


def test_two_good_directions_are_no_partition():
    watch = joined()
    assert watch.verdict("Partitioned") == ("False", "Connected")
    assert [d.state for d in watch.status.directions] == ["Streaming", "Streaming"]


def test_a_short_silence_between_agents_is_no_partition():
    watch = joined()
    watch.look(both(link(2), broken(1, bad_s=29)))
    assert watch.verdict("Partitioned") == ("False", "Connected")
    assert watch.direction("a").state == "Streaming"


def test_one_cut_direction_is_asymmetric_and_two_name_the_cause():
    watch = joined()
    watch.look(both(link(2), broken(1, bad_s=30)))
    assert watch.verdict("Partitioned") == ("True", "AsymmetricPartition")
    assert watch.direction("a").state == "Broken"
    assert watch.direction("a").reason == "ProbeTimeout"
    assert watch.direction("b").state == "Streaming"

    watch.look(both(broken(2, bad_s=40), broken(1, bad_s=40, reason="ConnectionRefused")))
    assert watch.verdict("Partitioned") == ("True", "ConnectionRefused")


def test_a_cut_that_one_side_notices_first_is_not_called_asymmetric():
    watch = joined()
    watch.look(both(broken(2, bad_s=28), broken(1, bad_s=30)))
    assert watch.verdict("Partitioned") == ("True", "ProbeTimeout")


def test_it_is_healed_only_after_good_contact_for_long_enough():
    watch = joined()
    watch.look(both(broken(2, 40), broken(1, 40)))
    for good_age_ms in (0, 15_000, 29_999):
        watch.look(both(link(2, good_age_ms=good_age_ms), link(1, good_age_ms=good_age_ms)))
        assert watch.verdict("Partitioned") == ("True", "ProbeTimeout"), good_age_ms
    watch.look(both(link(2, good_age_ms=30_000), link(1, good_age_ms=30_000)))
    assert watch.verdict("Partitioned") == ("False", "Connected")


def test_a_link_that_flaps_stays_cut():
    watch = joined()
    watch.look(both(broken(2, 40), broken(1, 40)))
    watch.look(both(link(2, good_age_ms=20_000), link(1, good_age_ms=20_000)))
    watch.look(both(broken(2, 1), broken(1, 1)))
    assert watch.verdict("Partitioned")[0] == "True"


def test_ages_go_on_while_an_agent_holds_the_poll_open_and_not_while_it_is_silent():
    seen = both(link(2), broken(1, bad_s=10))
    answering, silent = joined(), joined()

    answering.look(aged(seen, 25, silent=False))
    silent.look(aged(seen, 25, silent=True))

    assert answering.verdict("Partitioned") == ("True", "AsymmetricPartition")
    assert silent.verdict("Partitioned") == ("False", "Connected")


def test_old_evidence_proves_nothing_either_way():
    watch = joined()
    watch.look(aged(peering(), 91, silent=True))
    assert watch.verdict("Partitioned") == ("Unknown", "EvidenceStale")
    assert watch.verdict("InSync") == ("Unknown", "EvidenceStale")
    assert watch.direction("a").state == "Unknown"
    assert watch.direction("a").lag == "?"
    assert watch.status.lag == "?"


def test_a_fresh_bad_direction_is_a_partition_though_the_other_is_stale():
    watch = joined()
    watch.look(aged(both(broken(2, 40), link(1)), 91, silent=True))
    assert watch.verdict("Partitioned") == ("True", "ProbeTimeout")


def test_before_the_first_contact_nothing_is_claimed():
    watch = Watch()
    new = {"state": "Connecting", "reason": "NotYetConnected", "contact_age_ms": None, "good_age_ms": None}
    watch.look(both(link(2, **new), link(1, **new)))
    assert watch.verdict("Partitioned") == ("Unknown", "NotObserved")
    watch.look(both(link(2, **new, bad_age_ms=31_000), link(1, **new, bad_age_ms=31_000)))
    assert watch.verdict("Partitioned") == ("True", "NotYetConnected")


def test_rows_that_cannot_be_applied_are_no_partition():
    watch = joined()
    watch.look(both(link(2), broken(1, 300, reason="ApplyFailed")))
    assert watch.verdict("Partitioned") == ("False", "Connected")
    assert watch.verdict("InSync") == ("False", "ApplyFailed")
    assert (watch.direction("a").state, watch.direction("a").reason) == ("Broken", "ApplyFailed")
    watch.look(both(link(2), link(1, good_age_ms=10)))
    assert watch.verdict("Partitioned") == ("False", "Connected")


def test_times_move_only_when_the_state_does():
    watch = joined()
    first = watch.direction("a")
    for _ in range(5):
        watch.look(peering())
    assert watch.direction("a") == first
    watch.look(both(link(2), broken(1, 40)))
    assert watch.direction("a").since != first.since
    assert watch.direction("a").evidence_time != first.evidence_time


@pytest.mark.rule("OPERATOR 12")
def test_a_lasting_silence_is_told_once_and_not_with_every_second_that_it_lasts():
    watch = joined()
    first = watch.look(aged(peering(), 91, silent=True))
    assert all(watch.look(aged(peering(), 91 + s, silent=True)) == first for s in range(1, 600, 30))


def test_the_progress_of_a_copy_moves_in_steps():
    def copying(rows):
        progress = {"rows": rows, "total_rows": 1000, "rows_per_second": rows * 1.5, "eta_seconds": 1000 - rows}
        return both(link(2), link(1, state="Copying", copy_progress=progress))

    watch = Watch()
    shown = {watch.look(copying(rows)).directions[0].copy_progress.percent for rows in range(0, 1001, 7)}
    assert shown == set(range(0, 100, 5))
    before = watch.look(copying(410))
    assert watch.look(copying(430)) == before
    assert watch.look(copying(450)) != before
    assert watch.verdict("JoinCompleted") == ("False", "Copying")
