from datetime import UTC, datetime, timedelta

import pytest

from biometric_flow.api.place import ClockRule
from biometric_flow.place.clocks import ClockReading, is_due, jump_between, was_reset

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def reading(drift: float, at: datetime = NOON) -> ClockReading:
    off = timedelta(seconds=drift)
    return ClockReading(at, (at + off).replace(tzinfo=None), off)


@pytest.mark.parametrize(
    ("rule", "drift", "hour", "due"),
    [
        ("off", 86_400, 3, False),
        ("above", 29, 3, False),
        ("above", 31, 12, True),
        ("above", -31, 12, True),
        ("nightly", 31, 12, False),
        ("nightly", 31, 3, True),
        ("nightly", 1.5, 3, False),
    ],
)
def test_a_clock_is_set_when_its_rule_says_so(rule: ClockRule, drift: float, hour: int, due: bool) -> None:
    local = datetime(2026, 11, 22, hour, 10)
    assert is_due(rule, timedelta(seconds=30), reading(drift), local) is due


def test_a_clock_that_creeps_has_not_jumped() -> None:
    assert jump_between(reading(5), reading(5 + 26, NOON + timedelta(days=1))) is None


def test_a_turned_clock_is_told_by_how_far() -> None:
    assert jump_between(reading(5), reading(3605, NOON + timedelta(minutes=1))) == timedelta(hours=1)
    assert jump_between(reading(5), reading(-55, NOON + timedelta(minutes=1))) == timedelta(minutes=-1)


def test_a_clock_in_2000_lost_its_time() -> None:
    assert was_reset(ClockReading(NOON, datetime(2000, 1, 1, 0, 5), timedelta(days=-9800)))
    assert not was_reset(reading(0))
