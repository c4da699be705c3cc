"""Templates, access control, messages, operations, events: decode(encode(x)) == x, and a bad entry costs itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.errors import LayoutUnknown
from biometric_flow.zk.wire.access import (
    VERIFY_MODES,
    AccessGroup,
    AccessZone,
    DaySpan,
    UnlockCombination,
    UserZones,
    decode_verify_mode,
    encode_verify_mode,
)
from biometric_flow.zk.wire.cards import decode_card, encode_card
from biometric_flow.zk.wire.commands import Command, EventMask, Reply
from biometric_flow.zk.wire.connection import ClientConnection, ServerConnection
from biometric_flow.zk.wire.events import (
    AlarmKind,
    AlarmRaised,
    EnrolmentEnded,
    decode_enrol_request,
    decode_event,
    encode_alarm,
    encode_enrol_request,
    encode_enrolment_end,
)
from biometric_flow.zk.wire.frame import encode_frame, encode_packet
from biometric_flow.zk.wire.messages import ShortMessage, decode_link, encode_link
from biometric_flow.zk.wire.oplog import OPLOG_LAYOUTS, OperationLog, OperationRecord, OplogLayout, oplog_layout
from biometric_flow.zk.wire.templates import (
    Person,
    Template,
    TemplateList,
    decode_commit,
    decode_finger,
    decode_package,
    encode_package,
    finger_request,
    unpad_template,
)
from biometric_flow.zk.wire.timecode import TIME_MAX, TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserRecord

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
UIDS = st.integers(1, 0xFFFF)
TIMES = st.integers(0, TIME_MAX).map(TerminalTime)
TEMPLATES = st.builds(Template, U16, st.integers(0, 9), st.binary(min_size=1, max_size=90), U8)
ZONES = st.tuples(U16, U16, U16)
SPANS = st.builds(DaySpan, st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59))
OPLOGS = pytest.mark.parametrize("layout", OPLOG_LAYOUTS.values(), ids=lambda layout: layout.name)


@given(st.lists(TEMPLATES, max_size=8))
def test_templates_read_back(templates: list[Template]) -> None:
    assert TemplateList.decode(b"".join(template.encode() for template in templates)).records == templates


@given(TEMPLATES)
def test_what_names_a_template_reads_back(template: Template) -> None:
    assert decode_commit(template.commit_request())[:3] == (template.uid, template.finger, template.flag)
    assert decode_finger(finger_request(template.uid, template.finger)) == (template.uid, template.finger)


@pytest.mark.parametrize("padding", [b"\0", bytes(7)])
def test_the_padding_of_a_single_template_is_taken_off(padding: bytes) -> None:
    assert unpad_template(b"M\x01SS21abc\x01" + padding) == b"M\x01SS21abc\x01"


def test_a_template_that_cannot_be_followed_costs_only_what_comes_after_it() -> None:
    good, bad_finger = Template(1, 0, b"abc").encode(), b"\x09\x00\x01\x00\x63\x01abc"
    read = TemplateList.decode(good + bad_finger + good + b"\x03\x00rest")
    assert [template.data for template in read.records] == [b"abc", b"abc"]
    assert [row.raw for row in read.rejected] == [bad_finger, b"\x03\x00rest"]
    assert "rest" not in repr(read)


@pytest.mark.parametrize("layout", USER_LAYOUTS.values(), ids=lambda layout: layout.name)
@given(count=st.integers(0, 4), blobs=st.lists(st.binary(min_size=1, max_size=50), max_size=3))
def test_a_package_of_people_reads_back(layout: object, count: int, blobs: list[bytes]) -> None:
    people = [
        Person(
            UserRecord(
                uid, str(uid), f"P{uid}", group=1, timezones=(0, 0, 0) if layout is USER_LAYOUTS["72"] else (0,)
            ),
            tuple(Template(uid, finger, data) for finger, data in enumerate(blobs)),
        )
        for uid in range(1, count + 1)
    ]
    assert decode_package(encode_package(people, layout), layout) == people  # type: ignore[arg-type]


@given(st.builds(AccessZone, st.integers(1, 50), st.tuples(*[SPANS] * 7)))
def test_a_time_zone_reads_back_in_both_forms(zone: AccessZone) -> None:
    assert AccessZone.decode(zone.encode()) == AccessZone.decode_request(zone.request()) == zone
    assert len(zone.encode()) == len(zone.request()) == 32


def test_a_start_after_the_end_is_closed_all_day() -> None:
    assert DaySpan(23, 57, 23, 56).is_closed
    assert not DaySpan(8, 0, 17, 0).is_closed


@given(st.builds(AccessGroup, st.integers(1, 99), ZONES, st.integers(0, 127), st.booleans()))
def test_a_group_reads_back(group: AccessGroup) -> None:
    assert AccessGroup.decode(group.encode()) == group


@given(st.builds(UnlockCombination, st.integers(1, 10), st.lists(U8, max_size=5).map(tuple)))
def test_an_unlock_combination_reads_back(combination: UnlockCombination) -> None:
    assert UnlockCombination.decode(combination.encode()) == combination


@given(UIDS, st.builds(UserZones, st.booleans(), ZONES), st.sampled_from(sorted(VERIFY_MODES)))
def test_a_users_access_reads_back(uid: int, zones: UserZones, mode: int) -> None:
    assert UserZones.decode(zones.encode()) == zones
    assert UserZones.decode_request(zones.request(uid)) == (uid, zones)
    assert decode_verify_mode(encode_verify_mode(uid, mode)) == (uid, mode)


def test_the_flag_of_a_users_time_zones_has_two_senses() -> None:
    own = UserZones(True, (1, 2, 3))
    assert (own.encode()[0], own.request(1)[4]) == (0, 1)


@given(UIDS, UIDS, st.text("abc äß", max_size=30), TIMES, U16, st.sampled_from([253, 254]))
def test_a_message_reads_back(uid: int, number: int, text: str, start: TerminalTime, minutes: int, tag: int) -> None:
    message = ShortMessage(number, text, start, minutes, tag)
    assert ShortMessage.decode(message.encode()) == message
    assert decode_link(encode_link(uid, number)) == (uid, number)


@OPLOGS
@given(
    rows=st.lists(st.builds(OperationRecord, U16, U8, TIMES, st.tuples(U16, U16, U16, U16), st.just(b"")), max_size=6)
)
def test_operations_read_back_in_both_orders(layout: OplogLayout, rows: list[OperationRecord]) -> None:
    log = OperationLog.decode(b"".join(map(layout.encode, rows)) + b"torn", layout)
    assert [record._replace(raw=b"") for record in log.records] == rows
    assert [row.raw for row in log.rejected] == [b"torn"]


@OPLOGS
def test_the_order_of_an_operation_log_is_found(layout: OplogLayout) -> None:
    start = TerminalTime.of(2024, 5, 1)
    rows = [OperationRecord(1, i % 31, TerminalTime(start + i), (1, 0, 0, 0), b"") for i in range(50)]
    assert oplog_layout(b"".join(map(layout.encode, rows))) is layout
    assert rows[4].title == "menu entered"
    with pytest.raises(LayoutUnknown):
        oplog_layout(b"\xff" * 64)


@pytest.mark.parametrize("kind", [kind for kind in AlarmKind if kind != AlarmKind.UNKNOWN])
def test_an_alarm_reads_back(kind: AlarmKind) -> None:
    uid = 7 if kind in (AlarmKind.DURESS, AlarmKind.ANTI_PASSBACK) else 0
    event = decode_event(EventMask.ALARM, encode_alarm(kind, uid))
    assert isinstance(event, AlarmRaised)
    assert (event.kind, event.uid) == (kind, uid)


@given(st.integers(0, 9), st.text("0123456789", min_size=1, max_size=9), U16, st.integers(0, 9))
def test_the_end_of_an_enrolment_reads_back(result: int, pin: str, size: int, finger: int) -> None:
    event = decode_event(EventMask.ENROLL_FINGER, encode_enrolment_end(result, pin, finger, size))
    assert isinstance(event, EnrolmentEnded)
    expected = (0, pin, finger, size) if result == 0 else (result, "", 0, 0)
    assert (event.result, event.user_id, event.finger, event.size) == expected


@given(st.integers(0, 0xFFFF_FFFF).map(str), st.integers(0, 9), st.booleans())
def test_an_enrolment_request_reads_back(pin: str, finger: int, old: bool) -> None:
    assert decode_enrol_request(encode_enrol_request(pin, finger, old=old)) == (pin, finger)


@given(U32.filter(bool), st.lists(TEMPLATES, min_size=1, max_size=4))
def test_a_card_reads_back(user: int, templates: list[Template]) -> None:
    read = decode_card(encode_card(user, templates))
    assert (read.user, list(read.fingers)) == (user, [(one.finger, one.data) for one in templates])


@given(st.integers(2000, 2132), st.integers(1, 12), st.integers(1, 28), st.integers(0, 86_399))
def test_a_time_of_six_bytes_reads_back(year: int, month: int, day: int, second: int) -> None:
    time = TerminalTime.of(year, month, day, second // 3600, second // 60 % 60, second % 60)
    assert TerminalTime.from_six_bytes(time.to_six_bytes()) == time


@pytest.mark.parametrize("is_stream", [True, False])
@given(st.sampled_from(Command), st.binary(max_size=200), st.integers(1, 0xFFFF), st.sampled_from(Reply))
def test_every_command_and_reply_arrives_as_it_was_sent(
    is_stream: bool, command: Command, data: bytes, session: int, code: Reply
) -> None:
    client, server = (
        ClientConnection(is_stream=is_stream),
        ServerConnection(session, is_stream=is_stream),
    )
    (login,) = server.receive(client.request(Command.CONNECT))
    encode = encode_frame if is_stream else encode_packet
    client.receive(encode(server.reply(login, Reply.OK)))
    assert client.next_answer() is not None
    (request,) = server.receive(client.request(command, data))
    assert (request.command, request.data, request.session) == (command, data, session)
    client.receive(encode(server.reply(request, code, data)))
    answer = client.next_answer()
    assert answer is not None
    assert (answer.command, answer.data, answer.reply, answer.intact) == (code, data, request.number, True)
