"""Realtime events: what a terminal tells while something happens (zk-protocol 7)."""

from dataclasses import dataclass, field
from typing import Final

from biometric_flow.zk.wire.commands import EventMask
from biometric_flow.zk.wire.timecode import TerminalTime

EVENT_BYTES_MAX: Final = 1024
"""Bytes of an event that are kept."""

_TEXT_PIN: Final = 24
_WITH_TEXT_PIN: Final = 32


@dataclass(frozen=True, slots=True)
class AttendanceEvent:
    """Somebody punches now."""

    uid: int
    """0 where the event names the user id."""
    user_id: str
    """Empty where the event has only the uid."""
    verify: int
    state: int
    time: TerminalTime
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """Any other event, and an attendance event that could not be read; never an error."""

    code: int
    """One bit of EventMask, or whatever came."""
    raw: bytes


Event = AttendanceEvent | OtherEvent


def decode_event(code: int, data: bytes, encoding: str = "utf-8") -> Event:
    """The meaning of an event packet's session field and data. Takes any bytes."""
    data = data[:EVENT_BYTES_MAX]
    if code == EventMask.ATTLOG:
        try:
            return _decode_attendance(data, encoding)
        except ValueError:
            return OtherEvent(code, data)
    return OtherEvent(code, data)


def encode_attendance(event: AttendanceEvent, size: int) -> bytes:
    """The data of an attendance event in the form of `size` bytes. Raises ValueError when it does not fit."""
    six = event.time.to_six_bytes()
    if size in (10, 14):
        return _number(event.uid, 2) + bytes((event.verify, event.state)) + six + bytes(size - 10)
    if size == 12:
        return _number(int(event.user_id), 4) + bytes((event.verify, event.state)) + six
    pin = event.user_id.encode()
    if size < _WITH_TEXT_PIN or len(pin) > _TEXT_PIN:
        raise ValueError(f"expected a size of 10, 12, 14, or 32 and more with a user id of 24 bytes, got {size}")
    return pin.ljust(_TEXT_PIN, b"\0") + bytes((event.verify, event.state)) + six + bytes(size - _WITH_TEXT_PIN)


def _decode_attendance(data: bytes, encoding: str) -> AttendanceEvent:
    if len(data) >= _WITH_TEXT_PIN:
        pin = data[:_TEXT_PIN].split(b"\0", 1)[0].decode(encoding)
        if not pin.isprintable():
            raise ValueError("expected a printable user id")
        return AttendanceEvent(0, pin, data[24], data[25], TerminalTime.from_six_bytes(data[26:32]), data)
    if len(data) in (10, 14):
        uid = int.from_bytes(data[:2], "little")
        return AttendanceEvent(uid, "", data[2], data[3], TerminalTime.from_six_bytes(data[4:10]), data)
    if len(data) == 12:
        number = int.from_bytes(data[:4], "little")
        return AttendanceEvent(0, str(number), data[4], data[5], TerminalTime.from_six_bytes(data[6:12]), data)
    raise ValueError(f"expected an attendance event of 10, 12, 14, or 32 bytes and more, got {len(data)}")


def _number(value: int, size: int) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise ValueError(f"expected a number of {size} bytes, got {value}")
    return value.to_bytes(size, "little")
