"""What places add up to, without a database."""

from datetime import UTC, date, datetime, timedelta

from biometric_flow.api.gateway import PlaceView
from biometric_flow.gateway.overview import Days, Sums, add_up

NOW = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)


def place(name: str, zone: str, *, is_reporting: bool = True, people: int = 10) -> PlaceView:
    return PlaceView(
        id=name,
        name=name.title(),
        zone=zone,
        position=0,
        last_report=NOW - timedelta(minutes=1),
        is_reporting=is_reporting,
        terminals_online=1,
        terminals_total=2,
        people=people,
        punches=0,
    )


LISBON, DHAKA = place("lisbon", "Europe/Lisbon"), place("dhaka", "Asia/Dhaka")


def test_each_place_has_its_own_date() -> None:
    overview = add_up([LISBON, DHAKA], Days({}, {}, {}), [], NOW)
    assert [one.local_date for one in overview.places] == [date(2026, 11, 22), date(2026, 11, 23)]


def test_totals_leave_out_who_is_silent_and_name_them() -> None:
    silent = place("dhaka", "Asia/Dhaka", is_reporting=False)
    found = Days({("lisbon", 0): Sums(5, 3, 5, 9), ("dhaka", 0): Sums(7, 7, 7, 7)}, {}, {})
    overview = add_up([LISBON, silent], found, [], NOW)
    kpis = overview.kpis
    assert (kpis.seen_today, kpis.present, kpis.punches_today, kpis.people) == (5, 3, 9, 10)
    assert (kpis.terminals_online, kpis.terminals_total) == (1, 2)
    assert [one.id for one in kpis.missing] == ["dhaka"]
    assert [(one.id, one.seen_today) for one in overview.places] == [("lisbon", 5), ("dhaka", 7)]
    assert [(one.kind, one.place) for one in overview.attention] == [("place_silent", "dhaka")]


def test_usual_is_the_median_of_the_weeks_there_were_and_null_without_any() -> None:
    sums = {("lisbon", 7): Sums(by_now=4), ("lisbon", 14): Sums(by_now=8), ("lisbon", 21): Sums(by_now=100)}
    for first, expected in (
        (None, None),
        (date(2026, 11, 20), None),
        (date(2026, 11, 15), 4),
        (date(2026, 11, 8), 6),
        (date(2026, 1, 1), 6),
    ):
        overview = add_up([LISBON], Days(sums, {}, {"lisbon": first}), [], NOW)
        assert overview.kpis.usual_seen == expected, first


def test_a_holiday_counts_as_a_day_without_anybody() -> None:
    found = Days({("lisbon", 7): Sums(by_now=9)}, {}, {"lisbon": date(2026, 11, 8)})
    assert add_up([LISBON], found, [], NOW).kpis.usual_seen == 4.5


def test_arrivals_are_told_for_every_quarter_of_the_day() -> None:
    found = Days({}, {("lisbon", 0, 33): 4, ("lisbon", 7, 33): 2}, {"lisbon": date(2026, 11, 15)})
    arrivals = add_up([LISBON], found, [], NOW).arrivals
    assert len(arrivals) == 96
    assert [(one.time, one.today, one.median) for one in arrivals if one.today] == [("08:15", 4, 2.0)]


def test_trends_end_with_today() -> None:
    overview = add_up([LISBON], Days({("lisbon", 0): Sums(3), ("lisbon", 6): Sums(2)}, {}, {}), [], NOW)
    assert overview.places[0].trend == [2, 0, 0, 0, 0, 0, 3]
    assert overview.kpis.seen_trend[-7:] == overview.places[0].trend
    assert len(overview.kpis.seen_trend) == 14
