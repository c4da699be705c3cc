"""The tables of a place's SQLite file, and how the file is opened."""

import functools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from biometric_flow.ledger import sqlite as ledger_sqlite
from biometric_flow.ledger import tree as ledger_tree
from biometric_flow.place import (
    blobs,
    corrections,
    enrolments,
    erasure,
    halt,
    identity,
    quarantine,
    retention,
    rollouts,
    sealing,
    witnesses,
    wording,
)
from biometric_flow.place.biometrics import destruction, texts, vault
from biometric_flow.place.push import queue as push_queue
from biometric_flow.place.push import tables as push_tables
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_store import KeyStore

_FIRST: Final = """
CREATE TABLE punch (
    sequence    INTEGER PRIMARY KEY REFERENCES ledger_entry,
    id          BLOB NOT NULL UNIQUE,
    terminal    TEXT NOT NULL,
    pin         TEXT NOT NULL,
    local_time  TEXT NOT NULL,
    instant     INTEGER NOT NULL,          -- seconds since 1970 UTC; terminals know whole seconds
    state       INTEGER NOT NULL,
    verify      INTEGER NOT NULL,
    work_code   INTEGER NOT NULL,
    drift_ms    INTEGER,
    received_at TEXT NOT NULL,
    channel     TEXT NOT NULL
) STRICT;
CREATE INDEX punch_by_instant ON punch (instant, sequence);
CREATE INDEX punch_by_pin ON punch (pin, instant);
CREATE INDEX punch_by_terminal ON punch (terminal, instant);

CREATE TABLE quarantine (
    id         BLOB PRIMARY KEY,
    terminal   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    raw        BLOB NOT NULL,
    first_seen TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE person (
    terminal  TEXT NOT NULL,
    pin       TEXT NOT NULL,
    uid       INTEGER NOT NULL,
    name      TEXT NOT NULL,
    privilege INTEGER NOT NULL,
    card      INTEGER NOT NULL,
    PRIMARY KEY (terminal, pin)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursor (
    terminal   TEXT PRIMARY KEY,           -- serial number
    generation INTEGER NOT NULL,
    rows       INTEGER NOT NULL,           -- rows that the terminal should hold by what we have seen
    read_at    TEXT,                       -- when its whole log was last read
    received    INTEGER NOT NULL DEFAULT 0,
    accepted    INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    duplicate   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE terminal (
    key        TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    host       TEXT NOT NULL,
    port       INTEGER NOT NULL,
    comm_key   TEXT NOT NULL,              -- digits, empty for none
    encoding   TEXT NOT NULL,
    is_enabled INTEGER NOT NULL,
    serial     TEXT NOT NULL,              -- pinned at first contact, empty before
    origin     TEXT NOT NULL CHECK (origin IN ('file', 'api'))
) STRICT, WITHOUT ROWID;
"""

_COMMANDS: Final = """
ALTER TABLE terminal ADD COLUMN clock TEXT NOT NULL DEFAULT 'off';
ALTER TABLE terminal ADD COLUMN clock_above_seconds INTEGER NOT NULL DEFAULT 30;
ALTER TABLE terminal ADD COLUMN firmware TEXT NOT NULL DEFAULT '';

-- The last rows of the log as they came, so that the next read can begin behind them.
ALTER TABLE cursor ADD COLUMN mark_layout TEXT NOT NULL DEFAULT '';
ALTER TABLE cursor ADD COLUMN mark_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN mark_tail BLOB NOT NULL DEFAULT x'';

CREATE TABLE incident (                    -- something that happened once and stays until a person has seen it
    terminal TEXT NOT NULL,                -- key
    code     TEXT NOT NULL,
    text     TEXT NOT NULL,
    at       TEXT NOT NULL,
    PRIMARY KEY (terminal, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    terminal   TEXT NOT NULL,              -- key
    body       TEXT NOT NULL,              -- what to do, as JSON; its `kind` says which
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'confirmed', 'failed', 'timed_out')),
    detail     TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX job_by_terminal ON job (terminal, number);

CREATE TABLE enrolment (
    terminal  TEXT NOT NULL,               -- key
    pin       TEXT NOT NULL,
    name      TEXT NOT NULL,
    privilege INTEGER NOT NULL,
    group_no  INTEGER NOT NULL,
    card      INTEGER NOT NULL,
    password  TEXT NOT NULL,               -- empty for none; never leaves this file but to the terminal
    is_wanted INTEGER NOT NULL,            -- 0: to be removed from the terminal
    PRIMARY KEY (terminal, pin)
) STRICT, WITHOUT ROWID;
"""

_PUSH: Final = """
ALTER TABLE terminal ADD COLUMN protocol TEXT NOT NULL DEFAULT 'pull';
ALTER TABLE terminal ADD COLUMN push_secret TEXT NOT NULL DEFAULT '';      -- digest, empty where push is not allowed
ALTER TABLE terminal ADD COLUMN push_networks TEXT NOT NULL DEFAULT '';
ALTER TABLE terminal ADD COLUMN push_version TEXT NOT NULL DEFAULT '';
"""

STEPS: Final = (
    ledger_sqlite.SCHEMA + _FIRST,
    _COMMANDS,
    _PUSH + push_tables.SCHEMA,
    ledger_tree.SCHEMA,
    witnesses.SCHEMA,
    identity.SCHEMA,
    push_tables.WORK_CODES,
    vault.SCHEMA + destruction.SCHEMA,
    blobs.SCHEMA + rollouts.SCHEMA,
    halt.SCHEMA,
    push_queue.JOBS_STEP,
    enrolments.ZONES_STEP,
    quarantine.SCHEMA,
    sealing.SCHEMA + push_tables.NAMELESS,
    "VACUUM",
    erasure.SCHEMA,
    corrections.SCHEMA,
    retention.SCHEMA,
    texts.SCHEMA,
    ledger_sqlite.LOGS,
    wording.SCHEMA,
    "VACUUM",
)
"""What brings a file from each version to the next. A step that was released is never changed: add one behind it."""


def open_database(path: Path, keys: KeyStore | None = None) -> sqlite3.Connection:
    """A durable connection to a place's file, created or checked. One writer only; readers use `open_reader`.

    A file of an older version that holds plain text is brought forward with `keys` only. Nothing that was deleted or
    sealed stays behind in free pages or in the WAL.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number, step in enumerate(STEPS[version:], version + 1):
            _bring_forward(connection, number, step, keys, is_new=version == 0)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise FolderUnusable(f"cannot use the database {path}: {error}; check the disk, or restore a backup") from None
    if version > len(STEPS):
        raise FolderUnusable(
            f"{path} was written by a newer version (schema {version}); this program knows {len(STEPS)}"
        )
    return connection


Definition = tuple[str, str, str, str | None]
"""Type, name, table and text of one line of a file's schema."""


def definitions_of(connection: sqlite3.Connection) -> frozenset[Definition]:
    """What the file itself says its tables, indexes, views and triggers are, but for the statistics of `ANALYZE`."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat[0-9]'"
    return frozenset(connection.execute(query))


@functools.cache
def definitions(version: int) -> frozenset[Definition]:
    """What STEPS make of an empty file until this version; an older one that was brought forward says the same."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for number, step in enumerate(STEPS[:version], 1):
            _bring_forward(connection, number, step, None, is_new=True)
        return definitions_of(connection)


def _bring_forward(connection: sqlite3.Connection, number: int, step: str, keys: KeyStore | None, is_new: bool) -> None:
    if step == "VACUUM":
        if not is_new:
            connection.execute(step)
        connection.execute(f"PRAGMA user_version = {number}")
        return
    connection.executescript(f"BEGIN IMMEDIATE; {step}")
    try:
        if step.startswith(sealing.SCHEMA):
            if keys is not None:
                sealing.convert(connection, keys)
            elif not sealing.is_empty(connection):
                raise FolderUnusable(
                    "this file holds plain text from an older version: start its place once to seal it"
                )
            for statement in sealing.AFTER.split(";"):
                connection.execute(statement)
        if step == wording.SCHEMA:
            if keys is not None:
                wording.convert(connection, Subjects(connection, keys))
            elif not wording.is_empty(connection):
                raise FolderUnusable(
                    "this file holds plain text from an older version: start its place once to seal it"
                )
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection beside the writer's."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5
    )
    connection.execute("PRAGMA query_only = ON")
    return connection
