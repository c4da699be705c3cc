"""Punches and people for simulated terminals."""

from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord

MORNING = TerminalTime.from_text("2024-03-04 08:00:00")


def people(count: int = 20) -> list[UserRecord]:
    return [UserRecord(0, str(100 + i), f"Person {i}", card=5000 + i) for i in range(count)]


def punches(count: int, pins: int = 20) -> list[StoredPunch]:
    """`count` punches, one a minute, by `pins` people; impossible dates occur, as in real logs."""
    return [StoredPunch(str(100 + i % pins), TerminalTime(MORNING + 60 * i), 1, i % 2) for i in range(count)]
