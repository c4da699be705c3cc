"""Realtime events in every length, and none that can fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.wire.commands import EventMask
from biometric_flow.zk.wire.events import EVENT_BYTES_MAX, AttendanceEvent, OtherEvent, decode_event, encode_attendance
from biometric_flow.zk.wire.timecode import TIME_MAX, TerminalTime

U8 = st.integers(0, 255)
TIMES = st.integers(0, TIME_MAX).map(TerminalTime)


@pytest.mark.parametrize("size", [10, 12, 14, 32, 36, 37, 52])
@given(uid=st.integers(0, 0xFFFF), number=st.integers(0, 0xFFFF_FFFF), verify=U8, state=U8, time=TIMES)
def test_an_attendance_event_reads_back_in_every_length(
    size: int, uid: int, number: int, verify: int, state: int, time: TerminalTime
) -> None:
    sent = AttendanceEvent(
        uid if size in (10, 14) else 0, "" if size in (10, 14) else str(number), verify, state, time, b""
    )
    data = encode_attendance(sent, size)
    assert len(data) == size
    assert decode_event(EventMask.ATTLOG, data) == AttendanceEvent(sent.uid, sent.user_id, verify, state, time, data)


@given(st.integers(0, 0xFFFF), st.binary(max_size=80))
def test_any_bytes_are_some_event(code: int, data: bytes) -> None:
    event = decode_event(code, data)
    assert event.raw == data
    assert isinstance(event, OtherEvent) or code == EventMask.ATTLOG


def test_an_event_of_a_month_that_no_terminal_has_is_kept_raw() -> None:
    data = b"7".ljust(24, b"\0") + bytes((1, 0, 24, 13, 1, 8, 0, 0))
    assert decode_event(EventMask.ATTLOG, data) == OtherEvent(EventMask.ATTLOG, data)


def test_an_event_keeps_a_bounded_number_of_bytes() -> None:
    assert len(decode_event(EventMask.ALARM, bytes(100_000)).raw) == EVENT_BYTES_MAX
