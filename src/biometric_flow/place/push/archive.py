"""What terminals uploaded, as it came: kept beside the truth, bounded, and never in its way (ADR 35).

A file of its own, written after the punches are durable and before the terminal is answered. When it cannot be
written, that is logged and counted, and nothing else happens: the archive explains punches, it does not prove them.
"""

import asyncio
import hmac
import re
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from biometric_flow.identity.envelope import PLAINTEXT_MAX, Binding, KeyId, key_id_of, row_name
from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import PLACE, UPLOADS
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.push.errors import ArchiveUnreadable, UploadUnknown
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.key_store import KeyStore
from biometric_flow.zk.push.text import BODY_MAX, without_secrets

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

PRUNE_EVERY: Final = 3600.0
"""Seconds between two looks for what has become too old."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS upload (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    terminal    TEXT NOT NULL,             -- serial number
    table_name  TEXT NOT NULL,
    query       TEXT NOT NULL,             -- what came with it: stamp, count, page
    digest      BLOB NOT NULL,             -- keyed, of what is kept: a bare hash of a PIN and a time can be guessed
    body        BLOB NOT NULL,             -- deflated and sealed; without templates, pictures and passwords
    size        INTEGER NOT NULL,          -- bytes that came
    is_whole    INTEGER NOT NULL,          -- 0: something was left out
    received_at TEXT NOT NULL,
    last_at     TEXT NOT NULL,
    times       INTEGER NOT NULL DEFAULT 1,
    accepted    INTEGER NOT NULL,
    duplicate   INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    people      INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    entries     TEXT NOT NULL              -- ledger sequences of its new punches, as `7-12,15`
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS upload_by_content ON upload (terminal, table_name, digest);
CREATE INDEX IF NOT EXISTS upload_by_age ON upload (terminal, number);
"""
_TEXT_TABLES: Final = (
    "ATTLOG", "RTLOG", "OPERLOG", "BIODATA", "ERRORLOG", "WORKCODE", "OPTIONS", "TABLEDATA", "QUERYDATA",
)  # fmt: skip
_RESEALED_AT_ONCE: Final = 8
"""Bodies in one go; they may be megabytes each, and uploads wait meanwhile."""
_UNKNOWN_LINE: Final = 200
"""Bytes kept of a line of a table whose layout is not public."""

_COLUMNS: Final = (
    "number, terminal, table_name, query, size, is_whole, received_at, last_at, times, accepted, duplicate,"
    " quarantined, people, events, entries, length(body)"
)


@dataclass(slots=True)
class Outcome:
    """What became of an upload. Filled while it is kept."""

    sequences: list[int] = field(default_factory=list)
    duplicate: int = 0
    quarantined: int = 0
    people: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One upload as it came."""

    terminal: TerminalSerial
    table: str
    query: str
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedUpload:
    """One upload in the archive, without its body."""

    number: int
    terminal: TerminalSerial
    table: str
    query: str
    size: int
    """Bytes that came."""
    is_whole: bool
    """False: templates, pictures, passwords or identity cards were left out."""
    received_at: datetime
    last_at: datetime
    times: int
    """How often exactly this came."""
    accepted: int
    duplicate: int
    quarantined: int
    people: int
    events: int
    entries: Sequence[tuple[int, int]]
    """Ranges of ledger sequences, both ends included."""
    stored: int
    """Bytes it takes in the archive."""


def kept_part(table: str, body: bytes) -> tuple[bytes, bool]:
    """What of a body may be kept in clear, and whether that is all of it (security-design E5); pure.

    Lines with templates, pictures or identity cards keep their head. Of a body that is no text, what stands before its
    first NUL is kept.
    """
    head, nul, _ = body.partition(b"\0")
    if nul and head.strip():
        return without_secrets(head[:1024]), False
    lines = map(without_secrets, body.split(b"\n"))
    plain = b"\n".join(lines if table in _TEXT_TABLES else (line[:_UNKNOWN_LINE] for line in lines))
    return plain, plain == body


class UploadArchive:
    """The archive of one place. `keep` never raises for a failing disk; everything else raises ArchiveUnreadable."""

    def __init__(self, file: Path, keys: KeyStore, bytes_max: int, age_max: timedelta) -> None:
        self.failures = 0
        """Uploads that could not be kept since the place started."""
        self._keys = keys
        self._digest_key = keys.derived(PLACE, UPLOADS)
        self._bytes_max = bytes_max
        self._age_max = age_max
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="place-archive")
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5)
        file.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the newest uploads of the archive; their punches are in the ledger, which is FULL.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.executescript(_SCHEMA)
        self._sizes: dict[str, int] = dict(
            self._connection.execute("SELECT terminal, sum(length(body)) FROM upload GROUP BY terminal").fetchall()
        )

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self._bytes_max > 0

    async def keep(self, arrival: Arrival, outcome: Outcome) -> None:
        """Keep an upload. A disk that fails costs its copy here and nothing else."""
        if not self.is_on or not arrival.body:
            return
        try:
            await self._call(self._keep, arrival, outcome)
        except (sqlite3.Error, StorageUnavailable) as error:
            self.failures += 1
            log.error("upload_not_archived", serial=arrival.terminal, table=arrival.table, reason=str(error))

    async def listed(self, terminal: str | None, table: str | None, before: int, limit: int) -> list[ArchivedUpload]:
        """Uploads, newest first, with numbers below `before`."""
        query = (
            f"SELECT {_COLUMNS} FROM upload WHERE number < ? AND (? IS NULL OR terminal = ?)"  # noqa: S608
            " AND (? IS NULL OR table_name = ?) ORDER BY number DESC LIMIT ?"
        )
        rows = await self._read(query, (before, terminal, terminal, table, table, limit))
        return [_upload(row) for row in rows]

    async def get(self, number: int) -> tuple[ArchivedUpload, bytes]:
        """One upload and its body. Raises UploadUnknown."""
        rows = await self._read(f"SELECT {_COLUMNS}, digest, body FROM upload WHERE number = ?", (number,))  # noqa: S608
        if not rows:
            raise UploadUnknown(
                f"expected the number of an upload in the archive, got {number}; it may have been pruned"
            )
        *columns, digest, body = rows[0]
        try:
            return _upload(tuple(columns)), zlib.decompressobj().decompress(self._opened(digest, body), BODY_MAX)
        except (zlib.error, IdentityError) as error:
            raise ArchiveUnreadable(f"upload {number} of the archive is damaged: {error}") from None

    async def forget_old(self, clock: Clock) -> None:
        """Prune every hour, for ever."""
        while True:
            try:
                if count := await self.prune(clock.now()):
                    log.info("archive_pruned", count=count)
            except sqlite3.Error as error:
                log.error("archive_not_pruned", reason=str(error))
            await clock.sleep(PRUNE_EVERY)

    async def forget_person(self, pin: str) -> int:
        """Delete every upload that names this PIN; how many. Raises ArchiveUnreadable."""
        named = re.compile(rb"(?<![0-9A-Za-z])" + re.escape(pin.encode()) + rb"(?![0-9A-Za-z])")
        gone = 0
        for (number,) in await self._read("SELECT number FROM upload ORDER BY number", ()):
            _, body = await self.get(number)
            if named.search(body):
                await self._call(self._delete, number)
                gone += 1
        return gone

    def _delete(self, number: int) -> None:
        rows = self._connection.execute(
            "DELETE FROM upload WHERE number = ? RETURNING terminal, length(body)", (number,)
        ).fetchall()
        for terminal, length in rows:
            self._sizes[terminal] -= length

    async def prune(self, now: datetime) -> int:
        """Forget what is older than the place keeps it; gives how many."""
        return await self._call(self._prune_old, now)

    async def reseal(self, old: frozenset[KeyId]) -> int:
        """Seal anew what is under these keys of the place; how many uploads. Raises StorageUnavailable."""
        after: int | None = 0
        total = 0
        try:
            while after is not None:
                after, count = await self._call(self._reseal_some, after, old)
                total += count
            # Durable before the old key goes; no other write of the archive has to be.
            await self._call(self._connection.execute, "PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the archive of uploads did not take the write: {error}") from error
        return total

    async def close(self) -> None:
        """Finish what is under way."""
        await self._call(self._connection.close)
        self._thread.shutdown(wait=False)

    async def _call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        def fetched() -> list[tuple[Any, ...]]:
            return self._connection.execute(query, values).fetchall()

        try:
            return await self._call(fetched)
        except sqlite3.Error as error:
            raise ArchiveUnreadable(f"the archive of uploads could not be read: {error}") from error

    def _keep(self, arrival: Arrival, outcome: Outcome) -> None:
        kept, is_whole = kept_part(arrival.table, arrival.body)
        digest = hmac.digest(self._digest_key, kept, "sha256")
        body = self._sealed(digest, zlib.compress(kept, 6))
        at = arrival.at.isoformat()
        known = self._connection.execute(
            "UPDATE upload SET times = times + 1, last_at = ? WHERE terminal = ? AND table_name = ? AND digest = ?",
            (at, arrival.terminal, arrival.table, digest),
        )
        if known.rowcount or len(body) > self._bytes_max:
            return
        self._make_room(arrival.terminal, len(body))
        counts = (len(outcome.sequences), outcome.duplicate, outcome.quarantined, outcome.people, outcome.events)
        self._connection.execute(
            "INSERT INTO upload (terminal, table_name, query, digest, body, size, is_whole, received_at, last_at,"
            " accepted, duplicate, quarantined, people, events, entries)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(arrival.terminal, arrival.table, arrival.query, digest, body, len(arrival.body), is_whole, at, at),
                *counts,
                ranges_text(outcome.sequences),
            ),
        )
        self._sizes[arrival.terminal] = self._sizes.get(arrival.terminal, 0) + len(body)

    def _sealed(self, digest: bytes, plain: bytes) -> bytes:
        """The body in envelopes of the place's key, each with its length before it."""
        pieces = [plain[start : start + PLAINTEXT_MAX] for start in range(0, len(plain), PLAINTEXT_MAX)]
        sealed = [self._keys.seal(PLACE, _binding(digest, place), piece) for place, piece in enumerate(pieces)]
        return b"".join(len(one).to_bytes(4, "big") + one for one in sealed)

    def _opened(self, digest: bytes, sealed: bytes) -> bytes:
        pieces = enumerate(_envelopes(sealed))
        return b"".join(self._keys.open(PLACE, _binding(digest, place), one) for place, one in pieces)

    def _reseal_some(self, after: int, old: frozenset[KeyId]) -> tuple[int | None, int]:
        query = "SELECT number, digest, body FROM upload WHERE number > ? ORDER BY number LIMIT ?"
        rows = self._connection.execute(query, (after, _RESEALED_AT_ONCE)).fetchall()
        count = 0
        for number, digest, body in rows:
            if any(key_id_of(one) in old for one in _envelopes(body)):
                fresh = self._sealed(digest, self._opened(digest, body))
                self._connection.execute("UPDATE upload SET body = ? WHERE number = ?", (fresh, number))
                count += 1
        return (rows[-1][0] if rows else None), count

    def _make_room(self, terminal: str, size: int) -> None:
        """The oldest of this terminal go first; no terminal costs another its past."""
        while self._sizes.get(terminal, 0) + size > self._bytes_max:
            rows = self._connection.execute(
                "DELETE FROM upload WHERE number IN (SELECT number FROM upload WHERE terminal = ? ORDER BY number"
                " LIMIT 16) RETURNING length(body)",
                (terminal,),
            ).fetchall()
            if not rows:
                self._sizes[terminal] = 0
                return
            self._sizes[terminal] -= sum(length for (length,) in rows)

    def _prune_old(self, now: datetime) -> int:
        rows = self._connection.execute(
            "DELETE FROM upload WHERE last_at < ? RETURNING terminal, length(body)",
            ((now - self._age_max).isoformat(),),
        ).fetchall()
        for terminal, length in rows:
            self._sizes[terminal] = self._sizes.get(terminal, 0) - length
        self._connection.execute("PRAGMA incremental_vacuum").fetchall()
        return len(rows)


def _envelopes(sealed: bytes) -> list[bytes]:
    """Those of a body, which lie one behind the other with their lengths."""
    pieces: list[bytes] = []
    start = 0
    while start < len(sealed):
        size = int.from_bytes(sealed[start : start + 4], "big")
        pieces.append(sealed[start + 4 : start + 4 + size])
        start += 4 + size
    return pieces


def _binding(digest: bytes, place: int) -> Binding:
    return Binding("upload", "body", row_name(digest, place))


def ranges_text(sequences: Sequence[int]) -> str:
    """Numbers as `7-12,15`."""
    found: list[list[int]] = []
    for number in sorted(sequences):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in found)


def read_ranges(text: str) -> list[tuple[int, int]]:
    """The ranges that `ranges_text` wrote."""
    pairs = (part.partition("-") for part in text.split(",") if part)
    return [(int(first), int(last or first)) for first, _, last in pairs]


def told_text(query: Mapping[str, str]) -> str:
    """What stood beside a body in its address, without serial number and secrets."""
    names = ("stamp", "opstamp", "photostamp", "contenttype", "tablename", "count", "cmdid", "packcnt", "packidx")
    return "&".join(f"{name}={query[name][:40]}" for name in names if query.get(name))


def _upload(row: tuple[Any, ...]) -> ArchivedUpload:
    number, terminal, table, query, size, is_whole, received, last, times, *rest = row
    accepted, duplicate, quarantined, people, events, entries, stored = rest
    return ArchivedUpload(
        number, terminal, table, query, size, bool(is_whole), datetime.fromisoformat(received),
        datetime.fromisoformat(last), times, accepted, duplicate, quarantined, people, events,
        read_ranges(entries), stored,
    )  # fmt: skip
