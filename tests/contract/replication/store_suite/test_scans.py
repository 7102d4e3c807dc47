"""What a scan leaves in a region's database, and who may scan it."""

import pytest

from contract.replication.store_suite.clouds import Cloud
from region_operator.errors import Conflict, Refused
from region_operator.replication.scans.record import ENDED_KEPT
from stored_scans import ended, running

pytestmark = pytest.mark.rule("OPERATOR 18")


def test_a_scan_is_found_again_where_it_stood_by_the_next_agent(cloud: Cloud) -> None:
    scan = running(position={"entity": "user", "after": "ü-1'%"})
    cloud.store.keep_scan(running())
    cloud.store.keep_scan(scan)
    cloud.reopen()
    assert cloud.store.scans() == [scan]


def test_scans_that_go_on_and_the_last_clean_one_outlive_many_that_ended(cloud: Cloud) -> None:
    first = [running(), ended(0, result="Clean"), ended(0, peering_uid="peering-2")]
    skipped = [ended(number, result="SkippedHighLoad") for number in range(1, ENDED_KEPT + 5)]
    for scan in [*first, *skipped]:
        cloud.store.keep_scan(scan)
    assert {scan.id for scan in cloud.store.scans()} == {scan.id for scan in [*first, *skipped[-ENDED_KEPT:]]}


def test_a_region_is_held_for_one_scan_at_a_time(cloud: Cloud) -> None:
    number = cloud.store.hold_lease("scan-1")
    assert cloud.store.hold_lease("scan-1") == number
    with pytest.raises(Refused, match="scan-1") as refused:
        cloud.store.hold_lease("scan-2")
    assert refused.value.reason == "RegionBusy"
    cloud.store.release_lease("scan-2")
    with pytest.raises(Refused):
        cloud.store.hold_lease("scan-2")
    cloud.store.release_lease("scan-1")
    assert cloud.store.hold_lease("scan-2") > number


def test_a_lease_that_is_not_renewed_ends_and_its_holder_is_told_by_another_number(cloud: Cloud) -> None:
    first = cloud.store.hold_lease("scan-1")
    cloud.age_lease(seconds=50)
    assert cloud.store.hold_lease("scan-1") == first
    cloud.age_lease(seconds=50)
    with pytest.raises(Refused):
        cloud.store.hold_lease("scan-2")
    cloud.age_lease(seconds=61)
    between = cloud.store.hold_lease("scan-2")
    cloud.age_lease(seconds=61)
    assert first < between < cloud.store.hold_lease("scan-1")


def test_a_clock_that_was_set_back_keeps_nobody_out(cloud: Cloud) -> None:
    cloud.store.hold_lease("scan-1")
    cloud.age_lease(seconds=-3600)
    cloud.store.hold_lease("scan-2")


def test_an_agent_that_was_replaced_keeps_no_scan_and_holds_no_region(cloud: Cloud) -> None:
    cloud.be_replaced()
    with pytest.raises(Conflict):
        cloud.store.keep_scan(running())
    with pytest.raises(Conflict):
        cloud.store.hold_lease("scan-1")
    cloud.reopen()
    assert cloud.store.scans() == []


def test_the_server_tells_of_its_load(cloud: Cloud) -> None:
    load = cloud.store.load()
    assert load.threads_running >= 1
    assert min(load.row_lock_waits, load.history_list_length) >= 0


def test_what_the_agent_writes_itself_is_no_load(cloud: Cloud) -> None:
    before = cloud.store.load().writes
    for number in range(20):
        cloud.store.hold_lease(f"scan-{number}")
        cloud.store.release_lease(f"scan-{number}")
    assert cloud.store.load().writes == before
