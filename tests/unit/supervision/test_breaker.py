import pytest

from region_operator.supervision import Breaker
from unit.supervision.fake_time import FakeTime

pytestmark = pytest.mark.rule("OPERATOR 15")


def test_three_timeouts_leave_one_probe_each_30_seconds():
    time = FakeTime()
    breaker = Breaker(clock=time)
    for _ in range(3):
        assert breaker.allows()
        breaker.timed_out()
    assert not breaker.allows()
    time.pass_by(30)
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.timed_out()
    time.pass_by(29)
    assert not breaker.allows()
    time.pass_by(1)
    assert breaker.allows()


def test_any_answer_closes_it():
    time = FakeTime()
    breaker = Breaker(clock=time)
    for _ in range(5):
        breaker.timed_out()
    breaker.answered()
    assert breaker.allows()
    breaker.timed_out()
    breaker.timed_out()
    assert breaker.allows()


def test_timeouts_with_answers_between_them_do_not_open_it():
    breaker = Breaker(clock=FakeTime())
    for _ in range(10):
        breaker.timed_out()
        breaker.timed_out()
        breaker.answered()
    assert breaker.allows()
