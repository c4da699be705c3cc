"""Alerts: told once, together, again until somebody cares, not at night, and not for what comes and goes."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.gateway.alerts.machine import Alert, Notice, Quiet, Rules, Signal, advance, not_before, tell

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES = Rules()
GATE, DOOR = (Signal("terminal_silent", "cairo", key, f"{key} is offline", is_urgent=True) for key in ("gate", "door"))
DRIFT = Signal("clock_drift", "cairo", "gate", "The clock of gate is 90 s ahead")


class Life:
    """A tenant's alerts, looked at every few seconds."""

    def __init__(self) -> None:
        self.now = NOON
        self.open: list[Alert] = []
        self.told: list[Notice] = []

    def live(self, seconds: float, *signals: Signal) -> None:
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            after, notice = tell(advance(self.open, signals, self.now, RULES), self.now, RULES)
            self.open = [one for one in after if one.resolved_at is None]
            self.told += [notice] if notice else []
            self.now += timedelta(seconds=5)


def test_what_is_wrong_at_the_same_time_is_told_once_and_together() -> None:
    life = Life()
    life.live(10, GATE)
    life.live(600, GATE, DOOR)
    [notice] = life.told
    assert notice.title == "gate is offline and 1 more"
    assert notice.body.count("NEW: ") == 2
    assert notice.is_urgent


def test_what_nobody_acknowledged_is_told_again_and_what_somebody_did_is_not() -> None:
    life = Life()
    life.live(8.1 * 3600, GATE)
    assert [notice.body[:5] for notice in life.told] == ["NEW: ", "STILL", "STILL"]
    life.open = [replace(one, acknowledged_at=life.now) for one in life.open]
    life.live(8 * 3600, GATE)
    assert len(life.told) == 3


def test_the_end_of_what_was_told_is_told_and_a_new_time_is_a_new_alert() -> None:
    life = Life()
    life.live(100, GATE)
    life.live(100)
    assert [notice.body[:5] for notice in life.told] == ["NEW: ", "OVER:"]
    assert life.open == []
    life.live(100, GATE)
    assert life.told[-1].body.startswith("NEW: ")


def test_what_comes_and_goes_is_one_alert() -> None:
    life = Life()
    for _ in range(20):
        life.live(30, GATE)
        life.live(30)
    assert len(life.told) == 1


def test_what_was_over_before_it_was_told_is_never_told() -> None:
    assert (
        tell(
            [Alert(one.id, one.signal, NOON, NOON, resolved_at=NOON) for one in advance([], [GATE], NOON, RULES)],
            NOON + timedelta(hours=1),
            RULES,
        )[1]
        is None
    )


def test_a_flood_is_one_message_of_bounded_length() -> None:
    life = Life()
    flood = [Signal("terminal_silent", "cairo", str(number), "x" * 100) for number in range(500)]
    life.live(60, *flood)
    [notice] = life.told
    assert len(notice.body) < 8000
    assert "and 460 more" in notice.body


def test_quiet_hours_hold_back_what_can_wait_until_they_end_there() -> None:
    night = Quiet(time(22), time(6), "Africa/Cairo")
    late = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
    assert not_before(night, late, is_urgent=False) == datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    early = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    assert not_before(night, early, is_urgent=False) == datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    assert not_before(night, late, is_urgent=True) == late
    assert not_before(night, NOON, is_urgent=False) == NOON
    assert not_before(None, late, is_urgent=False) == late


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), st.times(), st.times())
def test_a_message_never_waits_longer_than_a_day_and_never_goes_out_in_quiet_hours(
    now: datetime, begins: time, ends: time
) -> None:
    quiet = Quiet(begins.replace(second=0, microsecond=0), ends.replace(second=0, microsecond=0), "Asia/Dhaka")
    if quiet.begins == quiet.ends:
        return
    due = not_before(quiet, now, is_urgent=False)
    assert now <= due <= now + timedelta(days=1)
    assert not_before(quiet, due, is_urgent=False) == due


@given(st.lists(st.tuples(st.sets(st.sampled_from([GATE, DOOR, DRIFT])), st.integers(1, 5000)), max_size=40))
def test_each_wrong_thing_is_one_open_alert_whatever_happens(steps: list[tuple[set[Signal], int]]) -> None:
    known: list[Alert] = []
    now = NOON
    for signals, seconds in steps:
        now += timedelta(seconds=seconds)
        after, _notice = tell(advance(known, signals, now, RULES), now, RULES)
        known = [one for one in after if one.resolved_at is None]
        keys = [one.signal.key for one in known]
        assert len(keys) == len(set(keys))
        assert {one.key for one in signals} <= set(keys)
