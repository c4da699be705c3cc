from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.model.ids import TenantId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch, QuarantineReason
from biometric_flow.place.normalise import Quarantined, Reading, drift_of, instant_of, normalise, put_aside, row_of
from biometric_flow.zk.wire.events import AttendanceEvent
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.rows import RejectedRow
from biometric_flow.zk.wire.timecode import TerminalTime

CAIRO = ZoneInfo("Africa/Cairo")
GATE = TerminalSerial("CAI0001")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def reading(**changes: object) -> Reading:
    values = {
        "tenant": TenantId("demo"),
        "terminal": GATE,
        "zone": CAIRO,
        "drift": timedelta(seconds=3),
        "received_at": NOW,
        "channel": Channel.PULL,
        "pins": {},
    }
    return Reading(**{**values, **changes})  # type: ignore[arg-type]


def row(text: str, pin: str = "7", state: int = 0, uid: int = 1) -> AttlogRecord:
    return AttlogRecord(uid, pin, 1, state, TerminalTime.from_text(text), 0, f"{pin} {text} {state}".encode())


def only(rows: list[Punch | Quarantined]) -> Punch | Quarantined:
    assert len(rows) == 1
    return rows[0]


def test_a_row_becomes_a_punch_in_the_site_zone_with_its_drift_beside_it() -> None:
    punch = only(normalise([row("2026-11-22 09:33:05")], reading()))
    assert isinstance(punch, Punch)
    assert punch.local_time == datetime(2026, 11, 22, 9, 33, 5)
    assert punch.instant == datetime(2026, 11, 22, 7, 33, 5, tzinfo=UTC)
    assert punch.drift == timedelta(seconds=3)


def test_a_live_event_and_the_stored_row_are_one_punch() -> None:
    live = AttendanceEvent(0, "7", 15, 0, TerminalTime.from_text("2026-11-22 09:33:05"), b"event")
    from_event = only(normalise([row_of(live)], reading(channel=Channel.LIVE)))
    from_log = only(normalise([row("2026-11-22 09:33:05")], reading()))
    assert from_event.id == from_log.id


def test_a_row_with_only_a_uid_takes_the_pin_of_that_user() -> None:
    punch = only(normalise([row("2026-11-22 09:33:05", pin="", uid=4)], reading(pins={4: "1001"})))
    assert isinstance(punch, Punch)
    assert punch.pin == "1001"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("2026-02-31 08:00:00"), QuarantineReason.IMPOSSIBLE_TIME),
        (row("2000-01-01 00:00:09"), QuarantineReason.CLOCK_NOT_SET),
        (row("2026-11-25 08:00:00"), QuarantineReason.IN_THE_FUTURE),
        (row("2026-11-22 08:00:00", pin="  "), QuarantineReason.UNREADABLE_PIN),
        (row("2026-11-22 08:00:00", pin="", uid=9), QuarantineReason.UNKNOWN_UID),
    ],
)
def test_a_bad_row_is_put_aside_and_costs_its_neighbours_nothing(bad: AttlogRecord, reason: QuarantineReason) -> None:
    before, aside, after = normalise([row("2026-11-22 08:00:00"), bad, row("2026-11-22 09:00:00")], reading())
    assert isinstance(before, Punch)
    assert isinstance(after, Punch)
    assert isinstance(aside, Quarantined)
    assert (aside.reason, aside.raw) == (reason, bad.raw)


def test_a_row_up_to_a_day_ahead_is_a_punch() -> None:
    assert isinstance(only(normalise([row("2026-11-23 13:59:59")], reading())), Punch)


def test_an_unreadable_row_keeps_at_most_a_kibibyte() -> None:
    (aside,) = put_aside([RejectedRow(b"\xff" * 5000, "not readable")], GATE)
    assert len(aside.raw) == 1024


def test_a_repeated_hour_is_read_in_the_order_of_the_log() -> None:
    # Cairo went from 24:00 back to 23:00 on 2024-10-31.
    rows = [row(f"2024-10-31 {clock}", pin=clock) for clock in ("23:10:00", "23:50:00", "23:20:00", "23:40:00")]
    instants = [punch.instant for punch in normalise(rows, reading()) if isinstance(punch, Punch)]
    assert instants == sorted(instants)
    assert instants[2] - instants[1] == timedelta(minutes=30)


def test_a_time_that_the_clock_skipped_uses_the_offset_before() -> None:
    # 2024-04-26 00:30 did not exist in Cairo; by the offset before (+2) it is 22:30 UTC.
    assert instant_of(datetime(2024, 4, 26, 0, 30), CAIRO, None) == datetime(2024, 4, 25, 22, 30, tzinfo=UTC)


def test_drift_is_positive_when_the_terminal_runs_ahead() -> None:
    assert drift_of(datetime(2026, 11, 22, 14, 0, 5), CAIRO, NOW) == timedelta(seconds=5)
    assert drift_of(datetime(2026, 11, 22, 13, 59, 50), CAIRO, NOW) == timedelta(seconds=-10)


def test_drift_in_a_repeated_hour_is_the_small_one() -> None:
    second_time = datetime(2024, 10, 31, 21, 30, tzinfo=UTC)
    assert drift_of(datetime(2024, 10, 31, 23, 30, 2), CAIRO, second_time) == timedelta(seconds=2)
