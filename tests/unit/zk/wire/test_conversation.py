"""Replies, events and bulk answers: what belongs together, and what must not be believed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.errors import (
    CorruptFrame,
    NotSupported,
    ProtocolViolation,
    TerminalRefused,
    TransferIncomplete,
)
from biometric_flow.zk.wire.commands import Command, EventMask, Reply, reply_name
from biometric_flow.zk.wire.connection import EVENTS_MAX, ClientConnection, ServerConnection
from biometric_flow.zk.wire.events import ButtonPressed
from biometric_flow.zk.wire.frame import Packet, encode_frame
from biometric_flow.zk.wire.transfer import (
    ATTLOG,
    CHUNK,
    TRANSFER_MAX,
    USERS,
    BulkAnswer,
    Prepared,
    unwrap_rows,
    window_request,
    wrap_rows,
)

SESSION = 0x4321


def connected() -> ClientConnection:
    connection = ClientConnection()
    connection.request(Command.CONNECT)
    connection.receive(encode_frame(Packet(Reply.OK, SESSION, 0)))
    assert connection.next_answer() == Packet(Reply.OK, SESSION, 0)
    return connection


def event(code: int = EventMask.FINGER, data: bytes = b"") -> bytes:
    return encode_frame(Packet(Command.REGISTER_EVENTS, code, 0, data))


def test_numbers_start_at_zero_with_connect_and_wrap() -> None:
    connection, server = ClientConnection(), ServerConnection(1)
    numbers = [server.receive(connection.request(Command.READ_TIME))[0].number for _ in range(65_538)]
    assert numbers == [*range(65_536), 0, 1]


def test_a_stale_reply_is_not_an_answer() -> None:
    connection = connected()
    connection.request(Command.READ_TIME)
    connection.request(Command.READ_VERSION)
    connection.receive(encode_frame(Packet(Reply.OK, SESSION, 1, b"late")))
    assert connection.next_answer() is None
    connection.receive(encode_frame(Packet(Reply.OK, SESSION, 2, b"right")))
    assert connection.next_answer() == Packet(Reply.OK, SESSION, 2, b"right")
    assert connection.oddities.stale_replies == 1


def test_an_answer_that_nobody_asked_for_is_dropped() -> None:
    connection = connected()
    connection.settle()
    connection.receive(encode_frame(Packet(Reply.OK, SESSION, 0, b"more")))
    assert connection.next_answer() is None


def test_a_foreign_session_is_an_error() -> None:
    connection = connected()
    connection.request(Command.READ_TIME)
    with pytest.raises(ProtocolViolation, match="session"):
        connection.receive(encode_frame(Packet(Reply.OK, SESSION + 1, 1)))


def test_the_state_travels_in_the_session_field() -> None:
    connection = connected()
    connection.request(Command.READ_STATE)
    connection.receive(encode_frame(Packet(Reply.OK, 2, 1)))
    assert connection.next_answer() == Packet(Reply.OK, 2, 1)


def test_a_corrupt_reply_is_handed_to_who_waits() -> None:
    connection = connected()
    connection.request(Command.READ_TIME)
    frame = bytearray(encode_frame(Packet(Reply.OK, SESSION, 1, b"time")))
    frame[-1] ^= 1
    connection.receive(bytes(frame))
    answer = connection.next_answer()
    assert answer is not None
    assert not answer.intact


@given(st.data())
def test_events_may_come_anywhere_and_are_acknowledged(data: st.DataObject) -> None:
    connection = connected()
    connection.request(Command.READ_TIME)
    parts = [encode_frame(Packet(Reply.OK, SESSION, 1, b"time"))]
    codes = data.draw(st.lists(st.sampled_from([2, 16, 512]), max_size=5))
    for code in codes:
        parts.insert(data.draw(st.integers(0, len(parts))), event(code))
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    connection.receive(stream[:cut])
    connection.receive(stream[cut:])
    assert connection.next_answer() == Packet(Reply.OK, SESSION, 1, b"time")
    got = [connection.next_event() for _ in codes]
    assert sorted(e.code for e in got if e) == sorted(codes)
    assert connection.next_event() is None
    assert connection.acknowledgements() == [encode_frame(Packet(Reply.OK, SESSION, 0))] * len(codes)
    assert connection.acknowledgements() == []


def test_waiting_events_are_bounded_and_the_newest_stay() -> None:
    connection = connected()
    for number in range(EVENTS_MAX + 5):
        connection.receive(event(EventMask.BUTTON, number.to_bytes(4, "little")))
    assert connection.oddities.lost_events == 5
    assert connection.next_event() == ButtonPressed(EventMask.BUTTON, (5).to_bytes(4, "little"), 5)


def test_a_corrupt_event_is_counted_and_not_believed() -> None:
    connection = connected()
    frame = bytearray(event(EventMask.BUTTON, b"1234"))
    frame[-1] ^= 1
    connection.receive(bytes(frame))
    assert connection.next_event() is None
    assert connection.oddities.corrupt_events == 1


def test_a_server_refuses_a_corrupt_request() -> None:
    frame = bytearray(ClientConnection().request(Command.CONNECT))
    frame[10] ^= 1
    with pytest.raises(ProtocolViolation, match="checksum"):
        ServerConnection(1).receive(bytes(frame))


def test_requests_for_bulk_data_have_the_published_bytes() -> None:
    assert USERS.buffered_request().hex() == "0109000500000000000000"
    assert ATTLOG.buffered_request().hex() == "010d000000000000000000"
    assert (USERS.direct_request(), ATTLOG.direct_request()) == (b"\x05", b"")
    assert window_request(0xFFC0, 16).hex() == "c0ff000010000000"


def prepare(size: int) -> Packet:
    return Packet(Reply.PREPARE_DATA, SESSION, 1, size.to_bytes(4, "little") + bytes.fromhex("00100000"))


def data(raw: bytes) -> Packet:
    return Packet(Reply.DATA, SESSION, 1, raw)


OK = Packet(Reply.OK, SESSION, 1)


def announced(size: int) -> Packet:
    return Packet(Reply.OK, SESSION, 1, b"\0" + size.to_bytes(4, "little") * 2 + bytes(4))


@given(st.binary(max_size=100), st.lists(st.integers(0, 100), max_size=5))
def test_a_bulk_answer_in_any_pieces_is_the_same(blob: bytes, cuts: list[int]) -> None:
    answer = BulkAnswer("rows")
    edges = [0, *sorted(min(cut, len(blob)) for cut in cuts), len(blob)]
    assert answer.take(prepare(len(blob))) is None
    for begin, end in pairwise(edges):
        assert answer.take(data(blob[begin:end])) is None
    assert answer.take(OK) == blob


def test_a_datagram_that_came_twice_changes_nothing() -> None:
    answer = BulkAnswer("rows")
    packets = [prepare(5), prepare(5), data(b"12345"), data(b"12345"), OK]
    assert [answer.take(packet) for packet in packets] == [None, None, None, None, b"12345"]


def test_a_small_answer_is_one_data_packet() -> None:
    assert BulkAnswer("rows").take(data(b"abc")) == b"abc"


def test_a_prepared_answer_is_fetched_in_windows_that_cover_it() -> None:
    prepared = BulkAnswer("rows").take(announced(2 * CHUNK + 5))
    assert isinstance(prepared, Prepared)
    assert list(prepared.windows()) == [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, 5)]


@pytest.mark.parametrize(
    ("packets", "error"),
    [
        ([prepare(10), data(b"123456789"), OK], TransferIncomplete),
        ([prepare(10), OK], TransferIncomplete),
        ([prepare(10), data(b"12345678901")], ProtocolViolation),
        ([prepare(TRANSFER_MAX + 1)], ProtocolViolation),
        ([prepare(0xFFFF_FFFF)], ProtocolViolation),
        ([announced(0x7FFF_FFFF)], ProtocolViolation),
        ([Packet(Reply.PREPARE_DATA, SESSION, 1, b"\x01")], ProtocolViolation),
        ([Packet(Reply.OK, SESSION, 1, b"\0\0")], ProtocolViolation),
        ([prepare(10), data(b"12345")._replace(intact=False)], CorruptFrame),
        ([prepare(10), data(b"12345"), Packet(Reply.ERROR, SESSION, 1)], TerminalRefused),
        ([Packet(Reply.UNKNOWN, SESSION, 1)], NotSupported),
        ([prepare(10), prepare(11)], TerminalRefused),
        ([prepare(10), data(b"12345"), prepare(10)], TerminalRefused),
    ],
)
def test_an_answer_that_is_not_exactly_what_was_announced_is_an_error(
    packets: list[Packet], error: type[Exception]
) -> None:
    answer = BulkAnswer("rows")
    for packet in packets[:-1]:
        assert answer.take(packet) is None
    with pytest.raises(error):
        answer.take(packets[-1])


@pytest.mark.parametrize("first", [prepare(9), data(b"123456789"), OK])
def test_a_chunk_of_another_size_than_asked_is_an_error(first: Packet) -> None:
    with pytest.raises(TransferIncomplete):
        BulkAnswer("rows", size=10).take(first)


@given(st.binary(max_size=50))
def test_the_leading_length_comes_off(rows: bytes) -> None:
    answer = bytearray(wrap_rows(rows))
    unwrap_rows(answer, "rows")
    assert answer == rows


@pytest.mark.parametrize("answer", [b"abc", b"\x05\0\0\0abcd", b"\xff\xff\xff\xffabcd"])
def test_a_lying_leading_length_is_an_error(answer: bytes) -> None:
    with pytest.raises(TransferIncomplete, match="own length"):
        unwrap_rows(bytearray(answer), "rows")


def test_reply_codes_have_words() -> None:
    assert reply_name(4990) == "4990 (database full)"
    assert reply_name(1234) == "1234 (meaning not public)"
