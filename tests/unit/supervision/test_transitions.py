import logging

import pytest

from region_operator.supervision import Done, Mailboxes


@pytest.mark.rule("DESIGN 2")
def test_what_becomes_of_a_unit_of_work_can_be_read_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="region_operator.supervision"):
        mailboxes = Mailboxes()
        mailboxes.add("eu")
        unit = mailboxes.take()
        mailboxes.done(unit, Done())
    assert [record.message for record in caplog.records] == ["eu: None -> Initialized", "eu: Initialized -> Ready"]
    assert caplog.records[-1].unit == unit.id
