"""How often captured changes are looked for."""

from region_operator.replication.agent.region import fold_pause_s


def test_changes_are_looked_for_within_milliseconds_while_they_come_and_less_often_when_it_is_quiet() -> None:
    assert [fold_pause_s(quiet_s) for quiet_s in (0, 4, 30, 3600)] == [0.01, 0.01, 0.05, 0.1]
