"""Uploads -> batches: each is acknowledged only after punches, people, events and stamp are durable together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, ParamSpec, TypeVar

import structlog

from biometric_flow.ledger.events import GenerationStarted
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.model.punch import Channel, Punch
from biometric_flow.place.biometrics.samples import Sample, sample_of
from biometric_flow.place.normalise import Quarantined, Reading, drift_of, normalise, put_aside
from biometric_flow.place.push.alarms import incidents_of
from biometric_flow.place.push.archive import Outcome
from biometric_flow.place.push.hearing import Hearings
from biometric_flow.place.push.sorting import Sorted, alarms_of, sort_out
from biometric_flow.place.push.tables import PushNotes, TerminalEvent
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.store import Batch, Recorded
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.attlog import read_attlog, read_usb_attlog
from biometric_flow.zk.push.operlog import read_operlog
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto, read_photo
from biometric_flow.zk.push.realtime import read_rtlog, read_rtstate
from biometric_flow.zk.push.tables import read_table
from biometric_flow.zk.push.text import Lines, without_secrets
from biometric_flow.zk.wire.rows import RejectedRow

log = structlog.get_logger()

CHUNK: Final = 2000
"""Rows handed to the writer at once, so that a whole log never holds up another terminal's punch."""

_IN_PLACE: Final = 64 * 1024
"""Bodies up to this size are read at once, larger ones in a thread."""

_GZIP: Final = b"\x1f\x8b"

_PUSH: Final = Channel.PUSH

Record = TypeVar("Record")
Result = TypeVar("Result")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Upload:
    """One body of one terminal. `stamps` is kept with its last row."""

    entry: RosterEntry
    body: bytes
    stamps: Mapping[str, str]
    outcome: Outcome = field(default_factory=Outcome)
    """Told while it is kept."""
    at: datetime | None = None
    """When it came, if that was not now: out of the archive."""

    @property
    def serial(self) -> TerminalSerial:
        """Whose it is."""
        return TerminalSerial(self.entry.serial)


class Intake:
    """Keeps what terminals send. Methods return the lines handled, raise StorageUnavailable when the disk failed.

    A body beyond all bounds raises ProtocolViolation; a line that cannot be read is kept aside and counts as handled.
    """

    def __init__(self, workplace: Workplace) -> None:
        self._at = workplace
        self.hearings = Hearings()
        self._drift: dict[str, timedelta] = {}
        self._begun: set[TerminalSerial] = set()

    async def attlog(self, upload: Upload) -> int:
        """Punches of Attendance PUSH."""
        lines = await _read(read_attlog, upload.body)
        await self._keep(upload, Sorted([line.record for line in lines.records]), lines.rejected)
        return lines.total

    async def usb_file(self, upload: Upload) -> Recorded:
        """Punches of an attlog.dat that somebody carried over."""
        lines = await _read(read_usb_attlog, upload.body)
        punches = [line.record for line in lines.records]
        return await self._keep(upload, Sorted(punches), lines.rejected, Channel.IMPORT)

    async def operlog(self, upload: Upload) -> int:
        """People and operations; templates and pictures go through the vault (security-design E4, E5)."""
        return await self._mixed(upload, await _read(read_operlog, upload.body))

    async def table(self, upload: Upload, table: str) -> int:
        """Rows of a table of Security PUSH."""
        return await self._mixed(upload, await _read(lambda body: read_table(table, body), upload.body))

    async def rtlog(self, upload: Upload) -> int:
        """Door events: those of people who were let in are punches."""
        return await self._mixed(upload, await _read(read_rtlog, upload.body))

    async def rtstate(self, upload: Upload) -> int:
        """The state of doors, which also tells the terminal's clock."""
        lines = await _read(read_rtstate, upload.body)
        now = self._at.clock.now()
        for state in lines.records[-1:]:
            if state.time.is_possible:
                drift = drift_of(state.time.to_datetime(), self._at.place.zone, now)
                self._drift[upload.entry.key] = drift
                self._at.health.contacted(upload.entry.key, now, drift=drift)
        events = [event for state in lines.records for event in alarms_of(state, upload.serial)]
        if events or lines.rejected:
            await self._keep(upload, Sorted(events=events), lines.rejected)
        return lines.total

    async def stamps(self, upload: Upload) -> None:
        """Nothing but stamps, for uploads whose contents are not kept."""
        if upload.stamps:
            await self._keep(upload, Sorted())

    async def photo(self, upload: Upload) -> int:
        """The picture taken with a punch."""
        return await self._mixed(upload, Lines([read_photo(upload.body)]))

    async def unreadable(self, upload: Upload, reason: str) -> None:
        """A body of which nothing can be read: its beginning is kept aside, or it would come again for ever."""
        await self._keep(replace(upload, stamps={}), Sorted(), [RejectedRow(_readable(upload.body), reason)])

    async def begin_again(self, entry: RosterEntry, rows: int) -> None:
        """The terminal holds fewer punches than before: a new life of its log begins (security-design I5)."""
        serial, now = TerminalSerial(entry.serial), self._at.clock.now()
        cursor = await self._at.writer.call(self._at.store.cursor, serial)
        generation = cursor.generation + 1 if cursor else 1
        await self._at.writer.record(Batch(serial, now, generation=self._generation(entry, generation, rows)))
        self._begun.add(serial)
        log.info("generation_started", terminal=entry.key, generation=generation, rows=rows)

    async def _mixed(self, upload: Upload, lines: Lines[Record]) -> int:
        if upload.at is None:
            self.hearings.records(upload.entry.key, lines.records)
        now = upload.at or self._at.clock.now()
        found = await _aside(len(lines.records), sort_out, lines.records, upload.serial, now)
        if upload.at is not None:
            # Out of the archive: who is who has changed since, what happened has not.
            found = Sorted(found.punches, events=found.events)
        if found.biometrics:
            await self._biometrics(upload, found.biometrics)
        await self._keep(upload, found, lines.rejected)
        return lines.total

    async def _biometrics(self, upload: Upload, records: Sequence[TemplateLine | AttendancePhoto]) -> None:
        """Keep or drop them before anything positive is said, so that the terminal sends them once."""
        samples: list[Sample] = []
        unreadable = 0
        for record in records:
            await asyncio.sleep(0)  # each may be a megabyte of base64
            try:
                samples.append(sample_of(record))
            except (ProtocolViolation, ValueError):
                unreadable += 1
        now = self._at.clock.now()
        outcomes = await self._at.writer.call(self._at.vault.keep, samples, unreadable, upload.serial, now)
        log.info("templates_came", terminal=upload.entry.key, **{str(name): count for name, count in outcomes.items()})

    async def _keep(
        self, upload: Upload, found: Sorted, rejected: Sequence[RejectedRow] = (), channel: Channel = _PUSH
    ) -> Recorded:
        entry, serial, now = upload.entry, upload.serial, upload.at or self._at.clock.now()
        await self._begin(entry)
        reading = Reading(
            tenant=self._at.place.tenant,
            terminal=serial,
            zone=self._at.place.zone,
            drift=self._drift.get(entry.key),
            received_at=now,
            channel=channel,
            pins={},
            previous=await self._at.writer.call(self._at.store.last_instant, serial),
        )
        total, records = Recorded(), found.punches
        for start in range(0, len(records) - CHUNK, CHUNK):
            rows = await asyncio.to_thread(normalise, records[start : start + CHUNK], reading)
            _add(total, await self._at.writer.record(Batch(serial, now, rows=rows)))
            self.hearings.rows(entry.key, rows)
            reading = replace(reading, previous=_last_instant(rows) or reading.previous)
        left = max(0, (len(records) - 1) // CHUNK * CHUNK)
        for start in range(0, len(rejected) - CHUNK, CHUNK):
            aside = await asyncio.to_thread(put_aside, rejected[start : start + CHUNK], serial)
            _add(total, await self._at.writer.record(Batch(serial, now, rows=aside)))
            self.hearings.rows(entry.key, aside)
        unread = max(0, (len(rejected) - 1) // CHUNK * CHUNK)
        rows = [*normalise(records[left:], reading), *put_aside(rejected[unread:], serial)]
        notes = PushNotes(upload.stamps, found.events, found.work_codes)
        _add(total, await self._at.writer.record(Batch(serial, now, rows=rows, people=found.people, notes=notes)))
        self.hearings.rows(entry.key, rows)
        if upload.at is None:
            await self._raise_alarms(entry, found.events)
        _tell(upload.outcome, total, found)
        log.info(
            "upload_kept",
            terminal=entry.key,
            channel=str(channel),
            accepted=len(total.accepted),
            duplicate=total.duplicate,
            quarantined=total.quarantined,
            people=len(found.people),
            events=len(found.events),
            without_use=found.without_use,
        )
        return total

    async def _raise_alarms(self, entry: RosterEntry, events: Sequence[TerminalEvent]) -> None:
        """An alarm stays until a person has seen it; a door that tells the same again and again is told once."""
        known = {(one.code, one.text) for one in self._at.incidents.of(entry.key)}
        for code, text in incidents_of(events).items():
            if (code, text) not in known:
                await self._at.note(entry.key, code, text)

    async def _begin(self, entry: RosterEntry) -> None:
        serial = TerminalSerial(entry.serial)
        if serial not in self._begun and await self._at.writer.call(self._at.store.cursor, serial) is None:
            await self._at.writer.record(Batch(serial, self._at.clock.now(), generation=self._generation(entry, 1, 0)))
        self._begun.add(serial)

    def _generation(self, entry: RosterEntry, generation: int, rows: int) -> GenerationStarted:
        now = self._at.clock.now()
        known = self._at.health.condition(entry.key, now)
        return GenerationStarted(TerminalSerial(entry.serial), generation, known.firmware, known.platform, rows, now)


def _readable(body: bytes) -> bytes:
    """The head of a body of which nothing can be read, up to where a picture or an archive may begin."""
    if body.startswith(_GZIP):
        return _GZIP
    return b"\n".join(map(without_secrets, body[:1024].partition(b"\0")[0].split(b"\n")))


async def _read(read: Callable[[bytes], Lines[Record]], body: bytes) -> Lines[Record]:
    return read(body) if len(body) <= _IN_PLACE else await asyncio.to_thread(read, body)


async def _aside(size: int, work: Callable[P, Result], *arguments: P.args, **named: P.kwargs) -> Result:
    """Do it at once when it is little, else in a thread, so that the place goes on answering."""
    if size <= CHUNK:
        return work(*arguments, **named)
    return await asyncio.to_thread(work, *arguments, **named)


def _tell(outcome: Outcome, total: Recorded, found: Sorted) -> None:
    outcome.sequences += [sequence for sequence, _ in total.accepted]
    outcome.duplicate += total.duplicate
    outcome.quarantined += total.quarantined
    outcome.people += len(found.people)
    outcome.events += len(found.events)


def _add(total: Recorded, more: Recorded) -> None:
    total.accepted += more.accepted
    total.duplicate += more.duplicate
    total.quarantined += more.quarantined
    total.head = more.head


def _last_instant(rows: Sequence[Punch | Quarantined]) -> datetime | None:
    return next((row.instant for row in reversed(rows) if isinstance(row, Punch)), None)
