"""Attendance rows and user records: every layout both ways, found by itself, one bad row costs only itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.errors import LayoutUnknown, ProtocolViolation
from biometric_flow.zk.wire.layouts import attlog_guesses, attlog_layout, user_layout
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog, AttlogLayout, AttlogRecord
from biometric_flow.zk.wire.rows import ROWS_MAX
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS, USERS_MAX, UserList, UserRecord

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
PINS = st.text("0123456789ABCxyz-_", max_size=24)
LAYOUTS = pytest.mark.parametrize("layout", ATTLOG_LAYOUTS.values(), ids=lambda layout: layout.name)

RECORDS = {
    "text": st.builds(AttlogRecord, U16, PINS, U8, U8, U32.map(TerminalTime), U8, st.just(b"")),
    "number": st.builds(AttlogRecord, st.just(0), U32.map(str), U8, U8, U32.map(TerminalTime), U32, st.just(b"")),
    "uid": st.builds(AttlogRecord, U16, st.just(""), U8, U8, U32.map(TerminalTime), st.just(0), st.just(b"")),
}


def records_of(layout: AttlogLayout) -> st.SearchStrategy[AttlogRecord]:
    return RECORDS["text" if "pin" in layout.order else "number" if "number" in layout.order else "uid"]


def year_of_rows(layout: AttlogLayout, rows: int) -> bytes:
    start = TerminalTime.from_text("2024-01-02 08:00:00")
    return b"".join(
        layout.encode(AttlogRecord(i % 50 + 1, str(i % 50 + 1), 1, i % 2, TerminalTime(start + i * 7001), 0, b""))
        for i in range(rows)
    )


@LAYOUTS
@given(data=st.data())
def test_rows_read_back_in_every_layout(layout: AttlogLayout, data: st.DataObject) -> None:
    records = data.draw(st.lists(records_of(layout), max_size=5))
    blob = b"".join(map(layout.encode, records))
    log = AttendanceLog.decode(blob, layout)
    assert [record._replace(raw=b"") for record in log.records] == records
    assert b"".join(record.raw for record in log.records) == blob
    assert len(log.rejected) == 0


@LAYOUTS
@given(data=st.data())
def test_any_bytes_of_whole_rows_are_read_or_rejected_never_lost(layout: AttlogLayout, data: st.DataObject) -> None:
    blob = data.draw(st.binary(max_size=200))
    log = AttendanceLog.decode(blob, layout)
    assert len(list(log.records)) + len(list(log.rejected)) == -(-len(blob) // layout.size)
    together = b"".join(row.raw for row in log.records) + b"".join(row.raw for row in log.rejected)
    assert sorted(together) == sorted(blob)


@LAYOUTS
@pytest.mark.parametrize("rows", [1, 2, 3, 49, 153, 1000])
@pytest.mark.parametrize("count_is_right", [True, False])
def test_the_layout_is_found_by_count_or_by_plausibility(layout: AttlogLayout, rows: int, count_is_right: bool) -> None:
    blob = year_of_rows(layout, rows)
    assert attlog_layout(blob, rows if count_is_right else 0) is layout


def test_49_byte_rows_are_never_read_as_40() -> None:
    blob = year_of_rows(ATTLOG_LAYOUTS["49"], 40)
    assert attlog_layout(blob, 49) is ATTLOG_LAYOUTS["49"], "the count lies, and 49 rows of 40 bytes would fit"


def test_guesses_come_with_their_alternatives() -> None:
    guesses = attlog_guesses(year_of_rows(ATTLOG_LAYOUTS["40"], 10), 10)
    assert guesses[0].layout.name == "40"
    assert {guess.layout.name for guess in guesses} == {"40", "16", "8", "8-ma300"}
    assert guesses[0].score > 1 > guesses[1].score


@pytest.mark.parametrize("blob", [b"\xff" * 400, b"\0" * 400, b"x" * 41])
def test_rubbish_gets_no_layout(blob: bytes) -> None:
    with pytest.raises(LayoutUnknown, match="name the layout"):
        attlog_layout(blob, 3)


def test_a_single_row_with_an_impossible_date_is_kept() -> None:
    row = ATTLOG_LAYOUTS["40"].encode(AttlogRecord(1, "7", 1, 0, TerminalTime.of(2024, 2, 31), 0, b""))
    log = AttendanceLog.decode(row, attlog_layout(row, 1))
    assert [record.time.text() for record in log.records] == ["2024-02-31T00:00:00"]


def test_an_unreadable_row_costs_only_itself() -> None:
    layout = ATTLOG_LAYOUTS["40"]
    rows = [year_of_rows(layout, 3)[i * 40 : i * 40 + 40] for i in range(3)]
    rows[1] = rows[1][:2] + b"\xff\xfe\x01\x80" + rows[1][6:]
    log = AttendanceLog.decode(b"".join(rows) + b"torn", layout)
    assert [record.user_id for record in log.records] == ["1", "3"]
    assert [row.raw for row in log.rejected] == [rows[1], b"torn"]
    assert "printable" in log.rejected[0].reason
    assert "40 bytes" in log.rejected[1].reason


def test_rows_are_a_sequence() -> None:
    records = AttendanceLog.decode(year_of_rows(ATTLOG_LAYOUTS["40"], 10), ATTLOG_LAYOUTS["40"]).records
    everything = list(records)
    assert len(records) == 10
    assert records[3] == everything[3]
    assert records[-1] == everything[-1]
    assert records[2:5] == everything[2:5]
    assert records[::-3] == everything[::-3]
    assert records[5:2] == []
    with pytest.raises(IndexError):
        records[10]


def test_more_rows_than_any_terminal_holds_are_refused() -> None:
    with pytest.raises(ProtocolViolation, match=str(ROWS_MAX)):
        AttendanceLog.decode(bytes(8 * (ROWS_MAX + 1)), ATTLOG_LAYOUTS["8"])


@pytest.mark.parametrize(
    ("layout", "change"),
    [("40", {"user_id": "x" * 25}), ("40", {"uid": 70_000}), ("16", {"user_id": "A7"}), ("40", {"work_code": 256})],
)
def test_what_does_not_fit_a_row_is_refused(layout: str, change: dict[str, object]) -> None:
    record = AttlogRecord(1, "7", 1, 0, TerminalTime(0), 0, b"")._replace(**change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected"):
        ATTLOG_LAYOUTS[layout].encode(record)


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=24)
USERS = {
    "72": st.builds(
        UserRecord, U16, PINS, NAMES.filter(lambda n: len(n.encode()) <= 24), U8, st.text("0123456789", max_size=8),
        U32, U8, st.booleans(), st.tuples(U16, U16, U16),
    ),
    "28": st.builds(
        UserRecord, U16, U32.map(str), NAMES.filter(lambda n: len(n.encode()) <= 8), U8,
        st.text("0123456789", max_size=5), U32, U8, st.just(True), st.tuples(st.integers(1, 0xFFFF)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", USER_LAYOUTS)
@given(data=st.data())
def test_users_read_back_in_both_layouts(name: str, data: st.DataObject) -> None:
    user, layout = data.draw(USERS[name]), USER_LAYOUTS[name]
    assert layout.decode(layout.encode(user)) == user


@pytest.mark.parametrize("name", USER_LAYOUTS)
@pytest.mark.parametrize("count_is_right", [True, False])
def test_the_user_layout_is_found(name: str, count_is_right: bool) -> None:
    layout = USER_LAYOUTS[name]
    blob = b"".join(layout.encode(UserRecord(i, str(100 + i), f"P{i}")) for i in range(1, 19))
    assert user_layout(blob, 18 if count_is_right else 0) is layout


def test_a_long_name_is_cut_between_characters() -> None:
    layout = USER_LAYOUTS["72"]
    assert layout.decode(layout.encode(UserRecord(1, "1", "عبدالرحمن بن عبدالعزيز"))).name == "عبدالرحمن بن "
    assert layout.decode(layout.encode(UserRecord(1, "1", "张伟"), "gbk"), "gbk").name == "张伟"


def test_a_password_shows_in_no_text() -> None:
    user = UserRecord(1, "7", "Amina", password="431957")
    assert "431957" not in repr(user) + str(user)


def test_an_unreadable_user_costs_only_itself() -> None:
    layout = USER_LAYOUTS["72"]
    good = layout.encode(UserRecord(1, "7"))
    users = UserList.decode(good + good[:48] + b"\xff\x01" + good[50:] + good, layout)
    assert [user.user_id for user in users.records] == ["7", "7"]
    assert len(users.rejected) == 1


def test_more_users_than_uids_are_refused() -> None:
    with pytest.raises(ProtocolViolation, match=str(USERS_MAX)):
        UserList.decode(bytes(28 * (USERS_MAX + 1)), USER_LAYOUTS["28"])
