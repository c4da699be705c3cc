"""What each request of an admitted terminal means, and what it is answered; knows no sockets."""

import asyncio
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.push.archive import Arrival, UploadArchive, told_text
from biometric_flow.place.push.intake import Intake, Upload
from biometric_flow.place.push.queue import CommandQueue, Delivery
from biometric_flow.place.push.runner import PushJobs
from biometric_flow.place.push.tables import PROTOCOL_NOTE, PushReader
from biometric_flow.place.push.upkeep import ZONE_NOTE, Upkeep, minutes_of
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.handshake import (
    HIGHEST,
    Hello,
    Terms,
    attendance_terms,
    lower_version,
    read_stamp,
    security_options,
    security_terms,
    session_token,
)
from biometric_flow.zk.push.operlog import unpack_archive
from biometric_flow.zk.push.options import read_options
from biometric_flow.zk.push.photo import HEAD_MAX as PHOTO_HEAD_MAX
from biometric_flow.zk.push.results import read_results
from biometric_flow.zk.push.text import Fields, PushProtocol, decode_text
from biometric_flow.zk.wire.timecode import TerminalTime

log = structlog.get_logger()

_TABLES: Final = frozenset({
    "ATTLOG", "OPERLOG", "ATTPHOTO", "BIODATA", "IDCARD", "ERRORLOG", "OPTIONS", "RTLOG", "RTSTATE", "TABLEDATA",
    "QUERYDATA",
})  # fmt: skip
"""Names that metrics tell apart; a terminal may send any."""
_TABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a terminal that was let in."""

    entry: RosterEntry
    method: str
    endpoint: str
    query: Fields
    body: bytes = b""
    token: str = ""
    """The cookie that Security PUSH sends."""

    @property
    def serial(self) -> TerminalSerial:
        """Who asks."""
        return TerminalSerial(self.entry.serial)


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is answered."""

    body: str = "OK"
    status: int = 200
    content: bytes = b""
    """Bytes instead of a text."""


class Desk:
    """Answers terminals. Raises StorageUnavailable when nothing was kept; then nothing positive may be said."""

    def __init__(self, workplace: Workplace, reader: PushReader, queue: CommandQueue, archive: UploadArchive) -> None:
        self.intake = Intake(workplace)
        self.archive = archive
        self.uploads: Counter[tuple[str, str]] = Counter()
        """Terminal and table -> uploads since this process started."""
        self.queue = queue
        self.reader = reader
        self._at = workplace
        self.upkeep = Upkeep(workplace, self.intake, reader, queue)
        self.jobs = PushJobs(workplace, self.intake, reader, queue)
        self._handlers: Mapping[tuple[str, str], Callable[[Request], Awaitable[Answer]]] = {
            ("GET", "cdata"): self._greet,
            ("POST", "cdata"): self._upload,
            ("GET", "getrequest"): self._poll,
            ("POST", "devicecmd"): self._results,
            ("GET", "ping"): self._ping,
            ("POST", "ping"): self._ping,
            ("POST", "registry"): self._register,
            ("POST", "push"): self._configure,
            ("GET", "push"): self._configure,
            ("GET", "rtdata"): self._time,
            ("POST", "querydata"): self._query_data,
            ("POST", "fdata"): self._file_data,
        }

    async def answer(self, request: Request) -> Answer:
        """The answer to a request; 404 for what no terminal asks for."""
        handler = self._handlers.get((request.method, request.endpoint))
        if handler is None:
            log.warning("push_path_unknown", terminal=request.entry.key, method=request.method, path=request.endpoint)
            if request.endpoint == "exchange":
                log.warning("push_encryption_asked", terminal=request.entry.key, do="lower its push_version")
            return Answer("Not Found", 404)
        if request.token and request.token != self._token(request):
            log.warning("push_token_differs", terminal=request.entry.key)
        return await handler(request)

    async def _greet(self, request: Request) -> Answer:
        entry, query = request.entry, request.query
        if query.first("type").lower() == "time":
            return Answer(f"Time={self._local().isoformat(timespec='seconds')}")
        if query.first("table", "type"):
            return Answer()
        hello = Hello.of(query)
        stamps = self.reader.stamps(request.serial)
        protocol = _family(hello.device_type) or PushProtocol(stamps.get(PROTOCOL_NOTE, PushProtocol.ATTENDANCE))
        terms = self._terms(entry, hello.version, protocol)
        told = {PROTOCOL_NOTE: str(protocol), ZONE_NOTE: str(minutes_of(self._local()))}
        if any(stamps.get(name) != value for name, value in told.items()):
            await self.intake.stamps(Upload(entry, b"", told))
        if protocol is PushProtocol.SECURITY:
            return Answer(security_terms(self._derived(entry, "registry"), self._derived(entry, "session"), terms))
        return Answer(attendance_terms(entry.serial, stamps, terms))

    async def _upload(self, request: Request) -> Answer:
        entry, query, body = request.entry, request.query, request.body
        table = query.first("table").upper()
        if not _TABLE.fullmatch(table):
            return Answer()
        stamp = read_stamp(query.first("stamp", "opstamp", "photostamp"))
        upload = Upload(entry, body, {} if stamp is None else {table: stamp})
        try:
            if query.first("contenttype").lower() == "tgz":
                upload = Upload(entry, await asyncio.to_thread(unpack_archive, body), upload.stamps)
            answer = await self._keep(table, upload, query)
        except ProtocolViolation as problem:
            log.warning("push_body_unreadable", terminal=entry.key, table=table, reason=str(problem))
            await self.intake.unreadable(upload, str(problem))
            return Answer()
        await self._archive(table, upload, query)
        return answer

    async def _archive(self, table: str, upload: Upload, query: Fields) -> None:
        self.uploads[upload.entry.key, table.lower() if table in _TABLES else "other"] += 1
        if table != "RTSTATE":  # a heartbeat, every few seconds
            arrival = Arrival(upload.serial, table, told_text(query), upload.body, self._at.clock.now())
            await self.archive.keep(arrival, upload.outcome)

    async def _keep(self, table: str, upload: Upload, query: Fields) -> Answer:
        match table:
            case "ATTLOG":
                await self._learn(upload.entry, PushProtocol.ATTENDANCE)
                return Answer(f"OK: {await self.intake.attlog(upload)}")
            case "OPERLOG" | "BIODATA" | "ERRORLOG" | "IDCARD" | "WORKCODE" | "USERPIC" | "BIOPHOTO":
                return Answer(f"OK: {await self.intake.operlog(upload)}")
            case "RTLOG":
                await self._learn(upload.entry, PushProtocol.SECURITY)
                await self.intake.rtlog(upload)
            case "RTSTATE":
                await self.intake.rtstate(upload)
            case "TABLEDATA":
                return await self._table(upload, query)
            case "ATTPHOTO":
                await self.intake.photo(upload)
            case "OPTIONS":
                self.upkeep.facts(upload.entry, read_options(decode_text(upload.body)))
            case _:
                # Tables of other firmware without a public layout: said yes to, or they would be sent for ever.
                log.info("push_table_not_kept", terminal=upload.entry.key, table=table, bytes=len(upload.body))
                await self.intake.stamps(upload)
        return Answer()

    async def _table(self, upload: Upload, query: Fields) -> Answer:
        name = query.first("tablename")
        if not _TABLE.fullmatch(name):
            return Answer("expected a tablename", 400)
        is_binary = name.upper() == "ATTPHOTO" and b"\0" in upload.body[:PHOTO_HEAD_MAX]
        handled = await (self.intake.photo(upload) if is_binary else self.intake.table(upload, name))
        told = query.first("count")
        # Any other count makes the terminal repeat the upload without end, and all of it has been dealt with.
        return Answer(f"{name}={told if told.isdecimal() and len(told) < 9 else handled}")

    async def _query_data(self, request: Request) -> Answer:
        if (kind := request.query.first("type").lower()) in ("count", "options"):
            return self._counted(request, kind)
        upload = Upload(request.entry, request.body, {})
        try:
            answer = await self._table(upload, request.query)
        except ProtocolViolation as problem:
            await self.intake.unreadable(upload, str(problem))
            return Answer(f"{request.query.first('tablename')}={request.query.first('count') or 0}")
        await self._archive("QUERYDATA", upload, request.query)
        return answer

    def _counted(self, request: Request, kind: str) -> Answer:
        """Answers that are no rows: the count of a table, or options."""
        told = read_options(decode_text(request.body[:4096]))
        table = request.query.first("tablename")
        if kind == "options":
            self.intake.hearings.told(request.entry.key, dict(told))
        elif (count := told.first(table)).isdecimal() and len(count) < 10:
            self.intake.hearings.counted(request.entry.key, table.lower(), int(count))
        return Answer(f"{table}={request.query.first('count') or 1}" if _TABLE.fullmatch(table) else "OK")

    async def _poll(self, request: Request) -> Answer:
        entry = request.entry
        if info := request.query.first("info"):
            await self.upkeep.informed(entry, info)
        stamps = self.reader.stamps(request.serial)
        protocol = PushProtocol(stamps.get(PROTOCOL_NOTE, PushProtocol.ATTENDANCE))
        await self.upkeep.follow_zone(entry, stamps, protocol)
        await self.upkeep.reconcile(entry, protocol)
        await self.jobs.polled(entry.key)
        if not self.queue.is_open(entry.key):
            return Answer()
        lines = await self._at.writer.call(self.queue.take, entry.key, protocol, self._at.clock.now())
        return Answer("\n".join(lines) + "\n" if lines else "OK")

    async def _results(self, request: Request) -> Answer:
        entry, results = request.entry, read_results(request.body)
        finished = await self._at.writer.call(self.queue.finish, entry.key, results, self._at.clock.now())
        if len(finished) < len(results):
            log.warning("push_result_ignored", terminal=entry.key, count=len(results) - len(finished))
        for delivery in finished:
            result, command = delivery.result, delivery.command
            log.info("push_command_done", terminal=entry.key, id=delivery.id, kind=type(command).__name__)
            if result is None:
                continue
            self._measure(entry, delivery)
            if isinstance(command, zk.AskInfo) and result.is_success:
                self.upkeep.facts(entry, result.values)
            if not delivery.job:
                await self.upkeep.answered(entry, command, result)
        self.jobs.signals.give(entry.key)
        return Answer()

    def _measure(self, entry: RosterEntry, delivery: Delivery) -> None:
        """How long the answer took; a terminal that is pulled too is measured there."""
        if entry.protocol == "push" and delivery.sent_at is not None:
            now = self._at.clock.now()
            self._at.health.contacted(entry.key, now, latency=now - delivery.sent_at)

    async def _ping(self, _request: Request) -> Answer:
        return Answer()

    async def _register(self, request: Request) -> Answer:
        await self._learn(request.entry, PushProtocol.SECURITY)
        self.upkeep.facts(request.entry, read_options(decode_text(request.body)))
        return Answer(f"RegistryCode={self._derived(request.entry, 'registry')}")

    async def _configure(self, request: Request) -> Answer:
        entry = request.entry
        version = HIGHEST[PushProtocol.SECURITY]
        return Answer(
            security_options(self._derived(entry, "session"), self._terms(entry, version, PushProtocol.SECURITY))
        )

    async def _time(self, request: Request) -> Answer:
        if request.query.first("type").lower() != "time":
            return Answer()
        utc = TerminalTime.from_datetime(self._at.clock.now().astimezone(UTC).replace(tzinfo=None))
        return Answer(f"DateTime={int(utc)},ServerTZ={self._local():%z}")

    async def _file_data(self, request: Request) -> Answer:
        log.info("push_file_not_kept", terminal=request.entry.key, bytes=len(request.body))
        return Answer()

    async def _learn(self, entry: RosterEntry, protocol: PushProtocol) -> None:
        """What it sends proves what it speaks, until a handshake names it."""
        if self.reader.stamps(TerminalSerial(entry.serial)).get(PROTOCOL_NOTE) != protocol:
            await self.intake.stamps(Upload(entry, b"", {PROTOCOL_NOTE: str(protocol)}))

    def _terms(self, entry: RosterEntry, theirs: str, protocol: PushProtocol) -> Terms:
        version = lower_version(theirs, entry.push_version or HIGHEST[protocol])
        offset = self._local().utcoffset() or timedelta()
        settings = self._at.settings
        return Terms(version, offset, settings.push_poll_seconds, wants_templates=settings.biometrics_are_kept)

    def _local(self) -> datetime:
        return self._at.clock.now().astimezone(self._at.place.zone)

    def _token(self, request: Request) -> str:
        entry = request.entry
        return session_token(self._derived(entry, "registry"), entry.serial, self._derived(entry, "session"))

    def _derived(self, entry: RosterEntry, what: str) -> str:
        """32 hexadecimal digits that only this terminal is told, the same after a restart."""
        return hmac.digest(entry.push_secret.encode(), f"{what}/1 {entry.serial}".encode(), hashlib.sha256)[:16].hex()


def _family(device_type: str) -> PushProtocol | None:
    return next((protocol for protocol in PushProtocol if protocol == device_type), None)
