"""The step that seals what older versions of a place's file kept in the clear; done once, at the first start after."""

import sqlite3
from base64 import b64decode, b64encode
from typing import Any, Final

import cbor2

from biometric_flow.identity.envelope import Binding, row_name
from biometric_flow.identity.keyring import PLACE, Owner, device
from biometric_flow.ledger import sqlite as ledger_sqlite
from biometric_flow.ledger.events import decode
from biometric_flow.place.subjects import SCHEMA as SUBJECTS
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.key_store import KeyStore

SCHEMA: Final = f"""
{SUBJECTS}
ALTER TABLE quarantine RENAME TO plain_quarantine;
CREATE TABLE quarantine (
    known      BLOB PRIMARY KEY,           -- keyed digest of the row's identity
    terminal   TEXT NOT NULL,
    subject    TEXT,                       -- whose row it is, where that can be read
    reason     TEXT NOT NULL,
    sealed     BLOB NOT NULL,              -- identity, detail, raw bytes
    first_seen TEXT NOT NULL,
    decision   TEXT NOT NULL               -- 'accepted', 'rejected', empty while open
) STRICT, WITHOUT ROWID;

ALTER TABLE person RENAME TO plain_person;
CREATE TABLE person (
    terminal  TEXT NOT NULL,
    subject   TEXT NOT NULL,
    uid       INTEGER NOT NULL,
    privilege INTEGER NOT NULL,
    sealed    BLOB NOT NULL,               -- name, card
    PRIMARY KEY (terminal, subject)
) STRICT, WITHOUT ROWID;

ALTER TABLE enrolment RENAME TO plain_enrolment;
CREATE TABLE enrolment (
    terminal  TEXT NOT NULL,               -- key
    subject   TEXT NOT NULL,
    sealed    BLOB NOT NULL,               -- name, privilege, group, card, keypad password
    is_wanted INTEGER NOT NULL,            -- 0: to be removed from the terminal
    PRIMARY KEY (terminal, subject)
) STRICT, WITHOUT ROWID;

DROP INDEX punch_by_pin;
ALTER TABLE punch RENAME COLUMN id TO known;
ALTER TABLE punch RENAME COLUMN pin TO subject;
CREATE INDEX punch_by_subject ON punch (subject, instant);

CREATE TABLE erased (                      -- who must not come back, without saying who
    digest  BLOB PRIMARY KEY,              -- keyed digest of the PIN
    until   INTEGER NOT NULL,              -- seconds since 1970 UTC: punches up to then count as known
    erasure BLOB NOT NULL                  -- random id of the erasure, as in its ledger entry
) STRICT, WITHOUT ROWID;
"""
AFTER: Final = f"""
DROP TABLE plain_quarantine;
DROP TABLE plain_person;
DROP TABLE plain_enrolment;
{ledger_sqlite.SEALED}
"""
SECRET_COLUMNS: Final = ("comm_key", "comm_key_next", "push_secret")
"""Columns of table `terminal` that hold an envelope in base64, or nothing."""

_ANY: Final = "\0any"
"""Stood in the table for a password that a place does not manage."""

_HELD: Final = (
    *("ledger_entry", "plain_person", "plain_enrolment", "plain_quarantine", "cursor", "terminal"),
    "terminal_event",
)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Is there nothing to seal?"""
    return not any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in _HELD)  # noqa: S608


def convert(connection: sqlite3.Connection, keys: KeyStore) -> None:
    """Seal everything, inside the caller's transaction. The keys are durable before it commits."""
    subjects = Subjects(connection, keys)
    _adopt_keys(connection, subjects)
    _seal_ledger(connection, subjects)
    _seal_people(connection, subjects)
    _seal_quarantine(connection, subjects)
    _seal_events(connection, subjects)
    for key, *secrets in connection.execute(f"SELECT key, {', '.join(SECRET_COLUMNS)} FROM terminal").fetchall():  # noqa: S608
        for column, secret in zip(SECRET_COLUMNS, secrets, strict=True):
            connection.execute(
                f"UPDATE terminal SET {column} = ? WHERE key = ?",  # noqa: S608 - our own names
                (seal_secret(keys, key, column, secret), key),
            )
    for serial, tail in connection.execute("SELECT terminal, mark_tail FROM cursor").fetchall():
        if tail:
            sealed = keys.seal(PLACE, mark_binding(serial), tail)
            connection.execute("UPDATE cursor SET mark_tail = ? WHERE terminal = ?", (sealed, serial))


def seal_secret(keys: KeyStore, terminal: str, column: str, secret: str) -> str:
    """A comm key or push secret as it stands in table `terminal`; empty stays empty."""
    if not secret:
        return ""
    return b64encode(keys.seal(device(terminal), secret_binding(terminal, column), secret.encode())).decode()


def open_secret(keys: KeyStore, terminal: str, column: str, text: str) -> str:
    """The secret again; empty for none."""
    return keys.open(device(terminal), secret_binding(terminal, column), b64decode(text)).decode() if text else ""


def secret_binding(terminal: str, column: str) -> Binding:
    """Where a terminal's secret belongs."""
    return Binding("terminal", column, row_name(terminal))


def mark_binding(serial: str) -> Binding:
    """Where the last rows of a terminal's log belong."""
    return Binding("cursor", "mark_tail", row_name(serial))


def seal_values(keys: KeyStore, owner: Owner, table: str, row: tuple[str | bytes, ...], values: Any) -> bytes:
    """Several values of one row in one envelope: canonical CBOR in the column `sealed`."""
    return keys.seal(owner, Binding(table, "sealed", row_name(*row)), cbor2.dumps(values, canonical=True))


def open_values(keys: KeyStore, owner: Owner, table: str, row: tuple[str | bytes, ...], sealed: bytes) -> Any:
    """The values again. Raises what `KeyStore.open` raises."""
    return cbor2.loads(keys.open(owner, Binding(table, "sealed", row_name(*row)), sealed))


def _adopt_keys(connection: sqlite3.Connection, subjects: Subjects) -> None:
    """Entries were committed with keys in table `subject_key`; these become the keys of the key store."""
    stored: dict[str, bytes] = dict(connection.execute("SELECT subject, key FROM subject_key"))
    place = stored.pop("", None)
    if place is not None:
        subjects.keys.adopt({PLACE: place})
    subjects.enrol(stored)
    subjects.keys.adopt({subjects.owner(pin): key for pin, key in stored.items()})
    others = connection.execute("SELECT pin FROM plain_person UNION SELECT pin FROM plain_enrolment")
    subjects.enrol([pin for (pin,) in others])


def _seal_ledger(connection: sqlite3.Connection, subjects: Subjects) -> None:
    last = 0
    while rows := connection.execute(
        "SELECT sequence, record FROM ledger_entry WHERE sequence > ? ORDER BY sequence LIMIT 1000", (last,)
    ).fetchall():
        sealed = [(subjects.seal_record(decode(record).subject, at, record), at) for at, record in rows]
        connection.executemany("UPDATE ledger_entry SET record = ? WHERE sequence = ?", sealed)
        last = rows[-1][0]
    last = 0
    while rows := connection.execute(
        "SELECT sequence, known, subject FROM punch WHERE sequence > ? ORDER BY sequence LIMIT 1000", (last,)
    ).fetchall():
        known = [(subjects.known(pin, one), subjects.owner(pin).name, at) for at, one, pin in rows]
        connection.executemany("UPDATE punch SET known = ?, subject = ? WHERE sequence = ?", known)
        last = rows[-1][0]


def _seal_people(connection: sqlite3.Connection, subjects: Subjects) -> None:
    keys = subjects.keys
    for terminal, pin, uid, name, privilege, card in connection.execute("SELECT * FROM plain_person").fetchall():
        owner = subjects.owner(pin)
        sealed = seal_values(keys, owner, "person", (terminal, owner.name), [name, card])
        connection.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?)", (terminal, owner.name, uid, privilege, sealed))
    for terminal, pin, name, privilege, group, card, password, is_wanted, zones in connection.execute(
        "SELECT terminal, pin, name, privilege, group_no, card, password, is_wanted, zones FROM plain_enrolment"
    ).fetchall():
        owner = subjects.owner(pin)
        times = None if zones is None else [int(one) for one in zones.split(",") if one]
        wanted = [name, privilege, group, card, None if password == _ANY else password, times]
        sealed = seal_values(keys, owner, "enrolment", (terminal, owner.name), wanted)
        connection.execute("INSERT INTO enrolment VALUES (?, ?, ?, ?)", (terminal, owner.name, sealed, is_wanted))


def _seal_events(connection: sqlite3.Connection, subjects: Subjects) -> None:
    """The columns that held PIN and identity were renamed already."""
    for (pin,) in connection.execute("SELECT DISTINCT subject FROM terminal_event WHERE subject <> ''").fetchall():
        subjects.enrol([pin])
        query = "UPDATE terminal_event SET subject = ? WHERE subject = ?"
        connection.execute(query, (subjects.owner(pin).name, pin))
    for identity, one in connection.execute("SELECT known, subject FROM terminal_event").fetchall():
        known = subjects.known(subjects.pin_of(one) if one else None, identity)
        connection.execute("UPDATE terminal_event SET known = ? WHERE known = ?", (known, identity))


def _seal_quarantine(connection: sqlite3.Connection, subjects: Subjects) -> None:
    query = "SELECT id, terminal, reason, detail, raw, first_seen, decision FROM plain_quarantine"
    for identity, terminal, reason, detail, raw, seen, decision in connection.execute(query).fetchall():
        known = subjects.known(None, identity)
        sealed = seal_values(subjects.keys, PLACE, "quarantine", (known,), [identity, detail, raw])
        row = (known, terminal, None, reason, sealed, seen, decision)
        connection.execute("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?)", row)
