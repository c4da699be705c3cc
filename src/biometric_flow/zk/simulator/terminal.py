"""A whole terminal made of software: `async with SimulatedTerminal() as terminal:`."""

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, Self

from biometric_flow.zk.pipe import DatagramPipe, Pipe, StreamPipe
from biometric_flow.zk.simulator.desk import DatagramDesk, open_desk
from biometric_flow.zk.simulator.faults import Fault, FaultKind, Faults
from biometric_flow.zk.simulator.files import Journal
from biometric_flow.zk.simulator.handlers import HANDLERS
from biometric_flow.zk.simulator.link import Link
from biometric_flow.zk.simulator.memory import StoredPunch, TerminalClock, TerminalMemory
from biometric_flow.zk.simulator.profiles import PROFILES, Profile
from biometric_flow.zk.simulator.session import Session
from biometric_flow.zk.wire.commands import EventMask
from biometric_flow.zk.wire.events import AlarmKind, encode_alarm
from biometric_flow.zk.wire.oplog import OperationRecord
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord

SEGMENT_PAUSE: Final = 0.002
"""Seconds between the TCP segments of a bulk answer, for clients that take one frame per read."""

_LINKS_MAX: Final = 64
_HELD_SECONDS_MAX: Final = 5.0
_STOP_SECONDS: Final = 0.5
_LAST_ANSWER_SECONDS: Final = 0.02


class TerminalHeld(Exception):
    """Nobody can punch: a client disabled the terminal and has not enabled it again."""


class SimulatedTerminal:
    """A terminal that listens, remembers, punches and misbehaves on demand.

    `users` and `punches` are what it knows at the start; people who only occur in punches become known. `port` 0 takes
    a free one; `transports` are `tcp`, `udp` or both on that port. Raises ValueError for what the profile cannot store,
    OSError when it cannot listen.
    """

    def __init__(
        self,
        *,
        profile: str | Profile = "tft",
        serial: str = "SIM0000001",
        comm_key: int = 0,
        users: Iterable[UserRecord] = (),
        punches: Iterable[StoredPunch] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        zone: tzinfo = UTC,
        drift: timedelta = timedelta(),
        journal: Path | None = None,
        pause: float = SEGMENT_PAUSE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        encoding: str = "utf-8",
        transports: Collection[str] = ("tcp",),
    ) -> None:
        self.memory = TerminalMemory(
            PROFILES[profile] if isinstance(profile, str) else profile, serial, users, encoding
        )
        self.clock = TerminalClock(zone, drift, now)
        self.faults = Faults()
        self.comm_key = comm_key
        self.host = host
        self.port = port
        self._pause = pause
        self._journal = Journal(journal).open() if journal else None
        self.transports = frozenset(transports)
        self._server: asyncio.Server | None = None
        self._desk: DatagramDesk | None = None
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._numbers = itertools.count(random.randrange(256, 60_000))  # noqa: S311 - a session id, no secret
        self._free = asyncio.Event()
        self._free.set()
        self._release_timer: asyncio.TimerHandle | None = None
        self._living: asyncio.Task[None] | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        for punch in itertools.chain(punches, self._journal.punches() if self._journal else ()):
            self.memory.remember(punch)

    async def __aenter__(self) -> Self:
        await self.power_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._links)

    @property
    def is_held(self) -> bool:
        """Whether a client has disabled it."""
        return not self._free.is_set()

    async def punch(
        self, pin: str, *, state: int = 0, verify: int = 1, work_code: int = 0, at: TerminalTime | None = None
    ) -> StoredPunch:
        """Somebody punches: the row is stored, journalled, then told to whoever listens.

        Waits while the terminal is disabled. Raises TerminalHeld after 5 seconds of that, ValueError for a row that
        the profile cannot store.
        """
        try:
            async with asyncio.timeout(_HELD_SECONDS_MAX):
                await self._free.wait()
        except TimeoutError:
            raise TerminalHeld("expected the terminal to be enabled, it has been disabled for 5 seconds") from None
        punch = StoredPunch(pin, self.clock.read() if at is None else at, verify, state, work_code)
        self.memory.remember(punch)
        if self._journal:
            self._journal.append(punch)
        data = self.memory.event(punch)
        for link in self._links:
            link.post(EventMask.ATTLOG, data)
        return punch

    def ring(self, kind: AlarmKind, uid: int = 0, *, is_logged: bool = True, is_told: bool = True) -> None:
        """Something is wrong at the terminal or its door: into its operation log, and told to whoever listens."""
        data = encode_alarm(kind, uid)
        number = data[4] if len(data) == 12 else data[0]
        if is_logged:
            row = OperationRecord(0, 3, self.clock.read(), (number, uid, 0, 0), b"")
            self.memory.extras.operations.append(row)
        if is_told:
            for link in self._links:
                link.post(EventMask.ALARM, data)

    def truth(self) -> list[StoredPunch]:
        """Every row it holds, in the order they were stored."""
        return list(self.memory.punches)

    def live(self, every: float) -> None:
        """Punch by itself at random intervals of `every` seconds in the mean; 0 stops that."""
        if self._living:
            self._living.cancel()
        self._living = asyncio.create_task(self._live(every), name="simulator-live") if every > 0 else None

    async def fault(
        self, kind: FaultKind | str, *, times: int | None = None, seconds: float = 0, value: object = ""
    ) -> None:
        """Misbehave; see FaultKind. Raises ValueError for an unknown kind."""
        fault = Fault(FaultKind(kind), times, seconds, str(value))
        match fault.kind:
            case FaultKind.CUT:
                self._cut_all()
            case FaultKind.OFF:
                await self.power_off()
            case FaultKind.ON:
                await self.power_on()
            case _:
                self.faults.put(fault)
                if fault.kind == FaultKind.REFUSE:
                    self._cut_all()
                    if seconds:
                        timer = asyncio.get_running_loop().call_later(seconds, self.faults.remove, FaultKind.REFUSE)
                        self._timers.add(timer)

    def hold(self, seconds: int | None) -> None:
        """Lock keypad and sensors, for ever without `seconds`."""
        self.release()
        self._free.clear()
        if seconds is not None:
            self._release_timer = asyncio.get_running_loop().call_later(seconds, self.release)

    def release(self) -> None:
        """Unlock them."""
        if self._release_timer:
            self._release_timer.cancel()
            self._release_timer = None
        self._free.set()

    async def power_on(self) -> None:
        """Listen; on the same port as before, the same for TCP and UDP. Raises OSError."""
        if self._server is None and "tcp" in self.transports:
            self._server = await asyncio.start_server(self._welcome, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        if self._desk is None and "udp" in self.transports:
            self._desk = await open_desk(self.host, self.port, self._welcome_datagrams)
            self.port = self._desk.port

    async def power_off(self) -> None:
        """Nobody listens any more; memory and clock stay."""
        self._stop_listening()
        self._cut_all()
        self.release()
        if self._links:
            await asyncio.wait(self._links.values(), timeout=_STOP_SECONDS)

    def end_soon(self, *, is_off: bool) -> None:
        """Close every connection once the answer is out; switched off, listen no more."""
        timer = asyncio.get_running_loop().call_later(_LAST_ANSWER_SECONDS, self._end_all, is_off)
        self._timers.add(timer)

    def _end_all(self, is_off: bool) -> None:
        if is_off:
            self._stop_listening()
        self._cut_all()
        self.release()

    async def stop(self) -> None:
        """End everything."""
        self.live(0)
        for timer in self._timers:
            timer.cancel()
        await self.power_off()
        if self._journal:
            self._journal.close()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._links) >= _LINKS_MAX or self._server is None or self.faults.take(FaultKind.REFUSE):
            writer.transport.abort()
            return
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begin(StreamPipe(reader, writer))

    def _welcome_datagrams(self, pipe: DatagramPipe) -> None:
        if len(self._links) >= _LINKS_MAX or self.faults.take(FaultKind.REFUSE):
            pipe.abort()
        else:
            self._begin(pipe)

    def _begin(self, pipe: Pipe) -> None:
        session = Session(self, next(self._numbers) % 0xFFFF + 1, HANDLERS, is_stream=pipe.is_stream)
        link = Link(session, self.faults, pipe, self._pause)
        self._links[link] = asyncio.create_task(self._serve(link), name="simulator-link")

    def _stop_listening(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        if self._desk:
            self._desk.close()
            self._desk = None

    async def _serve(self, link: Link) -> None:
        try:
            await link.serve()
        finally:
            del self._links[link]

    async def _live(self, every: float) -> None:
        dice = random.Random()  # noqa: S311 - who punches when, no secret
        states: dict[str, int] = {}
        while True:
            await asyncio.sleep(min(5 * every, max(0.05 * every, dice.expovariate(1 / every))))
            people = self.memory.users
            if people:
                pin = dice.choice(people).user_id
                states[pin] = 1 - states.get(pin, 1)
                with contextlib.suppress(TerminalHeld):
                    await self.punch(pin, state=states[pin])

    def _cut_all(self) -> None:
        for link in list(self._links):
            link.cut()
