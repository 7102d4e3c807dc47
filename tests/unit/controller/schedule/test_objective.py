"""Whether a schedule can hold its own objective."""

from datetime import timedelta

import pytest

from region_operator.controller.schedule.objective import least_objective
from unit.controller.schedule.subjects import DAY, HOUR, terms

NIGHTS = [{"start": "22:00", "end": "04:00"}]
WEEKENDS = [{"days": ["Sat", "Sun"], "start": "22:00", "end": "04:00"}]


def needed(objective, **said):
    return least_objective(terms(objectiveSeconds=int(objective.total_seconds()), **said))


@pytest.mark.parametrize(
    ("said", "objective"),
    [
        ({}, DAY),
        ({"cron": "0 1 * * *"}, DAY),
        ({"cron": "0 1 1 * *"}, 31 * DAY),
        ({"cron": "0 9 * * 1-5"}, 3 * DAY),  # from Friday to Monday
        ({"cron": "0 0 * 1-11 *"}, 32 * DAY),  # not in December
        ({"cron": "0 1 29 2 *"}, 1461 * DAY),
        ({"cron": "* * * * *"}, timedelta(minutes=1)),
        ({"cron": "0 12 * * *", "windows": NIGHTS}, DAY),  # each waits for the evening
        ({"cron": "* * * * *", "windows": NIGHTS}, timedelta(hours=18, minutes=1)),
        ({"windows": WEEKENDS}, 5 * DAY + 22 * HOUR),  # from midnight to Monday to Saturday evening
        ({"intervalSeconds": 600, "windows": NIGHTS}, timedelta(hours=18, minutes=10)),
    ],
)
def test_the_least_objective_is_the_longest_time_between_two_starts(said, objective):
    assert needed(objective, **said) is None
    assert needed(objective - timedelta(seconds=1), **said) == objective
    assert needed(objective / 2, **said) == objective


def test_daylight_saving_and_jitter_make_no_difference():
    assert needed(DAY, cron="0 2 * * *", timeZone="Europe/Berlin", jitterPercent=50) is None


def test_without_an_objective_or_scans_there_is_nothing_to_hold():
    assert needed(timedelta(0), cron="0 1 1 * *") is None
    assert needed(HOUR, cron="0 1 1 * *", mode="Disabled") is None
