"""The client of one terminal: `async with open_terminal(host) as terminal:`."""

import asyncio
import codecs
import contextlib
import math
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from biometric_flow.zk.access import Access
from biometric_flow.zk.cards import Cards
from biometric_flow.zk.channel import Channel
from biometric_flow.zk.enrolment import Enrolment
from biometric_flow.zk.errors import (
    BadIdentity,
    ProtocolViolation,
    TerminalClosed,
    TerminalRefused,
    TerminalTimedOut,
    TerminalUnreachable,
)
from biometric_flow.zk.families import OPTIONS, Description, describe
from biometric_flow.zk.files import Files
from biometric_flow.zk.messages import Messages
from biometric_flow.zk.requests import BULK_SECONDS
from biometric_flow.zk.sign_in import sign_in
from biometric_flow.zk.tail import read_after
from biometric_flow.zk.templates import Templates
from biometric_flow.zk.upkeep import Upkeep
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command, EventMask
from biometric_flow.zk.wire.commkey import KEY_MAX
from biometric_flow.zk.wire.events import Event
from biometric_flow.zk.wire.layouts import attlog_layout
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.options import COMM_KEY_OPTION, decode_text, encode_option
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.transfer import ATTLOG

DEFAULT_PORT: Final = 4370
_STATE_MAX: Final = 255
_UDP_SECONDS: Final = 3.0
"""How long to try UDP where TCP was refused: a port that nobody listens on may stay silent."""
_SERIAL: Final = re.compile(r"[A-Za-z0-9_-]{4,32}")
_INFO_OPTIONS: Final = {
    "model": "~DeviceName",
    "platform": "~Platform",
    "vendor": "~OEMVendor",
    "mac": "MAC",
    "fingerprint_version": "~ZKFPVersion",
    "face_version": "ZKFaceVersion",
}


class Transport(StrEnum):
    """What carries the conversation."""

    TCP = "tcp"
    UDP = "udp"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TerminalInfo:
    """What a terminal says about itself. Texts are data from outside: escape them where they are shown."""

    serial: str
    """Its identity: 4 to 32 of A-Z, a-z, 0-9, _ and -."""
    firmware: str
    model: str = ""
    platform: str = ""
    vendor: str = ""
    mac: str = ""
    fingerprint_version: str = ""
    face_version: str = ""


@contextlib.asynccontextmanager
async def open_terminal(
    host: str,
    port: int = DEFAULT_PORT,
    *,
    comm_key: int = 0,
    timeout: float = 10.0,  # noqa: ASYNC109 - the deadline of connecting and of each operation, held inside
    encoding: str = "utf-8",
    transport: Transport | str = Transport.AUTO,
) -> "AsyncIterator[Terminal]":
    """Connect and sign in within `timeout` seconds, hand out the terminal, close on the way out.

    `transport` is `tcp`, `udp`, or `auto`: TCP, and UDP where TCP is refused, as old terminals do.

    Raises TerminalUnreachable, TerminalTimedOut, TerminalUnauthorised, PullRefused, NotATerminal or another ZkError;
    ValueError for arguments that cannot be right.
    """
    if not 0 <= comm_key <= KEY_MAX:
        raise ValueError(f"expected a comm key from 0 to {KEY_MAX}, got one outside this range")
    if not 1 <= port <= 65_535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(f"expected an encoding such as utf-8 or gbk, got {encoding!r}") from None
    terminal = await _connect(host, port, comm_key, timeout, encoding, Transport(transport))
    try:
        yield terminal
    finally:
        await terminal.close()


class Terminal(Templates, Access, Messages, Enrolment, Cards, Files, Upkeep):
    """One connected terminal. Operations wait for each other; each has one deadline, after which it is closed.

    Every operation raises TerminalTimedOut, TerminalClosed, ProtocolViolation or TerminalRefused.
    """

    transport = Transport.TCP
    """What carries this conversation."""

    async def info(self) -> TerminalInfo:
        """Who this terminal is. Raises BadIdentity for a serial number that is none."""
        async with self._operation("reading what the terminal is", 3 * self._timeout):
            serial = await self._option("~SerialNumber") or ""
            if not _SERIAL.fullmatch(serial):
                raise BadIdentity(
                    f"expected a serial number of 4 to 32 letters, digits, _ or -, got {serial[:64]!r}; "
                    "set one on the terminal, or replace the terminal"
                )
            firmware = ""
            with contextlib.suppress(TerminalRefused):
                firmware = decode_text((await self._ask(Command.READ_VERSION)).data)
            options = {field: await self._option(name) or "" for field, name in _INFO_OPTIONS.items()}
            return TerminalInfo(serial=serial, firmware=firmware, **options)

    async def describe(self) -> Description:
        """Its family and what it can do, or a description of a terminal of no known family; see zk/families.py."""
        info, capacity = await self.info(), await self.capacity()
        async with self._operation("reading what the terminal can do", 3 * self._timeout):
            options = {name: value for name in OPTIONS if (value := await self._option(name)) is not None}
        return describe(info.model, info.platform, info.firmware, capacity, options)

    async def capacity(self) -> Capacity:
        """How much it holds and could hold."""
        async with self._operation("reading the capacity"):
            return await self._capacity()

    async def state(self) -> int:
        """What it is doing; 0 idle, 1 enrolling, 2 identifying, 3 menu, 4 busy, 5 writing a card."""
        async with self._operation("reading the state"):
            state = (await self._ask(Command.READ_STATE)).session
            if state > _STATE_MAX:
                raise ProtocolViolation(f"expected a state up to {_STATE_MAX}, got {state}; reconnect")
            return state

    async def option(self, name: str) -> str | None:
        """The value of an option, None when the terminal has no such option."""
        async with self._operation(f"reading option {name}"):
            return await self._option(name)

    async def set_option(self, name: str, value: str) -> None:
        """Write an option and make the terminal use it."""
        data = encode_option(name, value)
        async with self._operation(f"writing option {name}"):
            await self._ask(Command.WRITE_OPTION, data)
            await self._ask(Command.REFRESH_OPTIONS)

    async def set_comm_key(self, key: int) -> None:
        """Make the terminal ask for this comm key from the next connection on, 0 for none. Sign in to see it did.

        Raises ValueError for a key that cannot be one.
        """
        if not 0 <= key <= KEY_MAX:
            raise ValueError(f"expected a comm key from 0 to {KEY_MAX}, got one outside this range")
        data = encode_option(COMM_KEY_OPTION, str(key))
        async with self._operation("setting the comm key"):
            await self._ask(Command.WRITE_OPTION, data)
            await self._ask(Command.REFRESH_OPTIONS)

    async def time(self) -> TerminalTime:
        """Its clock, local time without zone."""
        async with self._operation("reading the time"):
            data = (await self._ask(Command.READ_TIME)).data
            if len(data) < 4:
                raise ProtocolViolation(f"expected 4 bytes of time, got {len(data)}; reconnect")
            return TerminalTime(int.from_bytes(data[:4], "little"))

    async def set_time(self, local: datetime) -> None:
        """Set its clock to a naive local time. Raises ValueError for an aware one."""
        data = TerminalTime.from_datetime(local).to_bytes(4, "little")
        async with self._operation("setting the time"):
            await self._ask(Command.WRITE_TIME, data)
            await self._ask(Command.REFRESH_DATA)

    async def enable(self) -> None:
        """Let people use it again."""
        async with self._operation("enabling the terminal"):
            await self._ask(Command.ENABLE)

    async def disable(self, seconds: int) -> None:
        """Lock keypad and sensors; it unlocks by itself after `seconds`, should we not come back."""
        async with self._operation("disabling the terminal"):
            await self._ask(Command.DISABLE, seconds.to_bytes(4, "little"))

    async def refresh(self) -> None:
        """Make it use data that was written."""
        async with self._operation("refreshing data"):
            await self._ask(Command.REFRESH_DATA)

    async def free_data(self) -> None:
        """Give back the buffer of a bulk read."""
        async with self._operation("freeing the buffer"):
            await self._ask(Command.FREE_DATA)

    async def attendance(
        self, *, layout: str | None = None, after: LogMark | None = None, deadline: float = BULK_SECONDS
    ) -> AttendanceLog:
        """The whole attendance log, all rows or an error; with `after`, the rows behind that mark if it is still there.

        `layout` pins one of ATTLOG_LAYOUTS by name; without it the layout is found by count and plausibility, and
        LayoutUnknown is raised when none fits. People cannot punch while it is read, at most for `deadline` seconds.
        """
        if layout is not None and layout not in ATTLOG_LAYOUTS:
            raise ValueError(f"expected a layout out of {', '.join(ATTLOG_LAYOUTS)}, got {layout!r}")
        if after is not None and layout in (None, after.layout):
            return await self._attendance_after(after, deadline, layout)
        blob, capacity = await self._read_bulk(ATTLOG, deadline, lambda capacity: capacity.attlog_rows)
        return self._decoded(blob, capacity.attlog_rows, layout)

    async def _attendance_after(self, mark: LogMark, deadline: float, layout: str | None) -> AttendanceLog:
        async with self._locked_terminal("reading new attendance", deadline):
            announced = 0
            with contextlib.suppress(TerminalRefused):
                announced = (await self._capacity()).attlog_rows
            tail = await read_after(self._channel, ATTLOG, announced, mark)
        if tail.skipped is None:
            return replace(self._decoded(tail.blob, announced, layout), continues=False)
        log = AttendanceLog.decode(tail.blob, ATTLOG_LAYOUTS[mark.layout], announced, self._encoding)
        return replace(log, skipped=tail.skipped, continues=True, mark=mark.moved(tail.skipped, tail.blob))

    def _decoded(self, blob: bytearray, announced: int, layout: str | None) -> AttendanceLog:
        if not blob:
            return AttendanceLog([], [], None, announced)
        found = ATTLOG_LAYOUTS[layout] if layout else attlog_layout(blob, announced)
        return AttendanceLog.decode(blob, found, announced, self._encoding)

    async def listen(self, mask: EventMask = EventMask.ALL) -> None:
        """Register for realtime events of this connection; `next_event` gives them."""
        async with self._operation("registering for events"):
            for command in (Command.ENABLE, Command.START_VERIFY):
                await self._try(command)
            await self._ask(Command.REGISTER_EVENTS, mask.to_bytes(4, "little"))

    async def next_event(self, timeout: float = 30.0) -> Event | None:  # noqa: ASYNC109 - None is the answer then
        """The next realtime event, None when none came within `timeout` seconds.

        Events that arrived during other operations come first. A dead connection may look quiet: read the time now
        and then. Raises TerminalClosed or ProtocolViolation when no more can come.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._channel.next_event()
        except TimeoutError:
            return None


async def _connect(
    host: str, port: int, comm_key: int, seconds: float, encoding: str, transport: Transport
) -> Terminal:
    """A terminal that has taken us in, under one deadline."""
    if transport != Transport.AUTO:
        return await _connect_over(transport, host, port, comm_key, seconds, encoding)
    try:
        return await _connect_over(Transport.TCP, host, port, comm_key, seconds, encoding)
    except TerminalUnreachable as refused:
        if not isinstance(refused.__cause__, ConnectionRefusedError):
            raise
        try:
            return await _connect_over(Transport.UDP, host, port, comm_key, seconds, encoding, _UDP_SECONDS)
        except (TerminalUnreachable, TerminalTimedOut, TerminalClosed):
            raise refused from None


async def _connect_over(
    transport: Transport, host: str, port: int, comm_key: int, each: float, encoding: str, limit: float = math.inf
) -> Terminal:
    channel: Channel | None = None
    seconds = min(each, limit)
    try:
        async with asyncio.timeout(seconds):
            channel = await Channel.open(host, port, encoding, is_stream=transport == Transport.TCP)
            terminal = Terminal(channel, each, encoding)
            terminal.transport = transport
            terminal.asked_for_comm_key = await sign_in(channel, comm_key)
            return terminal
    except BaseException as problem:
        if channel is not None:
            channel.abort((Command.EXIT,))
        if isinstance(problem, TimeoutError):
            raise TerminalTimedOut(
                f"expected {host} port {port} to answer within {seconds:g} seconds, it did not; "
                "check address and network, and that no other client is connected"
            ) from None
        raise
