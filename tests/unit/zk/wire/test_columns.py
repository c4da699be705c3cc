"""Columns say of every row what its record says, and find every row that has to be looked at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.wire.checksum import checksum, is_intact
from biometric_flow.zk.wire.columns import suspicious_rows
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog, AttlogLayout, AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime

LAYOUTS = pytest.mark.parametrize("layout", ATTLOG_LAYOUTS.values(), ids=lambda layout: layout.name)


@LAYOUTS
@given(times=st.lists(st.integers(0, 0xFFFF_FFFF), min_size=1, max_size=30))
def test_columns_and_records_say_the_same(layout: AttlogLayout, times: list[int]) -> None:
    rows = [AttlogRecord(i + 1, str(i + 1), 1, 0, TerminalTime(time), 0, b"") for i, time in enumerate(times)]
    log = AttendanceLog.decode(b"".join(map(layout.encode, rows)), layout)
    columns = log.columns()
    assert columns is not None
    assert columns.time.tolist() == times
    for moment, record in zip(columns.moments(), log.records, strict=True):
        if record.time.is_possible:
            assert moment.item() == record.time.to_datetime()
        else:
            assert np.isnat(moment)
    for name in ("uid", "verify", "state", "work_code"):
        if name in layout.order:
            assert columns.table[name].tolist() == [getattr(record, name) for record in log.records]


def test_31_february_is_no_moment_and_29_february_2024_is_one() -> None:
    layout = ATTLOG_LAYOUTS["40"]
    days = [(2, 28), (2, 29), (2, 30), (2, 31), (4, 30), (4, 31), (12, 31)]
    rows = [AttlogRecord(1, "1", 1, 0, TerminalTime.of(2024, month, day), 0, b"") for month, day in days]
    columns = AttendanceLog.decode(b"".join(map(layout.encode, rows)), layout).columns()
    assert columns is not None
    assert np.isnat(columns.moments()).tolist() == [False, False, True, True, False, True, False]


def test_an_empty_log_has_no_columns() -> None:
    assert AttendanceLog([], [], None).columns() is None
    assert AttendanceLog.decode(b"torn", ATTLOG_LAYOUTS["40"]).columns() is None


@given(st.lists(st.binary(min_size=5, max_size=5), max_size=20))
def test_a_row_is_suspicious_exactly_when_its_text_is_not_plain(texts: list[bytes]) -> None:
    blob = b"".join(b"\xff\x01" + text + b"\x80" for text in texts)
    odd = [place * 8 for place, text in enumerate(texts) if any(byte and not 32 <= byte < 127 for byte in text)]
    assert suspicious_rows(blob, 8, 2, 5) == odd


def test_garbage_behind_the_end_of_a_user_id_rejects_nothing() -> None:
    layout = ATTLOG_LAYOUTS["40"]
    row = bytearray(layout.encode(AttlogRecord(1, "7", 1, 0, TerminalTime(900), 0, b"")))
    row[6:10] = b"\xff\x01\x80\x02"
    log = AttendanceLog.decode(bytes(row), layout)
    assert [record.user_id for record in log.records] == ["7"]
    assert len(log.rejected) == 0


@given(st.integers(0, 3000), st.randoms(use_true_random=False))
def test_the_checksum_is_the_same_for_short_and_long_payloads(size: int, dice: object) -> None:
    payload = bytearray(dice.randbytes(size))  # type: ignore[attr-defined]
    loop = sum(int.from_bytes(payload[place : place + 2], "little") for place in range(0, size, 2)) % 0xFFFF
    assert checksum(payload) == -loop % 0xFFFF
    assert is_intact(payload) == (loop == 0)
