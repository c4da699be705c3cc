"""Terminal time, comm key, options and capacity."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commkey import scramble
from biometric_flow.zk.wire.options import decode_option, decode_text, encode_name, encode_option
from biometric_flow.zk.wire.timecode import TIME_MAX, TerminalTime

U32 = st.integers(0, 0xFFFF_FFFF)
TIMES = st.integers(0, TIME_MAX).map(TerminalTime)


@given(TIMES)
def test_every_u32_is_a_time_that_reads_back(time: TerminalTime) -> None:
    assert TerminalTime.from_text(time.text()) == time
    assert TerminalTime.from_six_bytes(time.to_six_bytes()) == time
    assert TerminalTime.of(time.year, time.month, time.day, time.hour, time.minute, time.second) == time


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))
def test_every_calendar_moment_has_a_time(moment: datetime) -> None:
    assert TerminalTime.from_datetime(moment).to_datetime() == moment.replace(microsecond=0)


def test_31_february_keeps_its_text_and_refuses_the_calendar() -> None:
    time = TerminalTime.from_text("2024-02-31 08:30:00")
    assert time.text() == "2024-02-31T08:30:00"
    assert not time.is_possible
    with pytest.raises(ValueError, match="2024-02-31T08:30:00"):
        time.to_datetime()


def test_an_aware_time_is_refused_since_terminals_know_no_zone() -> None:
    with pytest.raises(ValueError, match="naive"):
        TerminalTime.from_datetime(datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "text", ["", "2024-13-01 00:00:00", "2024-01-01", "1999-12-31 23:59:59", "2024-01-01 24:00:00"]
)
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        TerminalTime.from_text(text)


def test_times_sort_by_time() -> None:
    assert TerminalTime.from_text("2024-02-31 00:00:00") < TerminalTime.from_text("2024-03-01 00:00:00")


@given(U32, st.integers(0, 0xFFFF), st.integers(0, 255))
def test_the_low_byte_of_the_session_does_not_change_the_key(key: int, session: int, ticks: int) -> None:
    if (session & 0xFF) + (int(f"{key:032b}"[::-1], 2) & 0xFF) < 0x100:
        assert scramble(key, session & 0xFF00, ticks)[:2] == scramble(key, session, ticks)[:2]
    assert scramble(key, session, ticks)[2] == ticks


def test_a_comm_key_out_of_range_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="comm key") as caught:
        scramble(99_999_999_999, 1)
    assert "99999999999" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"MAC=00:17\0", b"MAC=00:17", b"MAC=00:17  \0junk"])
def test_an_option_reads_with_and_without_its_nul(raw: bytes) -> None:
    assert decode_option(raw) == ("MAC", "00:17")


def test_an_empty_option_is_empty_and_no_option_is_an_error() -> None:
    assert decode_option(b"~DeviceName=\0") == ("~DeviceName", "")
    with pytest.raises(ProtocolViolation, match="name=value"):
        decode_option(b"\xff\xfe")


@given(st.text("abcXYZ~0", min_size=1), st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_an_option_reads_back(name: str, value: str) -> None:
    if value == value.rstrip(" \r\n\t"):
        assert decode_option(encode_option(name, value)) == (name, value)


@pytest.mark.parametrize("name", ["", "a=b", "nul\0", "Ü"])
def test_an_option_name_that_cannot_travel_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="option name"):
        encode_name(name)


def test_text_from_outside_is_bounded() -> None:
    with pytest.raises(ProtocolViolation, match="4096"):
        decode_text(b"x" * 5000)


@given(st.builds(Capacity, **{field.name: U32 for field in fields(Capacity)}))
def test_a_capacity_block_reads_back(capacity: Capacity) -> None:
    assert Capacity.decode(capacity.encode()) == capacity


def test_a_missing_tail_of_the_capacity_block_is_zero() -> None:
    block = Capacity(users=3, attlog_free=9, faces=7).encode()
    assert Capacity.decode(block[:80]) == Capacity(users=3, attlog_free=9)
