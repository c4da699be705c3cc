"""A client connection over a pipe: moves bytes, waits for answers, knows when it is over."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Self, TypeVar

from biometric_flow.zk.errors import TerminalClosed, TerminalUnreachable, TransferIncomplete, ZkError
from biometric_flow.zk.pipe import Pipe, open_datagrams, open_stream
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.connection import ClientConnection
from biometric_flow.zk.wire.events import Event
from biometric_flow.zk.wire.frame import Packet
from biometric_flow.zk.wire.transfer import CHUNK, DATAGRAM

Answer = TypeVar("Answer")

_WAITING_MAX: Final = 256 * 1024
"""Unsent bytes above which events are no longer acknowledged; terminals do not depend on it."""
RESEND_SECONDS: Final = 1.0
"""Silence after which a datagram counts as lost."""
_RESENDS: Final = 3
_ONCE: Final = frozenset((Command.DATA, Command.UNLOCK))
"""Requests that would do something else when they came twice: a door would open again, or for longer."""


class Channel:
    """One connection. Deadlines are the caller's; after one has passed, `abort` is the only thing left to do."""

    def __init__(self, pipe: Pipe, encoding: str) -> None:
        self.connection = ClientConnection(encoding, is_stream=pipe.is_stream)
        self.window = CHUNK if pipe.is_stream else DATAGRAM
        """Bytes of bulk data to ask for at a time. Datagrams get lost and change places, and bulk data carries no
        position: only an answer of one datagram is sure to be what was asked for."""
        self._pipe = pipe
        self._ended: ZkError | None = None
        self._answered = asyncio.Event()
        self._happened = asyncio.Event()
        self._taken = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="zk-channel")

    @classmethod
    async def open(cls, host: str, port: int, encoding: str, *, is_stream: bool = True) -> Self:
        """Connect over TCP, or make a UDP socket. Raises TerminalUnreachable."""
        try:
            return cls(await (open_stream if is_stream else open_datagrams)(host, port), encoding)
        except (OSError, UnicodeError) as problem:  # UnicodeError: a host name that cannot be one
            raise TerminalUnreachable(
                f"expected a terminal at {host} port {port}, got: {getattr(problem, 'strerror', None) or problem}; "
                f"{'the port goes to --port; ' if host.count(':') == 1 else ''}check address, power and network"
            ) from problem

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
            self._pipe.write(self.connection.request(command, data))
            await self._pipe.drain()
            taken, tries_left = 0, 0 if command in _ONCE else _RESENDS
            while True:
                while (packet := self.connection.next_answer()) is not None:
                    taken += 1
                    if (answer := take(packet)) is not None:
                        return answer
                self._check_open()
                self._taken.set()
                self._answered.clear()
                if not await self._wait_for_more():
                    if taken:
                        raise TransferIncomplete("expected the rest of an answer, its datagrams were lost; read again")
                    if tries_left:
                        tries_left -= 1
                        self._pipe.write(self.connection.request(command, data))
        except OSError as problem:
            raise self._closed(problem) from problem
        finally:
            self.connection.settle()
            self._taken.set()

    async def _wait_for_more(self) -> bool:
        """Wait until something came; False when datagrams seem to be lost. On a stream nothing is lost."""
        try:
            async with asyncio.timeout(None if self._pipe.is_stream else RESEND_SECONDS):
                await self._answered.wait()
        except TimeoutError:
            return False
        return True

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
                self._pipe.write(self.connection.request(command))
        self._pipe.abort()

    async def close(self) -> None:
        """Close, and wait a moment until it is done."""
        self._end(TerminalClosed("expected an open connection, it was closed by us; connect again"))
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._pipe.close()

    async def _read(self) -> None:
        try:
            while data := await self._pipe.read():
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
        for frame in self.connection.acknowledgements():
            if self._pipe.waiting < _WAITING_MAX:
                self._pipe.write(frame)

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
