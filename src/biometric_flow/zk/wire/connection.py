"""One connection without its socket: bytes in, packets and events out, from either side (zk-protocol 1.5, 7)."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.commands import Command, EventMask, Reply
from biometric_flow.zk.wire.events import Event, decode_event
from biometric_flow.zk.wire.frame import FrameReader, Packet, decode_packet, encode_frame, encode_packet

EVENTS_MAX: Final = 4096
"""Events that wait at most; the oldest go first, the attendance log still has them."""

REQUEST_MAX: Final = 128 * 1024
"""Payload bytes of a request at most; clients send no more than a template."""

_NUMBERS: Final = 0x10000


@dataclass(slots=True)
class Oddities:
    """What came that should not have come; for logs and reports."""

    stale_replies: int = 0
    """Answers to a request that nobody waits for any more."""
    corrupt_events: int = 0
    lost_events: int = 0
    """Events pushed out of the full queue."""


class ClientConnection:
    """Our side of a connection. One request at a time; events may come at any moment.

    `request` gives bytes to send; `receive` takes what came; then `answers` and `events` hold what it meant and
    `acknowledgements` what to send back.
    """

    def __init__(self, encoding: str = "utf-8", *, is_stream: bool = True) -> None:
        self.session = 0
        self._is_stream = is_stream
        self.oddities = Oddities()
        self._encoding = encoding
        self._frames = FrameReader()
        self._number = -1
        self._asked: Command | None = None
        self._answers: deque[Packet] = deque()
        self._events: deque[Event] = deque()
        self._acknowledgements = 0

    def request(self, command: Command, data: bytes = b"") -> bytes:
        """The frame that asks; answers to anything asked before are stale from now on."""
        self._number = (self._number + 1) % _NUMBERS
        self._asked = command
        self._answers.clear()
        return self._encode(Packet(command, self.session, self._number, data))

    def settle(self) -> None:
        """The request has its answer, or is given up: whatever still comes for it is stale."""
        self._asked = None
        self._answers.clear()

    def receive(self, data: bytes) -> None:
        """Take bytes of the stream, or one datagram. Raises ProtocolViolation or NotATerminal; all is over then."""
        for payload in self._frames.feed(data) if self._is_stream else (data,):
            packet = decode_packet(payload)
            if packet.command == Command.REGISTER_EVENTS:
                self._take_event(packet)
            else:
                self._take_reply(packet)

    @property
    def has_answers(self) -> bool:
        """Whether packets wait for `next_answer`."""
        return bool(self._answers)

    def next_answer(self) -> Packet | None:
        """The next packet that answers the current request."""
        return self._answers.popleft() if self._answers else None

    def next_event(self) -> Event | None:
        """The oldest event that waits."""
        return self._events.popleft() if self._events else None

    def acknowledgements(self) -> list[bytes]:
        """What has to be sent for the events that came since the last call, one for each."""
        frames = [self._encode(Packet(Reply.OK, self.session, 0))] * self._acknowledgements
        self._acknowledgements = 0
        return frames

    def _encode(self, packet: Packet) -> bytes:
        return encode_frame(packet) if self._is_stream else encode_packet(packet)

    def _take_event(self, packet: Packet) -> None:
        if not packet.intact:
            self.oddities.corrupt_events += 1
            return
        if len(self._events) >= EVENTS_MAX:
            self._events.popleft()
            self.oddities.lost_events += 1
        self._events.append(decode_event(packet.session, packet.data, self._encoding))
        self._acknowledgements += 1

    def _take_reply(self, packet: Packet) -> None:
        if self._asked is None or (packet.intact and packet.reply != self._number):
            self.oddities.stale_replies += 1
            return
        if self._asked == Command.CONNECT:
            self.session = packet.session if packet.intact else 0
        elif packet.intact and packet.session != self.session and self._asked != Command.READ_STATE:
            raise ProtocolViolation(
                f"expected an answer of session {self.session}, got one of session {packet.session}; reconnect"
            )
        self._answers.append(packet)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of the terminal's side."""

    command: int
    number: int
    data: bytes
    session: int


class ServerConnection:
    """The terminal's side of a connection."""

    def __init__(self, session: int, *, is_stream: bool = True) -> None:
        self.session = session
        self.is_stream = is_stream
        self._frames = FrameReader(REQUEST_MAX)

    def receive(self, data: bytes) -> list[Request]:
        """The requests completed by `data`, or the one in a datagram. Raises ProtocolViolation or NotATerminal."""
        packets = [decode_packet(payload) for payload in (self._frames.feed(data) if self.is_stream else [data])]
        if not all(packet.intact for packet in packets):
            raise ProtocolViolation("expected a request with a fitting checksum, got a corrupt frame")
        return [Request(packet.command, packet.reply, packet.data, packet.session) for packet in packets]

    def reply(self, request: Request, code: int, data: bytes = b"") -> Packet:
        """An answer to a request."""
        return Packet(code, self.session, request.number, data)

    @staticmethod
    def event(code: EventMask, data: bytes) -> Packet:
        """A realtime event."""
        return Packet(Command.REGISTER_EVENTS, int(code), 0, data)
