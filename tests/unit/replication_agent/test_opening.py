"""An agent that starts before its database is there waits for it, and says so once."""

import logging

import pytest

from region_operator.errors import InvalidInput, Refused, RegionOperatorError, Unavailable
from region_operator.replication.agent.opening import wait_until_open
from unit.supervision.fake_time import FakeTime

AWAY = Unavailable(reason="ConnectionRefused", message="database db:3306: Connection refused")
IN_USE = Refused(reason="DatabaseInUse", message="another agent holds this region's database")
DENIED = Unavailable(reason="AuthFailed", message="database db:3306: Access denied")
ANOTHERS = InvalidInput(field="region_sync", problem="p", remedy="r", reason="DatabaseOfAnotherRegion")


async def opened(*failures: Exception, store: object, said: list[str]) -> object:
    """What comes of waiting for a database that fails in these ways first."""
    coming = iter(failures)

    def open_store():
        for failure in coming:
            raise failure
        return store

    return await wait_until_open(open_store, say=said.append, sleep=FakeTime().sleep)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.levelno >= logging.INFO]


async def test_a_database_that_is_there_needs_no_words(caplog):
    caplog.set_level(logging.INFO)
    store, said = object(), []
    assert await opened(store=store, said=said) is store
    assert (lines(caplog), said) == ([], [])


@pytest.mark.parametrize("away", [AWAY, IN_USE])
async def test_waiting_is_told_when_it_begins_and_when_it_ends_and_is_no_error(caplog, away):
    caplog.set_level(logging.INFO)
    store, said = object(), []
    assert await opened(*[away] * 20, store=store, said=said) is store
    assert lines(caplog) == [
        ("WARNING", f"waiting for the database: {away}"),
        ("INFO", "the database is there"),
    ]
    assert said == [str(away)] * 20  # the status is kept by whoever is told


@pytest.mark.parametrize("refusal", [DENIED, ANOTHERS])
async def test_what_does_not_pass_by_itself_is_an_error_also_after_waiting(caplog, refusal: RegionOperatorError):
    await opened(AWAY, AWAY, refusal, refusal, store=object(), said=[])
    assert [level for level, _ in lines(caplog)] == ["WARNING", "ERROR"]
    assert str(refusal) in caplog.text


async def test_a_defect_is_not_waited_out():
    with pytest.raises(ZeroDivisionError):
        await opened(ZeroDivisionError(), store=object(), said=[])
