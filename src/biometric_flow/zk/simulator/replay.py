"""A terminal that answers as a recorded one did: bug reports are reproduced against it."""

import asyncio
import contextlib
import itertools
from collections import defaultdict, deque
from struct import Struct
from typing import Final, Self

from biometric_flow.zk.capture import Capture, bulk_stream
from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.recorder import Exchange
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.connection import Request, ServerConnection
from biometric_flow.zk.wire.frame import Packet, encode_frame

_READ_SIZE: Final = 64 * 1024
_SESSION: Final = 4370
_WINDOW: Final = Struct("<II")
_ANY_DATA: Final = frozenset((Command.AUTH, Command.DISABLE))
"""Requests whose data differ from one client to the next."""


class ReplayedTerminal:
    """Answers each request with what the capture has for it, the next time with the next answer, then the last again.

    What was never asked is answered as an unknown command. Any comm key is right or wrong as it was in the recording.
    """

    def __init__(self, capture: Capture, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self._capture = capture
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._welcome, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(reader, writer), name="replayed-terminal")
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, connection = Answers(self._capture), ServerConnection(_SESSION)
        try:
            with contextlib.suppress(OSError, ZkError):
                while data := await reader.read(_READ_SIZE):
                    for request in connection.receive(data):
                        writer.write(answers.to(request))
                        await writer.drain()
        finally:
            writer.transport.abort()


class Answers:
    """The recorded answers of one connection, in their order."""

    def __init__(self, capture: Capture) -> None:
        self._recorded: defaultdict[tuple[int, bytes], deque[Exchange]] = defaultdict(deque)
        self._alike: dict[int, deque[Exchange]] = {}
        self._buffers: dict[bytes, bytes] = {}
        self._buffer = b""
        exchanges = [one for one in capture.exchanges if one.packets or one.foreign] or list(capture.exchanges[:1])
        for exchange in exchanges:
            queue = self._recorded[exchange.command, exchange.data]
            queue.append(exchange)
            self._alike.setdefault(exchange.command, queue)
        for place, exchange in enumerate(exchanges):
            if exchange.command == Command.PREPARE_BUFFER:
                windows = itertools.takewhile(lambda one: one.command == Command.READ_BUFFER, exchanges[place + 1 :])
                self._buffers[exchange.data] = bytes(bulk_stream([exchange, *windows]))

    def to(self, request: Request) -> bytes:
        """The bytes that answered this request."""
        if request.command == Reply.OK:  # an event acknowledged
            return b""
        if request.command == Command.PREPARE_BUFFER:
            self._buffer = self._buffers.get(request.data, b"")
        recorded = self._recorded.get((request.command, request.data))
        if recorded is None and request.command == Command.READ_BUFFER:
            return self._window(request)
        if recorded is None and request.command in _ANY_DATA:
            recorded = self._alike.get(request.command)
        if not recorded:
            return encode_frame(Packet(Reply.UNKNOWN, _SESSION, request.number))
        exchange = recorded.popleft() if len(recorded) > 1 else recorded[0]
        return exchange.foreign + b"".join(_frame(packet, request, exchange) for packet in exchange.packets)

    def _window(self, request: Request) -> bytes:
        """A piece that was not asked for in the recording, from what was."""
        offset, size = _WINDOW.unpack(request.data) if len(request.data) == _WINDOW.size else (0, 0)
        piece = self._buffer[offset : offset + size]
        if not size or len(piece) != size:
            return encode_frame(Packet(Reply.ERROR, _SESSION, request.number))
        told = Packet(Reply.PREPARE_DATA, _SESSION, request.number, _WINDOW.pack(size, 0))
        rest = (Packet(Reply.DATA, _SESSION, request.number, piece), Packet(Reply.OK, _SESSION, request.number))
        return b"".join(map(encode_frame, (told, *rest)))


def _frame(packet: Packet, request: Request, exchange: Exchange) -> bytes:
    if packet.command != Command.REGISTER_EVENTS:
        session = packet.session if exchange.command == Command.READ_STATE else _SESSION
        packet = packet._replace(session=session, reply=request.number)
    frame = encode_frame(packet)
    return frame if packet.intact else frame[:10] + bytes((frame[10] ^ 0x5A,)) + frame[11:]
