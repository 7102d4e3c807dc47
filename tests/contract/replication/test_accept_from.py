"""`acceptFrom` and rows that were there before a region was prepared; the rest is in the store suite."""

import pytest

from contract.replication.regions import default_rules, pull


@pytest.mark.rule("OPERATOR 17")
def test_new_rows_and_rows_older_than_capture_count_as_their_senders(make_region) -> None:
    here, there = make_region(1), make_region(2, prepared=False)
    here.store.set_rules(default_rules(entities=[{"name": "account", "acceptFrom": [1]}]))
    there.add_account("old")
    there.prepare()
    there.open()
    there.add_account("new")
    pull(here, there)
    assert not here.has("account", "old")
    assert not here.has("account", "new")
    assert {row.row.key for row in here.store.parked() if row.reason == "OriginRefused"} >= {"old", "new"}
    here.store.set_rules(default_rules())
    here.store.retry_parked()
    assert here.has("account", "old")
    assert here.has("account", "new")
