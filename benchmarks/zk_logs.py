"""Attendance logs and people for the ZK benchmarks: 500 people, one punch after the other, every date possible."""

from biometric_flow.zk.wire.records import AttlogLayout, AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserRecord

PEOPLE = 500
START = TerminalTime.from_text("2024-01-01 00:00:00")


def rows(layout: AttlogLayout, count: int) -> bytes:
    """`count` rows; days 29 to 31 are left out, since pyzk loses a whole log for one 31 February."""
    return b"".join(
        layout.encode(AttlogRecord(i % PEOPLE + 1, str(i % PEOPLE + 1), 1, i % 2, _time(i), 0, b""))
        for i in range(count)
    )


def people(count: int) -> bytes:
    """`count` users in records of 72 bytes."""
    layout = USER_LAYOUTS["72"]
    return b"".join(
        layout.encode(UserRecord(i, str(i), f"Person {i}", card=5000 + i, group=1)) for i in range(1, count + 1)
    )


def _time(number: int) -> TerminalTime:
    days, second = divmod(number * 397, 86_400)
    months, day = divmod(days, 28)
    return TerminalTime(START + months * 31 * 86_400 + day * 86_400 + second)
