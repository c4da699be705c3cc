"""The tables of a place's SQLite file, and how the file is opened."""

import sqlite3
from pathlib import Path
from typing import Final

from biometric_flow.ledger import sqlite as ledger_sqlite
from biometric_flow.runtime.errors import FolderUnusable

VERSION: Final = 1

SCHEMA: Final = """
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


def open_database(path: Path) -> sqlite3.Connection:
    """A durable connection to a place's file, created or checked. One writer only; readers use `open_reader`."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {ledger_sqlite.SCHEMA} {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"
            )
    except sqlite3.Error as error:
        raise FolderUnusable(f"cannot use the database {path}: {error}; check the disk, or restore a backup") from None
    if version > VERSION:
        raise FolderUnusable(f"{path} was written by a newer version (schema {version}); this program knows {VERSION}")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection beside the writer's."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5
    )
    connection.execute("PRAGMA query_only = ON")
    return connection
