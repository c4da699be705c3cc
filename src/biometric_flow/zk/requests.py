"""What every operation of a client rests on: one at a time, under one deadline, tidy on every way out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from math import ceil
from typing import Final

from biometric_flow.zk.bulk import Progress, read_bulk
from biometric_flow.zk.channel import Channel
from biometric_flow.zk.errors import (
    BadIdentity,
    CorruptFrame,
    LayoutUnknown,
    ProtocolViolation,
    TerminalRefused,
    TerminalTimedOut,
    TerminalUnauthorised,
    TransferIncomplete,
    ZkError,
)
from biometric_flow.zk.sign_in import OK_REPLIES, intact
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.connection import Oddities
from biometric_flow.zk.wire.frame import Packet
from biometric_flow.zk.wire.options import decode_option, decode_text, encode_name
from biometric_flow.zk.wire.transfer import BulkSource, refusal

BULK_SECONDS: Final = 300.0
"""The deadline of reading or writing a whole list, if the caller names none."""

STILL_USABLE: Final = (TerminalRefused, CorruptFrame, TransferIncomplete, BadIdentity, LayoutUnknown, ValueError)
"""After these the connection holds no half of an answer and can go on."""

_DISABLED_SECONDS_MAX: Final = 3600
_TIDY_UP: Final = (Command.FREE_DATA, Command.ENABLE)


class Requests:
    """One signed-in connection. Operations wait for each other; each has one deadline, after which it is closed."""

    def __init__(self, channel: Channel, timeout: float, encoding: str) -> None:
        self.asked_for_comm_key = False
        """Whether the terminal wanted a key at all; a key that nobody asks for protects nothing."""
        self.progress: Progress | None = None
        """Who is told how far a bulk read is."""
        self._channel = channel
        self._timeout = timeout
        self._encoding = encoding
        self._busy = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands, as far as we know."""
        return self._channel.is_open

    @property
    def oddities(self) -> Oddities:
        """Counts of what came that should not have come."""
        return self._channel.connection.oddities

    async def close(self) -> None:
        """Say goodbye and close; never raises a ZkError."""
        if self._channel.is_open and not self._busy.locked():
            with contextlib.suppress(ZkError):
                async with self._operation("saying goodbye", min(1.0, self._timeout)):
                    await self._try(Command.EXIT)
        await self._channel.close()

    async def _read_bulk(
        self, source: BulkSource, deadline: float, count: Callable[[Capacity], int]
    ) -> tuple[bytearray, Capacity]:
        async with self._locked_terminal(f"reading {source.title}", deadline):
            return await self._fetch(source, count)

    async def _fetch(self, source: BulkSource, count: Callable[[Capacity], int]) -> tuple[bytearray, Capacity]:
        """One bulk answer, within an operation."""
        capacity = Capacity()
        with contextlib.suppress(TerminalRefused):
            capacity = await self._capacity()
        blob = await read_bulk(self._channel, source, count(capacity), self.progress)
        await self._try(Command.FREE_DATA)
        return blob, capacity

    @contextlib.asynccontextmanager
    async def _locked_terminal(self, doing: str, seconds: float) -> AsyncIterator[None]:
        """An operation during which nobody can punch; on every way out the buffer is freed and people can punch."""
        async with self._operation(doing, seconds, farewell=_TIDY_UP):
            try:
                await self._try(Command.DISABLE, min(ceil(seconds), _DISABLED_SECONDS_MAX).to_bytes(4, "little"))
                yield
            except STILL_USABLE:
                await self._tidy_up()
                raise
            await self._tidy_up()

    async def _tidy_up(self) -> None:
        for command in _TIDY_UP:
            with contextlib.suppress(CorruptFrame):  # the answer is of no use, the request may have arrived
                await self._try(command)

    async def _capacity(self) -> Capacity:
        return Capacity.decode((await self._ask(Command.READ_CAPACITY)).data)

    @staticmethod
    def _first_byte(data: bytes) -> int:
        if not data:
            raise ProtocolViolation("expected a number of one byte, got nothing; report model and firmware")
        return data[0]

    async def _option(self, name: str) -> str | None:
        request = encode_name(name)
        try:
            answer = await self._ask(Command.READ_OPTION, request)
        except TerminalRefused:
            return None
        if not decode_text(answer.data):
            return None
        got, value = decode_option(answer.data)
        if got.strip().lstrip("~").lower() != name.lstrip("~").lower():
            raise ProtocolViolation(f"expected option {name}, got {got[:40]!r}; reconnect")
        return value

    async def _ask(self, command: Command, data: bytes = b"") -> Packet:
        answer = await self._channel.ask(command, data, intact)
        if answer.command in OK_REPLIES:
            return answer
        doing = command.name.lower().replace("_", " ")
        if answer.command == Reply.UNAUTHORISED:
            raise TerminalUnauthorised(f"expected to be signed in for {doing}, the terminal says no; connect again")
        raise refusal(answer.command, f"asking for {doing}")

    async def _try(self, command: Command, data: bytes = b"") -> None:
        """Ask for something that may be refused without harm."""
        with contextlib.suppress(TerminalRefused):
            await self._ask(command, data)

    @contextlib.asynccontextmanager
    async def _operation(
        self, doing: str, seconds: float | None = None, farewell: Sequence[Command] = ()
    ) -> AsyncIterator[None]:
        """One operation at a time, under one deadline. A connection that may hold half an answer is closed."""
        seconds = self._timeout if seconds is None else seconds
        async with self._busy:
            try:
                async with asyncio.timeout(seconds):
                    yield
            except TimeoutError:
                self._channel.abort(farewell)
                raise TerminalTimedOut(
                    f"expected {doing} to take at most {seconds:g} seconds, it took longer; "
                    "the connection was closed, try again"
                ) from None
            except STILL_USABLE:
                raise
            except (ProtocolViolation, asyncio.CancelledError):
                self._channel.abort(farewell)
                raise
