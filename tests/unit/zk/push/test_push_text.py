"""Round trips, bounds and answers of the push protocols."""

import base64
import bz2
import gzip
import io
import lzma
import tarfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.attlog import AttlogLine, encode_attlog, encode_usb_line, read_attlog, read_usb_attlog
from biometric_flow.zk.push.handshake import (
    Hello,
    Terms,
    attendance_terms,
    lower_version,
    read_stamp,
    read_terms,
    read_timezone_option,
    security_terms,
)
from biometric_flow.zk.push.operlog import Operation, read_operlog, unpack_archive
from biometric_flow.zk.push.people import TEMPLATE_TAGS, PushedUser, TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto, encode_photo, photo_row, read_photo
from biometric_flow.zk.push.realtime import DOOR_ALARMS, DoorState, RealtimeEvent, read_rtlog, read_rtstate
from biometric_flow.zk.push.reports import IdentityCard, TerminalFault, WorkCode, report_line
from biometric_flow.zk.push.results import CommandResult, encode_result, read_results
from biometric_flow.zk.push.tables import TableRow, read_table
from biometric_flow.zk.push.text import (
    CONTENT_LINE_MAX,
    FIELDS_MAX,
    LINE_MAX,
    Fields,
    decode_text,
    read_fields,
    split_lines,
    without_secrets,
)
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime

PINS = st.from_regex(r"[A-Za-z0-9_-]{1,24}", fullmatch=True)
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), max_size=24)
TIMES = st.integers(0, 0xFFFF_FFFF).map(TerminalTime)
RECORDS = st.builds(
    AttlogRecord,
    st.just(0),
    PINS,
    st.integers(0, 65_535),
    st.integers(0, 255),
    TIMES,
    st.integers(0, 999_999),
    st.just(b""),
)
USERS = st.builds(
    PushedUser,
    PINS,
    NAMES,
    st.sampled_from([0, 2, 6, 10, 14]),
    st.from_regex(r"[0-9]{0,8}", fullmatch=True),
    st.integers(0, 2**63 - 1),
    st.integers(0, 99),
    st.from_regex(r"([0-9A-F]{16})?", fullmatch=True),
    st.integers(0, 200),
)


@given(RECORDS, st.integers(5, 10))
def test_a_punch_reads_as_it_was_written(record: AttlogRecord, columns: int) -> None:
    (line,) = read_attlog(encode_attlog(record, columns)).records
    assert line.record._replace(raw=b"") == record


@given(USERS)
def test_a_person_reads_as_written(user: PushedUser) -> None:
    text = "USER " + "\t".join(user.fields())
    assert read_operlog(text.encode()).records == [user]
    (row,) = read_table("user", ("user uid=0\t" + "\t".join(user.table_fields())).encode()).records
    assert isinstance(row, PushedUser)
    assert (row.pin, row.name, row.privilege, row.card) == (user.pin, user.name, user.privilege, user.card)


@given(st.from_regex(r"[A-Za-z0-9]{1,16}", fullmatch=True), st.integers(-5000, 10**6))
def test_a_result_reads_as_it_was_written(number: str, code: int) -> None:
    (result,) = read_results(encode_result(CommandResult(number, code, "DATA")).encode())
    assert (result.id, result.code, result.is_success) == (number, code, code >= 0)


@given(TIMES, st.integers(0, 6999), PINS.filter(lambda pin: pin != "0"), st.sampled_from([0, 1, 255]))
def test_a_door_event_reads_as_it_was_written(time: TerminalTime, event: int, pin: str, state: int) -> None:
    written = RealtimeEvent(time, event, pin, door="1", state=state, verify=0x1_0002, index="7")
    (read,) = read_rtlog(written.line().encode()).records
    assert read == RealtimeEvent(time, event, pin, "", "1", state, 0x1_0002, "7", read.raw)


TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=16)
BASE64 = st.binary(max_size=900).map(lambda data: base64.b64encode(data).decode())


@st.composite
def samples(draw: st.DrawFn, tags: tuple[str, ...] = TEMPLATE_TAGS) -> TemplateLine:
    """Any template or picture, with what its own line can say."""
    tag, content = draw(st.sampled_from(tags)), draw(BASE64)
    more: dict[str, Any] = {"size": len(content), "content": content}
    if tag not in ("USERPIC", "BIOPHOTO"):
        more |= {"is_valid": True, "is_duress": draw(st.booleans())}
    if tag != "USERPIC":
        more |= {"number": draw(st.integers(0, 9)), "type": {"FP": 1, "FACE": 2, "FVEIN": 7}.get(tag, 9)}
    if tag in ("FVEIN", "BIODATA", "BIOPHOTO"):
        more |= {"index": draw(st.integers(0, 15))}
    if tag == "BIODATA":
        more |= {"type": draw(st.integers(0, 10)), "version": draw(st.sampled_from(["", "10.3", "58.12"])), "format": 1}
    if tag in ("USERPIC", "BIOPHOTO"):
        more |= {"file_name": draw(TEXTS)}
    return TemplateLine(tag, draw(PINS), **more)


@given(samples())
def test_a_template_or_picture_reads_as_it_was_written(written: TemplateLine) -> None:
    (read,) = read_operlog(written.line().encode()).records
    assert read == written
    assert isinstance(read, TemplateLine)
    assert read.data == base64.b64decode(written.content)


@given(samples(("FP", "BIODATA", "USERPIC", "FACE", "FVEIN")))
def test_a_template_or_picture_reads_from_a_table_as_it_was_written(written: TemplateLine) -> None:
    line = written.row()
    (read,) = read_table(line.partition(" ")[0], line.encode()).records
    assert isinstance(read, TemplateLine)
    assert (read.pin, read.number, read.type, read.content) == (
        written.pin, written.number, written.type, written.content,
    )  # fmt: skip
    assert read.is_duress == written.is_duress


REPORTS = st.one_of(
    st.builds(
        TerminalFault, st.from_regex(r"D0[0-9]E000[0-9]", fullmatch=True), TEXTS, TEXTS, PINS.map(lambda x: x[:9])
    ),
    st.builds(WorkCode, PINS, TEXTS, st.integers(0, 2**31 - 1)),
    st.builds(IdentityCard, PINS),
)


@given(REPORTS)
def test_a_report_reads_as_it_was_written(report: TerminalFault | WorkCode | IdentityCard) -> None:
    assert read_operlog(report_line(report).encode()).records == [report]


@given(RECORDS, st.lists(PINS, max_size=7))
def test_a_punch_with_all_its_columns_reads_as_it_was_written(record: AttlogRecord, more: list[str]) -> None:
    written = AttlogLine(record, (str(record.work_code), *more))
    (read,) = read_attlog(written.line().encode()).records
    assert (read.record._replace(raw=b""), read.extra) == (record, written.extra)


@given(RECORDS, st.none() | NAMES.filter(lambda name: name.strip() != ""))
def test_a_line_of_a_usb_file_reads_as_it_was_written(record: AttlogRecord, name: str | None) -> None:
    (read,) = read_usb_attlog(encode_usb_line(record, name)).records
    assert read.record._replace(raw=b"") == record


@given(
    TIMES,
    st.lists(st.sampled_from(["none", "closed", "open"]), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.lists(st.sets(st.sampled_from(DOOR_ALARMS)), min_size=1, max_size=4),
)
def test_doors_read_as_they_were_written(
    time: TerminalTime, doors: list[str], relays: list[bool], alarms: list[set[str]]
) -> None:
    in_order = tuple(tuple(name for name in DOOR_ALARMS if name in one) for one in alarms)
    written = DoorState(time, tuple(doors), tuple(relays), in_order)
    assert read_rtstate(written.line().encode()).records == [written]


@given(TIMES, st.integers(0, 6999), PINS.filter(lambda pin: pin != "0"), st.sampled_from([0, 1, 255]))
def test_an_event_reads_from_the_transaction_table_as_it_was_written(
    time: TerminalTime, event: int, pin: str, state: int
) -> None:
    written = RealtimeEvent(time, event, pin, "77", "1", state, 0x1_0002, "7")
    (read,) = read_table("transaction", written.row().encode()).records
    assert isinstance(read, RealtimeEvent)
    assert replace(read, raw=b"") == written


def test_a_row_without_a_meaning_reads_as_it_was_written() -> None:
    written = TableRow("timezone", Fields({"timezoneid": "1", "suntime1": "2359"}))
    (read,) = read_table("timezone", written.line().encode()).records
    assert isinstance(read, TableRow)
    assert dict(read.fields) == dict(written.fields)


@given(TIMES, st.integers(0, 126), st.lists(PINS, max_size=4))
def test_an_operation_reads_as_it_was_written(time: TerminalTime, code: int, objects: list[str]) -> None:
    written = Operation(code, "14", time, tuple(objects))
    assert read_operlog(written.line().encode()).records == [written]


@given(
    st.from_regex(r"[0-9]{14}", fullmatch=True), st.from_regex(r"[0-9]{0,24}", fullmatch=True), st.binary(max_size=500)
)
def test_a_picture_of_a_punch_reads_as_it_was_written(taken: str, pin: str, content: bytes) -> None:
    photo = AttendancePhoto(taken, pin, "PUSH0001", "uploadphoto", content)
    assert read_photo(encode_photo(photo)) == photo
    assert read_photo(encode_photo(photo, as_base64=True)) == photo
    (row,) = read_table("ATTPHOTO", photo_row(photo).encode()).records
    assert row == replace(photo, command="")


@pytest.mark.parametrize(
    ("theirs", "used"),
    [("2.2.14", "2.2.14"), ("2.4.1", "2.3.0"), ("2.0.22S-2016", "2.0.22"), ("", "2.2.14"), ("x", "2.2.14")],
)
def test_the_lower_version_is_used_and_it_is_below_encryption(theirs: str, used: str) -> None:
    hello = Hello.of(Fields({"PushVer": theirs}))
    assert lower_version(hello.version, "2.3.0") == used


def test_the_handshake_asks_for_everything_first_and_gives_stamps_back_later() -> None:
    terms = Terms("2.3.0", timedelta(hours=2))
    first = read_terms(attendance_terms("PUSH0001", {}, terms))
    assert first is not None
    assert (first["ATTLOGStamp"], first["TimeZone"], first["Encrypt"], first["Realtime"]) == ("0", "2", "None", "1")
    assert "FP" not in first["TransFlag"]
    later = read_terms(attendance_terms("PUSH0001", {"ATTLOG": "9999"}, terms))
    assert later is not None
    assert later["ATTLOGStamp"] == "9999"
    old = read_terms(attendance_terms("PUSH0001", {"ATTLOG": "17"}, Terms("1.0", timedelta())))
    assert old is not None
    assert (old["Stamp"], old["OpStamp"]) == ("17", "0")


def test_a_registered_terminal_of_the_security_protocol_is_told_so() -> None:
    answer = security_terms("ab" * 16, "cd" * 16, Terms("3.0.1", timedelta()))
    assert answer.startswith("registry=ok\nRegistryCode=abab")
    assert read_terms("OK") is None


@pytest.mark.parametrize("text", ["", "1\nEncrypt=1", "1\tx", "1 2", "é", "9" * 41])
def test_a_stamp_that_could_forge_an_option_is_none(text: str) -> None:
    assert read_stamp(text) is None


def test_the_doors_of_a_terminal_are_told_one_by_one() -> None:
    (state,) = read_rtstate(b"time=2026-03-02 08:00:00\tsensor=06\trelay=01\talarm=0200\n").records
    assert (state.doors[:2], state.relays[:2]) == (("open", "closed"), (True, False))
    assert state.alarms == (("tamper",), ())


def test_text_is_utf8_or_gb18030_and_never_lost() -> None:
    assert decode_text("أمينة".encode()) == "أمينة"
    assert decode_text("张三".encode("gb18030")) == "张三"
    assert decode_text(b"A\xff\xffB").startswith("A")


def test_fields_have_tabs_or_blanks_between_and_keys_in_any_case() -> None:
    for text in ("PIN=7\tName=Amina Hassan\tPri=0", "PIN=7 Name=Amina Hassan Pri=0"):
        fields = read_fields(text)
        assert (fields["pin"], fields["NAME"], fields["pRI"]) == ("7", "Amina Hassan", "0")


def test_lines_and_bodies_are_bounded() -> None:
    long_line = b"7\t2026-03-02 08:00:00\t0\t1\t" + b"x" * LINE_MAX
    lines = read_attlog(long_line + b"\n7\t2026-03-02 08:00:00\t0\t1\n")
    assert (len(lines.records), len(lines.rejected)) == (1, 1)
    template = b"FP PIN=7\tFID=1\tTMP=" + b"A" * (CONTENT_LINE_MAX + 1)
    assert len(read_operlog(template).rejected) == 1
    assert len(read_operlog(b"FP PIN=7\tFID=1\tTMP=" + b"A" * 50_000).records) == 1
    for body in (b"x" * (8 * 1024 * 1024 + 1), b"\n" * 250_001):
        with pytest.raises(ProtocolViolation):
            split_lines(body)


def test_what_is_kept_aside_holds_no_password_and_no_template() -> None:
    line = b"USER PIN=\tPasswd=hush\tpassword=hush\tTMP=hush\tContent=hush\tTemplate=hush\tName=A"
    assert b"hush" not in without_secrets(line)
    (rejected,) = read_operlog(line).rejected
    assert b"hush" not in rejected.raw
    assert b"Name=A" in rejected.raw


@pytest.mark.parametrize(
    "line",
    [
        b"FP PIN=7\tFID=1\tSize=9\tTMP=HUSH" + b"HUSH" * 10,
        b"FP PIN=\tFID=1\tTMP " + b"HUSH" * 10,
        b"FP PIN=" + b"HUSH" * 10 + b"\tTMP=QUJD",
        b"FACE PIN=7\tFID=0\tSize=" + b"HUSH" * 10,
        b"biophoto pin=\tfilename=" + b"HUSH" * 10,
        b"IDCARD PIN=\tIDNum=HUSH\tPhoto=HUSH",
        b"UNHEARD OF=" + b"HUSH" * 50,
    ],
)
def test_no_piece_of_a_template_stands_in_what_is_kept_aside_or_in_its_reason(line: bytes) -> None:
    (rejected,) = read_operlog(line).rejected
    assert b"HUSH" not in rejected.raw
    assert "HUSH" not in rejected.reason


def _archive(members: dict[str, bytes]) -> bytes:
    return gzip.compress(_plain(members))


def _plain(members: dict[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return plain.getvalue()


def test_an_upload_may_come_as_an_archive() -> None:
    body = unpack_archive(_archive({"a": b"OPLOG 1\t0\t2026-03-02 08:00:00\n", "../b": b"USER PIN=7\tName=A"}))
    assert len(read_operlog(body).records) == 2
    assert unpack_archive(_archive({str(n): b"" for n in range(1000)})) == b"\n" * 999


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_of_any_form_gives_its_files_and_nothing_else(form: int) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=form) as archive:
        for name, kind in (("x" * 90, tarfile.REGTYPE), ("link", tarfile.SYMTYPE), ("folder", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, "x" * 90, 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"abcd"))
    whole = gzip.compress(plain.getvalue())
    assert unpack_archive(whole) == b"abcd"
    with pytest.raises(ProtocolViolation):
        unpack_archive(whole[:-9])


def test_an_archive_that_would_grow_is_refused() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    members = _plain({"big": bytes(4 * 1024 * 1024)})
    sparse = bytearray(_plain({"holes": b"abcd"}))
    sparse[156:157] = b"S"
    circle = bytearray(_plain({"back": b"abcd"}))
    circle[124:136] = b"-0000001000\0"
    for hostile in (
        bomb,
        b"",
        b"\x1f\x8b",
        gzip.compress(b"no tar" * 200),
        gzip.compress(lzma.compress(members)),
        gzip.compress(bz2.compress(members)),
        gzip.compress(members),
        gzip.compress(sealed(sparse)[:514]),
        gzip.compress(sealed(circle)),
        _archive({str(n): b"" for n in range(1001)}),
    ):
        with pytest.raises(ProtocolViolation, match="expected"):
            unpack_archive(hostile)
    assert unpack_archive(gzip.compress(sealed(sparse))) == b"", "a sparse file is no upload"


def sealed(tar: bytearray) -> bytes:
    tar[148:156] = b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    return bytes(tar)


def test_a_line_that_is_all_blanks_or_all_fields_is_read_at_once() -> None:
    blanks = "PIN=1" + " " * 1_000_000 + "! Name=Ada"
    assert read_fields(blanks).first("name") == "Ada"
    assert read_fields("\t".join(f"k{n}={n}" for n in range(100_000))).first("k98") == "98"
    assert len(read_fields("\t".join(f"k{n}={n}" for n in range(100_000)))) == FIELDS_MAX


@pytest.mark.parametrize("text", ["", "x", "٣", "1_0", "99999", "8 ", "1e3"])
def test_a_time_zone_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected hours or minutes"):
        read_timezone_option(text)
