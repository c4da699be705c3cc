"""One task per terminal: connect, read what it is, catch up, listen, reconcile; reconnect with backoff."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import structlog

from biometric_flow.api.place import Capacity
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.ledger.events import GenerationStarted
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.model.punch import Channel, Punch
from biometric_flow.place.alarm_desk import AlarmDesk
from biometric_flow.place.commands import run_waiting
from biometric_flow.place.errors import TerminalExchanged
from biometric_flow.place.normalise import Quarantined, Reading, normalise, person_of, put_aside, row_of
from biometric_flow.place.recognition import connected, recognise
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.place.store import Batch, Cursor
from biometric_flow.place.timekeeper import Timekeeper
from biometric_flow.place.workplace import Workplace
from biometric_flow.runtime.acting import unattended
from biometric_flow.zk.errors import (
    NotATerminal,
    PullRefused,
    TerminalUnauthorised,
    ZkError,
)
from biometric_flow.zk.terminal import Terminal, TerminalInfo
from biometric_flow.zk.wire import capacity as zk_capacity
from biometric_flow.zk.wire.commands import EventMask
from biometric_flow.zk.wire.events import AttendanceEvent, Event, OtherEvent
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.records import AttendanceLog, AttlogRecord
from biometric_flow.zk.wire.rows import RejectedRow
from biometric_flow.zk.wire.users import UserList

log = structlog.get_logger()

CHUNK: Final = 2000
"""Rows handed to the writer at once, so that a long log never holds up another terminal's punch."""

NEEDS_AN_OPERATOR: Final = (TerminalUnauthorised, PullRefused, NotATerminal, TerminalExchanged)


class Collector:
    """Collects from one terminal until cancelled."""

    def __init__(self, entry: RosterEntry, workplace: Workplace) -> None:
        self.entry = entry
        self.at = workplace
        self._info = TerminalInfo(serial="", firmware="")
        self._pins: dict[int, str] = {}
        self._job_waits = asyncio.Event()
        self.known: tuple[UserList, datetime] | None = None
        """Everybody it knew when it was last read, and when that was."""
        self._user_count = -1
        self.timekeeper = Timekeeper(entry, workplace)
        self._alarms = AlarmDesk(entry.key, workplace)
        self._previous: datetime | None = None
        self._cursor = Cursor(0, 0, None)
        self._log = log.bind(terminal=entry.key)

    async def run(self) -> None:
        """Stay connected for ever; every failure is named, counted and followed by another try."""
        attempt = 0
        await self.at.writer.call(self.at.jobs.recover, self.entry.key, self.at.clock.now())
        while True:
            connected_at = self.at.clock.monotonic()
            try:
                await self._one_connection()
            except NEEDS_AN_OPERATOR as error:
                self.at.health.blocked(self.entry.key, self.at.clock.now(), str(error), error.code)
                self._log.warning("terminal_blocked", code=error.code, reason=str(error))
                await self.at.clock.sleep(self.at.settings.blocked_retry_seconds)
                continue
            except (ZkError, StorageUnavailable, OSError) as error:
                code = getattr(error, "code", "os")
                self.at.health.lost(self.entry.key, self.at.clock.now(), str(error), code)
                self._log.info("terminal_lost", code=code, reason=str(error))
            except Exception as error:  # noqa: BLE001 - the outermost loop of a task: log and go on
                self.at.health.lost(self.entry.key, self.at.clock.now(), "an internal error; see the log", "internal")
                self._log.exception("collector_failed", error=type(error).__name__)
            if self.at.clock.monotonic() - connected_at > self.at.settings.backoff_max_seconds:
                attempt = 0
            await self.at.clock.sleep(backoff(attempt, self.at.settings, random.random()))  # noqa: S311 - jitter
            attempt += 1

    async def _one_connection(self) -> None:
        async with connected(self.at, self.entry) as (terminal, self.entry):
            await self._recognise(terminal)
            # Live events are asked for before the log is read: a punch in between comes twice, never not at all.
            await terminal.listen()
            await self.timekeeper.measure(terminal)
            await self._reconcile(terminal, is_first=True)
            # After the log was read: its rows were written by the clock as it was.
            await self.timekeeper.keep(terminal, self.serial)
            self.at.health.online(self.entry.key, self.at.clock.now())
            self._job_waits.set()
            await self._listen(terminal)

    async def _recognise(self, terminal: Terminal) -> None:
        self.entry, self._info = await recognise(self.at, self.entry, terminal)
        serial = self.serial
        stored = await self.at.writer.call(self.at.store.cursor, serial)
        self._cursor = stored or Cursor(0, 0, None)
        self._previous = await self.at.writer.call(self.at.store.last_instant, serial)

    @property
    def serial(self) -> TerminalSerial:
        """Who the terminal is."""
        return TerminalSerial(self.entry.serial)

    async def _reconcile(self, terminal: Terminal, *, is_first: bool = False) -> None:
        """Compare counters with what was read; read people or the whole log again where they differ or are old."""
        said = await terminal.capacity()
        now = self.at.clock.now()
        self.at.health.contacted(
            self.entry.key,
            now,
            capacity=Capacity(
                users=said.users,
                users_limit=said.users_capacity,
                fingers=said.fingers,
                fingers_limit=said.fingers_capacity,
                faces=said.faces,
                faces_limit=said.faces_capacity,
                punches=said.attlog_rows,
                punches_limit=said.attlog_capacity,
            ),
        )
        if said.users != self._user_count:
            await self.read_people(terminal)
            self._user_count = said.users
        read_at = self._cursor.read_at
        full_after = timedelta(seconds=self.at.settings.full_reconcile_seconds)
        if read_at is None or now - read_at > full_after:
            await self._read_log(terminal, None, said.attlog_capacity)
        elif said.attlog_rows != self._cursor.rows or (is_first and is_full(said)):
            await self._read_log(terminal, self._cursor.mark, said.attlog_capacity)
        await self._alarms.look_up(terminal, said.oplog_rows, self.serial, self._pins)

    @property
    def rows_known(self) -> int:
        """How many rows it should hold by what was seen of it."""
        return self._cursor.rows

    async def read_whole_log(self, terminal: Terminal) -> AttendanceLog:
        """Read and record every row it holds."""
        return await self._read_log(terminal, None, 0)

    def rows_of(self, attendance: AttendanceLog) -> list[Punch | Quarantined]:
        """The rows as they are recorded."""
        return normalise(attendance.records, self._reading(Channel.PULL, previous=None))

    def wake(self) -> None:
        """A job waits."""
        self._job_waits.set()

    async def start_generation(self, rows: int) -> None:
        """A log that shrank, or was never seen, begins a new life of the terminal (security-design I5)."""
        now = self.at.clock.now()
        generation = self._cursor.generation + 1
        started = GenerationStarted(self.serial, generation, self._info.firmware, self._info.platform, rows, now)
        await self.at.writer.record(Batch(self.serial, now, generation=started))
        self._cursor = Cursor(generation, 0, None)
        self._log.info("generation_started", generation=generation, rows=rows)
        if generation > 1:
            text = f"Its list of punches began anew with {rows} rows: it was cleared, reset or exchanged."
            await self.at.note(self.entry.key, "generation_started", text)

    async def read_people(self, terminal: Terminal) -> UserList:
        """Read and record everybody it knows."""
        users = await terminal.users()
        now = self.at.clock.now()
        self.known = users, now
        people = [person for user in users.records if (person := person_of(user, self.serial, now))]
        self._pins = {user.uid: user.user_id for user in users.records if user.user_id}
        await self.at.writer.record(Batch(self.serial, now, people=people))
        self._log.info("people_read", people=len(people), rejected=len(users.rejected))
        return users

    async def _read_log(self, terminal: Terminal, mark: LogMark | None, limit: int) -> AttendanceLog:
        """Read what is behind the mark, or everything; `limit` is how many rows the terminal can hold, 0 unknown."""
        attendance = await terminal.attendance(layout=self.entry.attlog_layout or None, after=mark)
        holds, is_whole = attendance.rows, not attendance.skipped
        if began_anew(self._cursor, attendance, limit):
            await self.start_generation(holds)
        now = self.at.clock.now()
        accepted = 0
        reading = self._reading(Channel.PULL, previous=None if is_whole else self._previous)
        records = iter(attendance.records)
        # In a thread: decoding and normalising a long log would hold up the live punches of other terminals.
        while rows := await asyncio.to_thread(_next_chunk, records, reading):
            accepted += await self._keep(rows, now)
            reading = replace(reading, previous=_last_instant(rows) or reading.previous)
        aside = put_aside(attendance.rejected, self.serial)
        await self.at.writer.record(
            Batch(self.serial, now, rows=aside, holds=holds, mark=attendance.mark, is_whole=is_whole)
        )
        read_at = now if is_whole else self._cursor.read_at
        self._cursor = Cursor(self._cursor.generation, holds, read_at, attendance.mark)
        self._log.info("log_read", rows=holds, read=holds - attendance.skipped, accepted=accepted, rejected=len(aside))
        return attendance

    async def _listen(self, terminal: Terminal) -> None:
        settings, clock = self.at.settings, self.at.clock
        reconcile_at = clock.monotonic() + settings.reconcile_seconds
        while True:
            wait = min(settings.keepalive_seconds, max(0.0, reconcile_at - clock.monotonic()))
            events = await self._waiting_events(terminal, wait)
            if events:
                await self._take_live(terminal, events)
            elif not self._job_waits.is_set():
                await self.timekeeper.measure(terminal)
                await self.timekeeper.keep(terminal, self.serial)
            if self._job_waits.is_set():
                self._job_waits.clear()
                await run_waiting(self, terminal)
            if clock.monotonic() >= reconcile_at:
                await self._reconcile(terminal)
                reconcile_at = clock.monotonic() + settings.reconcile_seconds

    async def _waiting_events(self, terminal: Terminal, wait: float) -> list[Event]:
        """The next event and those right behind it; empty when none came in time, or a job waits."""
        listening = asyncio.create_task(terminal.next_event(timeout=wait))
        waking = asyncio.create_task(self._job_waits.wait())
        try:
            await asyncio.wait({listening, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            if not listening.done():
                listening.cancel()
        events: list[Event] = []
        event = None if listening.cancelled() or not listening.done() else listening.result()
        while event is not None and len(events) < CHUNK:
            events.append(event)
            event = await terminal.next_event(timeout=0)
        return events

    async def _take_live(self, terminal: Terminal, events: Sequence[Event]) -> None:
        records = [row_of(event) for event in events if isinstance(event, AttendanceEvent)]
        if any(not record.user_id and record.uid not in self._pins for record in records):
            await self.read_people(terminal)
        now = self.at.clock.now()
        rows = normalise(records, self._reading(Channel.LIVE, self._previous))
        self._previous = _last_instant(rows) or self._previous
        rows += put_aside(map(_unreadable, filter(_is_unreadable_punch, events)), self.serial)
        if rows:
            accepted = await self._keep(rows, now)
            self._cursor = replace(self._cursor, rows=self._cursor.rows + accepted)
        await self._alarms.hear(events, self.serial, self._pins, self.timekeeper.drift)
        self.at.health.contacted(self.entry.key, now)

    async def _keep(self, rows: list[Punch | Quarantined], now: datetime) -> int:
        recorded = await self.at.writer.record(Batch(self.serial, now, rows=rows))
        return len(recorded.accepted)

    def _reading(self, channel: Channel, previous: datetime | None) -> Reading:
        return Reading(
            tenant=self.at.place.tenant,
            terminal=self.serial,
            zone=self.at.place.zone,
            drift=self.timekeeper.drift,
            received_at=self.at.clock.now(),
            channel=channel,
            pins=self._pins,
            previous=previous,
        )


class Collectors:
    """The collectors of a place: one supervised task for each terminal that is switched on."""

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._collectors: dict[str, Collector] = {}

    async def apply(self, entry: RosterEntry) -> None:
        """Start, restart or stop the collector of a terminal, as its entry now says."""
        await self._stop(entry.key)
        self._at.health.switched(entry.key, self._at.clock.now())
        if entry.is_enabled and entry.protocol == "pull":
            collector = self._collectors[entry.key] = Collector(entry, self._at)
            self._tasks[entry.key] = unattended(collector.run(), f"collector {entry.key}")

    def wake(self, key: str) -> None:
        """A job waits for this terminal."""
        if key in self._collectors:
            self._collectors[key].wake()

    def users(self, key: str) -> tuple[UserList, datetime] | None:
        """Everybody a terminal knew when it was last read, and when that was."""
        return self._collectors[key].known if key in self._collectors else None

    def rows_known(self, key: str) -> int | None:
        """How many rows a terminal should hold by what was seen of it."""
        return self._collectors[key].rows_known if key in self._collectors else None

    async def stop(self) -> None:
        """Stop them all."""
        for key in list(self._tasks):
            await self._stop(key)

    async def _stop(self, key: str) -> None:
        self._collectors.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def backoff(attempt: int, settings: PlaceSettings, chance: float) -> float:
    """Seconds before the next try: exponential, capped, with jitter; `chance` is uniform in 0..1."""
    ceiling = min(settings.backoff_max_seconds, settings.backoff_seconds * 2 ** min(attempt, 20))
    return float(ceiling * (0.5 + chance / 2))


def is_full(said: zk_capacity.Capacity) -> bool:
    """A full log forgets its oldest rows for new ones, and its count stays as it is."""
    return 0 < said.attlog_capacity <= said.attlog_rows


def began_anew(cursor: Cursor, log: AttendanceLog, limit: int) -> bool:
    """Whether a terminal's list is another than the one read before: cleared, shrunk or never seen (I5).

    A full list loses its oldest rows and stays the same list as long as the last rows read are still in it.
    """
    if cursor.generation == 0 or log.continues is False:
        return True
    has_wrapped = limit <= log.rows if limit else log.continues is True
    return log.rows < cursor.rows and not has_wrapped


def _next_chunk(records: Iterator[AttlogRecord], reading: Reading) -> list[Punch | Quarantined]:
    return normalise(islice(records, CHUNK), reading)


def _is_unreadable_punch(event: Event) -> bool:
    return isinstance(event, OtherEvent) and event.code == EventMask.ATTLOG


def _unreadable(event: Event) -> RejectedRow:
    return RejectedRow(event.raw, "expected a live punch in a known layout, got another")


def _last_instant(rows: list[Punch | Quarantined]) -> datetime | None:
    return next((row.instant for row in reversed(rows) if isinstance(row, Punch)), None)
