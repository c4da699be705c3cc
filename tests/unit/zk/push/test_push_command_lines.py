"""Every command in both push protocols: there and back, as published, and nothing smuggled."""

from dataclasses import fields, replace
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biometric_flow.zk.errors import NotSupported, ProtocolViolation
from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.command_lines import can_say, encode_command, read_command
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.text import PushProtocol
from biometric_flow.zk.wire.access import CLOSED, AccessGroup, AccessZone, DaySpan, UnlockCombination
from biometric_flow.zk.wire.messages import ShortMessage
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.unit.zk.push.test_push_text import NAMES, PINS, TIMES, USERS

ATT, ACC = PushProtocol.ATTENDANCE, PushProtocol.SECURITY
EVERYTHING = get_args(c.Command)

NUMBERS = st.integers(1, 65_535)
FINGERS = st.integers(0, 9)
SPANS = st.one_of(
    st.just(CLOSED),
    st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59))
    .filter(lambda span: span[:2] <= span[2:] and any(span))
    .map(lambda span: DaySpan(*span)),
)
ZONES = st.builds(AccessZone, st.integers(1, 50), st.tuples(*[SPANS] * 7))
GROUPS = st.builds(AccessGroup, st.integers(1, 99), st.tuples(*[st.integers(0, 50)] * 3), st.integers(0, 127))
COMBINATIONS = st.builds(UnlockCombination, st.integers(1, 10), st.lists(st.integers(1, 99), max_size=5).map(tuple))
MESSAGES = st.builds(ShortMessage, NUMBERS, NAMES, TIMES, st.integers(0, 65_535), st.sampled_from([253, 254]))
CODES = st.from_regex(r"[A-Za-z0-9]{1,16}", fullmatch=True)
BLOBS = st.from_regex(r"[A-Za-z0-9_-]{16,64}", fullmatch=True)
CONTENT = st.binary(min_size=1, max_size=30).map(bytes.hex)
DAYS = st.tuples(st.integers(1, 12), st.integers(1, 31))


def template(tag: str, pin: str, number: int, kind: int, content: str) -> TemplateLine:
    numbers = {"USERPIC": 0, "BIOPHOTO": 0}
    types = {"FP": 1, "FACE": 2, "FVEIN": 7, "USERPIC": 0}
    version = "10.3" if tag == "BIODATA" else ""
    return TemplateLine(
        tag, pin, numbers.get(tag, number), 0, types.get(tag, kind), version, size=len(content), content=content
    )


def templates(*tags: str) -> st.SearchStrategy[TemplateLine]:
    return st.builds(template, st.sampled_from(tags), PINS, FINGERS, st.integers(0, 10), CONTENT)


def chosen(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(kind, st.just("FP"), PINS, st.none(), st.none() | FINGERS),
        st.builds(kind, st.just("BIODATA"), PINS, st.integers(0, 10), st.none() | FINGERS),
    )


COMMON: dict[type[Any], st.SearchStrategy[Any]] = {
    **{kind: st.just(kind()) for kind in (c.Check, c.SendNew, c.AskInfo, c.Reboot, c.CancelAlarm, c.ClearLog)},
    c.ClearUsers: st.just(c.ClearUsers()),
    c.QueryAttlog: st.builds(c.QueryAttlog, TIMES, TIMES),
    c.QueryUsers: st.builds(c.QueryUsers, st.just("") | PINS),
    c.DeleteUser: st.builds(c.DeleteUser, PINS),
    c.SetTemplate: st.builds(c.SetTemplate, templates("FP", "BIODATA", "USERPIC", "BIOPHOTO")),
    c.DeleteTemplates: chosen(c.DeleteTemplates),
    c.QueryTemplates: chosen(c.QueryTemplates),
    c.SetZone: st.builds(c.SetZone, ZONES),
    c.Upgrade: st.builds(c.Upgrade, st.from_regex("[0-9a-f]{32}", fullmatch=True), BLOBS, st.integers(1, 2**20)),
}
ATTENDANCE: dict[type[Any], st.SearchStrategy[Any]] = COMMON | {
    **{kind: st.just(kind()) for kind in (c.ReloadOptions, c.ClearPhotos, c.ClearBiodata, c.ClearData, c.Unlock)},
    c.SetUser: st.builds(c.SetUser, USERS),
    c.CountAttlog: st.builds(c.CountAttlog, TIMES, TIMES),
    c.QueryPhotos: st.builds(c.QueryPhotos, TIMES, TIMES),
    c.SetTemplate: st.builds(c.SetTemplate, templates("FP", "FACE", "FVEIN", "BIODATA", "USERPIC", "BIOPHOTO")),
    c.SetGroup: st.builds(c.SetGroup, GROUPS),
    c.SetCombination: st.builds(c.SetCombination, COMBINATIONS),
    c.SetHoliday: st.builds(c.SetHoliday, NUMBERS, NAMES.map(lambda name: name[:6]), DAYS, DAYS, st.integers(1, 50)),
    c.SetMessage: st.builds(c.SetMessage, MESSAGES),
    c.GiveMessage: st.builds(c.GiveMessage, PINS, NUMBERS),
    c.DeleteMessage: st.builds(c.DeleteMessage, NUMBERS),
    c.SetWorkCode: st.builds(c.SetWorkCode, NUMBERS, CODES, NAMES.map(lambda name: name[:6])),
    c.DeleteWorkCode: st.builds(c.DeleteWorkCode, CODES),
    c.EnrolFinger: st.builds(c.EnrolFinger, PINS, FINGERS, FINGERS, st.booleans()),
    c.EnrolBiodata: st.builds(
        c.EnrolBiodata, st.integers(0, 10), PINS, st.integers(0, 2**63 - 1), FINGERS, st.booleans()
    ),
    c.EnrolCard: st.builds(c.EnrolCard, PINS, FINGERS),
    c.SetOption: st.builds(c.SetOption, st.from_regex(r"~?[A-Za-z]{1,30}", fullmatch=True), NAMES),
    c.GetOptions: st.builds(c.GetOptions, st.tuples(st.from_regex(r"~?[A-Za-z]{1,30}", fullmatch=True))),
    c.PutFile: st.builds(c.PutFile, BLOBS, st.from_regex(r"[a-z/.]{0,40}", fullmatch=True)),
}
SECURITY: dict[type[Any], st.SearchStrategy[Any]] = COMMON | {
    c.SetUser: USERS.map(lambda user: c.SetUser(replace(user, timezones="", verify=0))),
    c.Unlock: st.builds(c.Unlock, st.integers(1, 255), st.integers(1, 254)),
    c.QueryTable: st.builds(c.QueryTable, st.sampled_from(["transaction", "userauthorize", "timezone"])),
    c.CountTable: st.builds(c.CountTable, st.sampled_from(["transaction", "user"])),
    c.AccountTransactions: st.builds(c.AccountTransactions, st.integers(0, 2**31 - 1)),
    c.Authorize: st.builds(c.Authorize, PINS, NUMBERS, st.integers(1, 15)),
    c.Deauthorize: st.builds(c.Deauthorize, PINS),
    c.DeleteZone: st.builds(c.DeleteZone, st.integers(1, 50)),
    c.SetHolidayDate: st.builds(
        c.SetHolidayDate, st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(1, 3), st.booleans()
    ),
    c.ClearHolidays: st.just(c.ClearHolidays()),
    c.SetOption: st.builds(
        c.SetOption,
        st.from_regex(r"~?[A-Za-z]{1,30}", fullmatch=True),
        NAMES.filter(lambda value: "," not in value),
    ),
    c.GetOptions: st.builds(
        c.GetOptions,
        st.lists(st.from_regex(r"~?[A-Za-z]{1,30}", fullmatch=True), min_size=1, max_size=5).map(tuple),
    ),
}
KNOWN = {ATT: ATTENDANCE, ACC: SECURITY}
SAID = [(protocol, kind) for protocol, known in KNOWN.items() for kind in known]


def name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.mark.parametrize(("protocol", "kind"), SAID, ids=name)
@settings(max_examples=25)
@given(data=st.data(), number=st.from_regex(r"[A-Za-z0-9]{1,16}", fullmatch=True))
def test_a_command_reads_as_it_was_written_and_is_one_line(
    protocol: PushProtocol, kind: type[Any], data: st.DataObject, number: str
) -> None:
    command = data.draw(KNOWN[protocol][kind])
    line = encode_command(number, command, protocol)
    assert len(line.splitlines()) == 1
    assert read_command(line, protocol) == (number, command)


@pytest.mark.parametrize("kind", EVERYTHING, ids=name)
@pytest.mark.parametrize("protocol", PushProtocol)
@settings(max_examples=1)
@given(data=st.data())
def test_a_command_has_a_form_or_a_refusal_that_names_the_channel(
    protocol: PushProtocol, kind: type[Any], data: st.DataObject
) -> None:
    assert can_say(kind, protocol) == (kind in KNOWN[protocol])
    other = ACC if protocol is ATT else ATT
    if kind in KNOWN[protocol]:
        return
    assert kind in KNOWN[other], "no protocol can say it"
    with pytest.raises(
        NotSupported, match=r"is not possible on this channel: (Attendance|Security) PUSH has no public"
    ):
        encode_command("1", data.draw(KNOWN[other][kind]), protocol)


HOSTILE = st.text(st.sampled_from("7A \t\n\r=:,C\0\x7f\x85\u2028&*-_/."), max_size=30)


@pytest.mark.parametrize(("protocol", "kind"), SAID, ids=name)
@settings(max_examples=25)
@given(data=st.data())
def test_no_text_smuggles_a_field_or_a_command(protocol: PushProtocol, kind: type[Any], data: st.DataObject) -> None:
    command = data.draw(KNOWN[protocol][kind])
    hostile = data.draw(HOSTILE)
    for wicked in _with_text(command, hostile):
        try:
            line = encode_command("1", wicked, protocol)
        except (ValueError, NotSupported):
            continue
        assert len(line.splitlines()) == 1
        try:
            _, read = read_command(line, protocol)
        except ProtocolViolation:
            continue
        assert _stripped(read) == _stripped(wicked)


def _with_text(value: Any, text: str) -> list[Any]:
    """The value with the text in place of each of its texts, one at a time, however deep."""
    found = []
    for one in fields(value):
        held = getattr(value, one.name)
        if one.name == "file_name" and value.tag not in ("USERPIC", "BIOPHOTO"):
            continue
        if isinstance(held, str) and one.name not in ("tag", "content", "version", "timezones"):
            found.append(replace(value, **{one.name: text}))
        elif isinstance(held, tuple) and held and isinstance(held[0], str):
            found.append(replace(value, **{one.name: (text, *held[1:])}))
        elif hasattr(held, "__dataclass_fields__"):
            found += [replace(value, **{one.name: inner}) for inner in _with_text(held, text)]
    return found


def _stripped(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if hasattr(value, "__dataclass_fields__"):
        return type(value), [_stripped(getattr(value, one.name)) for one in fields(value)]
    return value


@pytest.mark.parametrize(
    "text", ["A\tPri=14", "A\nC:9:REBOOT", "A\rB", "A\x00B", "A\x7fB", "A\x85B", "A\u2028B", "A" * 5000]
)
def test_no_value_can_end_its_field_or_its_line(text: str) -> None:
    for command in (c.SetUser(PushedUser("1", text)), c.SetOption("DateFormat", text)):
        for protocol in PushProtocol:
            with pytest.raises(ValueError, match="expected"):
                encode_command("1", command, protocol)


@pytest.mark.parametrize("pin", ["", "1\t2", "1 2", "a" * 25, "7,filter=*", "7\nC:1:REBOOT", "*"])
def test_no_pin_can_forge_a_command(pin: str) -> None:
    wicked = (c.DeleteUser(pin), c.SetUser(PushedUser(pin)), c.Authorize(pin, 1), c.EnrolFinger(pin, 1))
    for command in wicked:
        for protocol in PushProtocol:
            if can_say(type(command), protocol):
                with pytest.raises(ValueError, match="expected a PIN"):
                    encode_command("1", command, protocol)


MORNING = DaySpan(8, 30, 12, 0)
PUBLISHED = [
    (ATT, c.Unlock(), "AC_UNLOCK"),
    (ATT, c.CancelAlarm(), "AC_UNALARM"),
    (ATT, c.CountAttlog(TerminalTime.of(2026, 3, 2), TerminalTime.of(2026, 3, 3)),
     "VERIFY SUM ATTLOG StartTime=2026-03-02 00:00:00\tEndTime=2026-03-03 00:00:00"),
    (ATT, c.QueryUsers("7"), "DATA QUERY USERINFO PIN=7"),
    (ATT, c.SetGroup(AccessGroup(3, (1, 0, 0), 0, True)),
     "DATA UPDATE AccGroup ID=3\tVerify=0\tValidHoliday=1\tTZ=1;0;0"),
    (ATT, c.SetHoliday(1, "Eid", (11, 23), (11, 25), 2),
     "DATA UPDATE AccHoliday UID=1\tHolidayName=Eid\tStartDate=1123\tEndDate=1125\tTimeZone=2"),
    (ATT, c.SetCombination(UnlockCombination(2, (1, 3))),
     "DATA UPDATE AccUnLockComb UID=2\tGroup1=1\tGroup2=3\tGroup3=0\tGroup4=0\tGroup5=0"),
    (ATT, c.SetZone(AccessZone(1, (DaySpan(11, 59, 23, 59),) * 7)),
     "DATA UPDATE AccTimeZone UID=1\t" + "\t".join(
         f"{day}Start=1159\t{day}End=2359" for day in ("Sun", "Mon", "Tues", "Wed", "Thurs", "Fri", "Sat"))),
    (ATT, c.SetMessage(ShortMessage(5, "Hello", TerminalTime.of(2026, 3, 2), 60, 254)),
     "DATA UPDATE SMS MSG=Hello\tTAG=254\tUID=5\tMIN=60\tStartTime=2026-03-02 00:00:00"),
    (ATT, c.GiveMessage("7", 5), "DATA UPDATE USER_SMS PIN=7\tUID=5"),
    (ATT, c.EnrolFinger("7", 3), "ENROLL_FP PIN=7\tFID=3\tRETRY=3\tOVERWRITE=0"),
    (ATT, c.EnrolCard("7"), "ENROLL_MF PIN=7\tRETRY=3"),
    (ATT, c.ClearLog(), "CLEAR LOG"),
    (ATT, c.SetTemplate(TemplateLine("FP", "7", 3, type=1, size=4, content="QUJD")),
     "DATA UPDATE FINGERTMP PIN=7\tFID=3\tSize=4\tValid=1\tTMP=QUJD"),
    (ATT, c.DeleteTemplates("FP", "7", number=3), "DATA DELETE FINGERTMP PIN=7\tFID=3"),
    (ATT, c.QueryTemplates("BIODATA", type=9), "DATA QUERY BIODATA Type=9"),
    (ACC, c.Unlock(2, 5), "CONTROL DEVICE 01020105"),
    (ACC, c.CancelAlarm(), "CONTROL DEVICE 02000000"),
    (ACC, c.Reboot(), "CONTROL DEVICE 03000000"),
    (ACC, c.ClearLog(), "DATA DELETE transaction *"),
    (ACC, c.CountTable("transaction"), "DATA COUNT transaction"),
    (ACC, c.SendNew(), "DATA QUERY tablename=transaction,fielddesc=*,filter=NewRecord"),
    (ACC, c.Authorize("1000", 1, 1), "DATA UPDATE userauthorize Pin=1000\tAuthorizeTimezoneId=1\tAuthorizeDoorId=1"),
    (ACC, c.SetHolidayDate(date(2010, 1, 1), 1, True), "DATA UPDATE holiday Holiday=20100101\tHolidayType=1\tLoop=1"),
    (ACC, c.GetOptions(("FirmVer", "~SerialNumber")), "GET OPTIONS FirmVer,~SerialNumber"),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "command", "text"), PUBLISHED, ids=lambda one: str(one)[:40])
def test_a_command_is_written_as_it_was_published(protocol: PushProtocol, command: c.Command, text: str) -> None:
    assert encode_command("7", command, protocol) == f"C:7:{text}"


def test_opening_times_of_an_access_terminal_stand_in_one_number() -> None:
    line = encode_command("1", c.SetZone(AccessZone(2, (MORNING, *[CLOSED] * 6))), ACC)
    assert f"SunTime1={0x33E04B0}\tMonTime1=0\t" in line


@pytest.mark.parametrize(
    ("protocol", "command"),
    [
        (ATT, c.Unlock(2, 5)),
        (ACC, c.Unlock(1, 255)),
        (ACC, c.Unlock(1, 0)),
        (ATT, c.GetOptions(("A", "B"))),
        (ACC, c.SetOption("A", "1,WebServerIP=192.0.2.1")),
        (ATT, c.PutFile("../../etc/passwd", "x")),
        (ATT, c.Upgrade("0" * 32, "http://example.org/firmware", 5)),
        (ATT, c.SetGroup(AccessGroup(100, (0, 0, 0)))),
        (ATT, c.SetMessage(ShortMessage(5, "x" * 321, TerminalTime(0)))),
        (ATT, c.SetMessage(ShortMessage(0, "x", TerminalTime(0)))),
        (ATT, c.EnrolFinger("7", 10)),
        (ATT, c.DeleteTemplates("FP", "")),
        (ATT, c.DeleteTemplates("BIODATA", "7", number=3)),
        (ACC, c.QueryTable("user,fielddesc=*")),
    ],
)
def test_what_no_terminal_could_take_is_refused_before_it_is_sent(protocol: PushProtocol, command: c.Command) -> None:
    with pytest.raises(ValueError, match="expected"):
        encode_command("1", command, protocol)


def test_what_may_not_be_done_twice_is_known() -> None:
    once = {kind.__name__ for kind in EVERYTHING if not c.is_repeatable(kind.__new__(kind))}
    assert once == {
        "Reboot", "Unlock", "ClearLog", "ClearPhotos", "ClearBiodata", "ClearUsers", "ClearData", "EnrolFinger",
        "EnrolBiodata", "EnrolCard", "Upgrade",
    }  # fmt: skip
