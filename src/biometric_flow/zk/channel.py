"""The socket under a client connection: moves bytes, waits for answers, knows when it is over."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Self, TypeVar

from biometric_flow.zk.errors import TerminalClosed, TerminalUnreachable, ZkError
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.connection import ClientConnection
from biometric_flow.zk.wire.events import Event
from biometric_flow.zk.wire.frame import Packet

Answer = TypeVar("Answer")

_READ_SIZE: Final = 256 * 1024
_WAITING_MAX: Final = 256 * 1024
"""Unsent bytes above which events are no longer acknowledged; terminals do not depend on it."""
_CLOSE_SECONDS: Final = 1.0


class Channel:
    """One TCP connection. Deadlines are the caller's; after one has passed, `abort` is the only thing left to do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, encoding: str) -> None:
        self.connection = ClientConnection(encoding)
        self._reader = reader
        self._writer = writer
        self._ended: ZkError | None = None
        self._answered = asyncio.Event()
        self._happened = asyncio.Event()
        self._taken = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="zk-channel")

    @classmethod
    async def open(cls, host: str, port: int, encoding: str) -> Self:
        """Connect. Raises TerminalUnreachable."""
        try:
            reader, writer = await asyncio.open_connection(host, port, limit=_READ_SIZE)
        except (OSError, UnicodeError) as problem:  # UnicodeError: a host name that cannot be one
            raise TerminalUnreachable(
                f"expected a terminal at {host} port {port}, got: {getattr(problem, 'strerror', None) or problem}; "
                "check address, power and network"
            ) from problem
        return cls(reader, writer, encoding)

    @property
    def is_open(self) -> bool:
        """Whether another request can be tried."""
        return self._ended is None

    async def ask(self, command: Command, data: bytes, take: Callable[[Packet], Answer | None]) -> Answer:
        """Send a request and give its answers to `take` until that returns something or raises.

        Raises TerminalClosed or ProtocolViolation when the connection ends before.
        """
        self._check_open()
        try:
            self._writer.write(self.connection.request(command, data))
            await self._writer.drain()
            while True:
                while (packet := self.connection.next_answer()) is not None:
                    if (answer := take(packet)) is not None:
                        return answer
                self._check_open()
                self._taken.set()
                self._answered.clear()
                await self._answered.wait()
        except OSError as problem:
            raise self._closed(problem) from problem
        finally:
            self.connection.settle()
            self._taken.set()

    async def next_event(self) -> Event:
        """Wait for an event. Raises TerminalClosed or ProtocolViolation when there can be no more."""
        while True:
            if (event := self.connection.next_event()) is not None:
                return event
            self._check_open()
            self._happened.clear()
            await self._happened.wait()

    def abort(self, farewell: Sequence[Command] = ()) -> None:
        """Close at once. The farewell is written if the network takes it now; nobody waits for an answer."""
        self._end(TerminalClosed("expected an open connection, it was closed after an error; connect again"))
        self._reading.cancel()
        with contextlib.suppress(OSError):
            for command in farewell:
                self._writer.write(self.connection.request(command))
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close, and wait a moment until it is done."""
        self._end(TerminalClosed("expected an open connection, it was closed by us; connect again"))
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_READ_SIZE):
                self.connection.receive(data)
                self._acknowledge()
                self._answered.set()
                self._happened.set()
                await self._until_taken()
            self._end(TerminalClosed("expected the terminal to stay connected, it closed the connection; try again"))
        except ZkError as problem:
            self._end(problem)
        except OSError as problem:
            self._end(self._closed(problem))

    async def _until_taken(self) -> None:
        """Read on only when what came was looked at: a terminal that sends without end fills its own buffers."""
        while self.connection.has_answers:
            self._taken.clear()
            await self._taken.wait()

    def _acknowledge(self) -> None:
        frames = self.connection.acknowledgements()
        if frames and self._writer.transport.get_write_buffer_size() < _WAITING_MAX:
            self._writer.write(frames)

    def _end(self, problem: ZkError) -> None:
        self._ended = self._ended or problem
        self._answered.set()
        self._happened.set()

    def _check_open(self) -> None:
        if self._ended is not None:
            raise self._ended.with_traceback(None)

    @staticmethod
    def _closed(problem: OSError) -> TerminalClosed:
        return TerminalClosed(
            f"expected the terminal to stay connected, got: {problem.strerror or problem}; "
            "try again, and see that no other client is connected"
        )
