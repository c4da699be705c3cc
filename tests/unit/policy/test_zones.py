"""Wall clocks of zones, to the minute at which they change."""

from datetime import UTC, datetime

from biometric_flow.policy.columns.arrays import Offsets, column
from biometric_flow.policy.zones import DAY, clock_text, home_zone

BERLIN, KOLKATA, UTC_ZONE = home_zone("Europe/Berlin"), home_zone("Asia/Kolkata"), home_zone("Etc/UTC")
SPRING = int(datetime(2024, 3, 31, 1, tzinfo=UTC).timestamp()) // 60
"""02:00 becomes 03:00 in Berlin."""


def test_a_stretch_ends_at_the_minute_at_which_the_clock_changes() -> None:
    for before in (1, 10, 20, 35, 50, DAY, DAY * 3):
        for after in (1, 2, 14, 16, DAY * 2):
            found = list(BERLIN.stretches((SPRING - before, SPRING + after)))
            assert found == [(SPRING - before, SPRING, 60), (SPRING, SPRING + after, 120)]
    assert list(BERLIN.stretches((SPRING - 5, SPRING))) == [(SPRING - 5, SPRING, 60)]
    assert list(BERLIN.stretches((SPRING, SPRING + 5))) == [(SPRING, SPRING + 5, 120)]


def test_a_year_has_three_stretches_though_it_ends_as_it_began() -> None:
    first, last = SPRING - 80 * DAY, SPRING + 280 * DAY
    assert [shift for _, _, shift in BERLIN.stretches((first, last))] == [60, 120, 60]


def test_nothing_has_no_stretches_days_or_windows() -> None:
    assert list(BERLIN.stretches((SPRING, SPRING))) == []
    assert list(BERLIN.by_day((SPRING, SPRING))) == []
    assert list(BERLIN.inside((SPRING, SPRING), (0, DAY))) == []


def test_a_wall_time_is_once_twice_or_in_a_gap() -> None:
    autumn = int(datetime(2024, 10, 27, 1, tzinfo=UTC).timestamp())
    wall = autumn + 3600 + 1800
    assert BERLIN.candidates(wall) == (autumn - 1800, autumn + 1800)
    assert BERLIN.candidates(wall - 2 * 3600) == (autumn - 2 * 3600 - 1800,)
    gap = SPRING * 60 + 3600 + 1800
    assert BERLIN.candidates(gap) == (gap - 3600,), "read with the offset before the gap"


def test_a_day_begins_at_its_own_hour() -> None:
    five = 300
    assert UTC_ZONE.day(10 * DAY + five - 1, five) == 9
    assert UTC_ZONE.day(10 * DAY + five, five) == 10
    assert UTC_ZONE.day(10 * DAY) == 10
    assert UTC_ZONE.day(10 * DAY - 1) == 9
    assert list(UTC_ZONE.by_day((10 * DAY, 10 * DAY + five + 7), five)) == [
        (9, (10 * DAY, 10 * DAY + five)),
        (10, (10 * DAY + five, 10 * DAY + five + 7)),
    ]
    assert list(UTC_ZONE.by_day((10 * DAY - 1, 10 * DAY + 1))) == [
        (9, (10 * DAY - 1, 10 * DAY)),
        (10, (10 * DAY, 10 * DAY + 1)),
    ]


def test_a_window_holds_its_first_minute_and_not_its_last() -> None:
    noon = 10 * DAY + 720
    assert list(UTC_ZONE.inside((noon - 60, noon), (720, 780))) == []
    assert list(UTC_ZONE.inside((noon + 60, noon + 90), (720, 780))) == []
    assert list(UTC_ZONE.inside((noon - 60, noon + 90), (720, 780))) == [(noon, noon + 60)]
    assert list(UTC_ZONE.inside((noon, noon + DAY + 1), (720, 720))) == [
        (noon, noon + DAY),
        (noon + DAY, noon + DAY + 1),
    ]


def test_a_window_is_on_the_wall_and_may_pass_midnight() -> None:
    midnight = KOLKATA.minute(20_000, 0)
    assert midnight == 20_000 * DAY - 330
    assert list(KOLKATA.inside((midnight - 120, midnight + 120), (0, 60))) == [(midnight, midnight + 60)]
    assert list(KOLKATA.inside((midnight - 120, midnight + 120), (1380, 30))) == [(midnight - 60, midnight + 30)]
    new_york = home_zone("America/New_York")
    evening = new_york.minute(20_000, 1320)
    assert list(new_york.inside((evening, evening + 240), (0, 60))) == [(evening + 120, evening + 180)]


def test_a_column_of_minutes_is_on_the_wall_as_each_of_them_is() -> None:
    for zone in (BERLIN, KOLKATA):
        span = (SPRING - 2 * DAY, SPRING + 300 * DAY)
        minutes = [*range(span[0], SPRING + DAY, 7), *range(SPRING - 2, SPRING + 3), SPRING + 290 * DAY, span[1] - 1]
        found = Offsets(zone, span).wall(column(minutes))
        assert found.tolist() == [zone.wall(minute) for minute in minutes]


def test_minutes_are_told_as_a_clock_shows_them() -> None:
    assert [clock_text(minute) for minute in (0, 61, 1439, DAY + 59)] == ["00:00", "01:01", "23:59", "00:59"]
