"""What only push terminals need in a place's file: stamps, events, commands. Written in the writer's thread."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.wording import Wording
from biometric_flow.zk.push.reports import WorkCode
from biometric_flow.zk.push.text import PushProtocol

EVENTS_KEPT: Final = 10_000
"""Newest events kept of one terminal; punches are elsewhere and kept for ever."""

SCHEMA: Final = """
CREATE TABLE push_stamp (                  -- opaque text, given back to the terminal at its next handshake
    terminal TEXT NOT NULL,                -- serial number
    name     TEXT NOT NULL,                -- the table it is for; 'protocol' for the protocol the terminal speaks
    stamp    TEXT NOT NULL,
    PRIMARY KEY (terminal, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE terminal_event (              -- what happened at a terminal and is no punch
    id         BLOB PRIMARY KEY,
    terminal   TEXT NOT NULL,              -- serial number
    kind       TEXT NOT NULL,
    code       INTEGER NOT NULL,
    pin        TEXT NOT NULL,
    local_time TEXT NOT NULL,
    detail     TEXT NOT NULL,
    first_seen TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX terminal_event_by_time ON terminal_event (terminal, local_time);

CREATE TABLE push_command (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never reused, so that a late result cannot meet another command
    terminal   TEXT NOT NULL,              -- key
    body       TEXT NOT NULL,              -- JSON
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'confirmed', 'failed', 'timed_out')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    code       INTEGER,                    -- what the terminal returned
    detail     TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    sent_at    TEXT,
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX push_command_by_terminal ON push_command (terminal, id);
CREATE INDEX push_command_open ON push_command (terminal) WHERE state IN ('queued', 'sent');
"""

NAMELESS: Final = """
ALTER TABLE terminal_event RENAME COLUMN id TO known;     -- keyed digest of its contents
ALTER TABLE terminal_event RENAME COLUMN pin TO subject;  -- empty for nobody
"""
"""From there on events carry a subject instead of a PIN."""

WORK_CODES: Final = """
CREATE TABLE work_code (                   -- what the numbers beside punches stand for, as terminals tell it
    terminal TEXT NOT NULL,                -- serial number
    code     TEXT NOT NULL,
    name     TEXT NOT NULL,
    seen_at  TEXT NOT NULL,
    PRIMARY KEY (terminal, code)
) STRICT, WITHOUT ROWID;
"""

WORK_CODES_MAX: Final = 5_000
"""Work codes kept of one terminal."""


PROTOCOL_NOTE: Final = "protocol"
"""Name among a terminal's stamps for the protocol it speaks; tables have upper-case names there."""


class EventKind(StrEnum):
    """What kind of thing happened."""

    REFUSED = "refused"
    """Somebody was not let in; never a punch, though it may carry a PIN."""
    ALARM = "alarm"
    DOOR = "door"
    """A normal event without a person."""
    OPERATION = "operation"
    """Something done in the terminal's menu."""
    FAULT = "fault"
    """Something the terminal could not do."""


@dataclass(frozen=True, slots=True)
class TerminalEvent:
    """One thing that happened at a terminal and is no punch."""

    terminal: TerminalSerial
    kind: EventKind
    code: int
    pin: str
    local_time: str
    """By the terminal's clock, `YYYY-MM-DDTHH:MM:SS`."""
    detail: str = ""

    @property
    def id(self) -> bytes:
        """Computed from its contents, so that an upload that comes twice is kept once."""
        parts = (self.terminal, self.kind, str(self.code), self.pin, self.local_time, self.detail)
        return hashlib.sha256("\0".join(("event/1", *parts)).encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class PushNotes:
    """What an upload brought beside punches and people; kept in the same transaction as they."""

    stamps: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[TerminalEvent] = ()
    work_codes: Sequence[WorkCode] = ()


def keep_notes(
    connection: sqlite3.Connection, subjects: Subjects, terminal: TerminalSerial, notes: PushNotes, now: datetime
) -> None:
    """Write stamps and events inside the caller's transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO push_stamp VALUES (?, ?, ?)",
        [(terminal, name, stamp) for name, stamp in notes.stamps.items()],
    )
    keep_work_codes(connection, terminal, notes.work_codes, now)
    if notes.events:
        connection.executemany(
            "INSERT OR IGNORE INTO terminal_event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [event_row(event, event.id, subjects, now) for event in notes.events],
        )
        connection.execute(
            "DELETE FROM terminal_event WHERE terminal = ? AND known NOT IN"
            " (SELECT known FROM terminal_event WHERE terminal = ? ORDER BY local_time DESC LIMIT ?)",
            (terminal, terminal, EVENTS_KEPT),
        )


def event_row(event: TerminalEvent, identity: bytes, subjects: Subjects, now: datetime) -> tuple[object, ...]:
    """The row of table `terminal_event`, in the caller's transaction: whoever it is about becomes a subject."""
    subjects.enrol([event.pin] if event.pin else [])
    pin = event.pin or None
    owner, known = subjects.owner(pin), subjects.known(pin, identity)
    detail = Wording(subjects).seal(owner, "terminal_event", "detail", known, event.detail)
    return (known, event.terminal, event.kind, event.code, owner.name, event.local_time, detail, now.isoformat())


def keep_work_codes(
    connection: sqlite3.Connection, terminal: TerminalSerial, codes: Sequence[WorkCode], now: datetime
) -> None:
    """Write names of work codes inside the caller's transaction; a newer name replaces the older one."""
    if not codes:
        return
    connection.executemany(
        "INSERT OR REPLACE INTO work_code VALUES (?, ?, ?, ?)",
        [(terminal, code.code, code.name, now.isoformat()) for code in codes[:WORK_CODES_MAX]],
    )
    connection.execute(
        "DELETE FROM work_code WHERE terminal = ? AND code NOT IN"
        " (SELECT code FROM work_code WHERE terminal = ? ORDER BY seen_at DESC LIMIT ?)",
        (terminal, terminal, WORK_CODES_MAX),
    )


class WorkCodes:
    """The names that people give. Methods run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def name(self, code: str, name: str, now: datetime) -> None:
        """Name a work code for the whole place. Raises StorageUnavailable."""
        try:
            self._connection.execute(
                "INSERT OR REPLACE INTO work_code VALUES ('', ?, ?, ?)", (code, name, now.isoformat())
            )
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the name was not kept: {error}") from error


def spoken_protocol(connection: sqlite3.Connection, terminal: TerminalSerial) -> PushProtocol | None:
    """What a terminal speaks; None before it dialled for the first time."""
    query = "SELECT stamp FROM push_stamp WHERE terminal = ? AND name = ?"
    row = connection.execute(query, (terminal, PROTOCOL_NOTE)).fetchone()
    return PushProtocol(row[0]) if row else None


class PushReader:
    """Queries beside the writer, over a read-only connection."""

    def __init__(self, connection: sqlite3.Connection, subjects: Subjects) -> None:
        self._connection, self._subjects, self._wording = connection, subjects, Wording(subjects)

    def stamps(self, terminal: TerminalSerial) -> dict[str, str]:
        """Table -> last stamp that was kept together with its rows."""
        return dict(self._connection.execute("SELECT name, stamp FROM push_stamp WHERE terminal = ?", (terminal,)))

    def events(self, terminal: TerminalSerial, limit: int) -> list[tuple[TerminalEvent, datetime]]:
        """Events and when they were first seen, newest first."""
        query = (
            "SELECT kind, code, subject, local_time, detail, first_seen, known FROM terminal_event"
            " WHERE terminal = ? ORDER BY local_time DESC, known LIMIT ?"
        )
        return [
            (
                TerminalEvent(
                    terminal,
                    EventKind(kind),
                    code,
                    self._subjects.pin_of(one) if one else "",
                    time,
                    self._wording.open("terminal_event", "detail", known, detail),
                ),
                datetime.fromisoformat(seen).astimezone(UTC),
            )
            for kind, code, one, time, detail, seen, known in self._connection.execute(query, (terminal, limit))
        ]

    def work_codes(self, terminal: str | None = None) -> list[tuple[TerminalSerial, str, str, datetime]]:
        """Serial number, code, name and when it was last told, by code."""
        query = "SELECT * FROM work_code WHERE ? IS NULL OR terminal IN (?, '') ORDER BY length(code), code, terminal"
        return [
            (serial, code, name, datetime.fromisoformat(seen))
            for serial, code, name, seen in self._connection.execute(query, (terminal, terminal))
        ]

    def punches_between(self, terminal: TerminalSerial, start: str, end: str) -> int:
        """Punches of a terminal whose local time lies between two texts `YYYY-MM-DDTHH:MM:SS`, both included."""
        query = "SELECT count(*) FROM punch WHERE terminal = ? AND local_time BETWEEN ? AND ?"
        (count,) = self._connection.execute(query, (terminal, start, end)).fetchone()
        return int(count)
