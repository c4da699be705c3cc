"""Erasing a person at a place: their keys, the rows that follow from entries, and an entry that says it was done (E1).

What was recorded stays recorded: every leaf, proof, checkpoint and receipt verifies as before. Whose it was goes.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from biometric_flow.identity.keyring import ERASED_KEY, subject
from biometric_flow.ledger.chain import erased_key_digest
from biometric_flow.ledger.decisions import PersonErased
from biometric_flow.model.ids import Pin
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.erasure_register import Register, keep_register
from biometric_flow.place.errors import ErasureWaits, PersonUnknown
from biometric_flow.place.store import LOOKUP_STEP, PlaceStore
from biometric_flow.place.wording import Wording

SCHEMA: Final = """
CREATE TABLE erasing (                     -- whose keys are still to be destroyed: a kill may come between
    subject TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
"""
ERASURE_BYTES: Final = 16

ROWS: Final = (
    ("punch", "subject"),
    ("correction", "subject"),
    ("person", "subject"),
    ("enrolment", "subject"),
    ("quarantine", "subject"),
    ("terminal_event", "subject"),
)
"""Tables whose rows go with their person."""

_TEXTS: Final = (
    ("push_command", "id", ("body", "told"), False),
    ("job", "number", ("body", "detail"), False),
    ("rollout_step", "rollout", ("detail",), True),
    ("rollout", "number", ("detail",), True),
)
"""Table, key, columns in which a PIN may stand among other things, and whether then the text goes, or the row."""

_BY: Final = "restore"
_REASON: Final = "erased before, and brought back by a backup"

_KEY_IN_RECORD: Final = "substr(record, 3, 16)"
"""The key id in an envelope, see `identity/envelope.py`."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did."""

    erasure: str
    """Random id, the same in the ledger, as hexadecimal digits."""
    entries: int
    """Entries of the ledger that nobody can open any more."""
    rows: int
    """Rows deleted beside them."""


class Erasures:
    """Erases people. All methods run in the writer's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: PlaceStore,
        vault: Vault,
        has_gateway: bool,
        register: Path | None = None,
    ) -> None:
        self._connection, self._store, self._has_gateway = connection, store, has_gateway
        self._register = register
        self._vault = vault
        self._subjects = store.subjects

    def erase(self, pin: Pin, by: str, reason: str, now: datetime, erasure: bytes | None = None) -> Erased:
        """Erase whoever has this PIN, in one transaction. `erasure` is given when it began elsewhere.

        The keys go with `finish`, once this is durable. Raises what `check` raises; nothing was changed then.
        """
        one, sequences = self.check(pin)
        erasure = erasure or secrets.token_bytes(ERASURE_BYTES)
        digest = erased_key_digest(self._subjects.keys.derived(subject(one), ERASED_KEY))
        return self._erase(one, pin, sequences, PersonErased(erasure, digest, len(sequences), by, reason, now), now)

    def replay(self, register: Register, now: datetime) -> int:
        """Erase again everybody whom a register names and this file, put back from a backup, still holds.

        Nothing is waited for: it was done before. How many people that were; call `finish` afterwards.
        """
        count, keys = 0, self._subjects.keys
        with self._store.transaction():
            for pin_digest, (until, erasure) in register.tombstones.items():
                self._subjects.tombstones.restore(pin_digest, until, erasure)
        known = [one for (one,) in self._connection.execute("SELECT id FROM subject").fetchall()]
        for one in known:
            is_closed = one in self._subjects.closed
            digest = bytes(32) if is_closed else erased_key_digest(keys.derived(subject(one), ERASED_KEY))
            # As it was told before a key could be replaced: of the key itself.
            told_once = digest if is_closed else erased_key_digest(keys.secret(subject(one)))
            if not is_closed and register.keys.isdisjoint({digest, told_once}):
                continue
            sequences = self._entries_of(one)
            event = PersonErased(secrets.token_bytes(ERASURE_BYTES), digest, len(sequences), _BY, _REASON, now)
            self._erase(one, self._subjects.pin_or_none(one), sequences, event, None)
            count += 1
        return count

    def _erase(
        self, one: str, pin: Pin | None, sequences: list[int], event: PersonErased, now: datetime | None
    ) -> Erased:
        """In one transaction; a tombstone is put for `now`, none where it is there already."""
        with self._store.transaction():
            query = "SELECT max(instant) FROM punch WHERE subject = ?"
            (last,) = self._connection.execute(query, (one,)).fetchone()
            rows = sum(
                self._connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (one,)).rowcount  # noqa: S608
                for table, column in ROWS
            )
            self._forget_texts(pin, one)
            for start in range(0, len(sequences), LOOKUP_STEP):
                step = sequences[start : start + LOOKUP_STEP]
                marks = ",".join("?" * len(step))
                self._connection.execute(f"UPDATE ledger_entry SET record = x'' WHERE sequence IN ({marks})", step)  # noqa: S608
            self._connection.execute("INSERT INTO erasing VALUES (?)", (one,))
            if pin is not None and now is not None:
                until = now if last is None else max(now, datetime.fromtimestamp(last, UTC))
                self._subjects.tombstones.put(pin, until, event.erasure)
            self._subjects.forget(one)
            self._store.ledger.append([event], event.at.date().isoformat())
        return Erased(event.erasure.hex(), len(sequences), rows)

    def check(self, pin: Pin) -> tuple[str, list[int]]:
        """The subject and the entries that would go. Raises PersonUnknown, or ErasureWaits while they are needed."""
        one = self._subjects.id_of(pin)
        if one is None:
            raise PersonUnknown("expected the PIN of somebody whom this place knows, nobody has it")
        self._refuse_while_needed(pin)
        sequences = self._entries_of(one)
        self._refuse_while_not_uploaded(sequences)
        return one, sequences

    def is_done(self, pin: Pin, erasure: bytes) -> bool:
        """Was this erasure, which began elsewhere, carried out here?"""
        return self._subjects.tombstones.is_of(pin, erasure)

    def finish(self) -> int:
        """Destroy the keys of everybody who was erased; done again at each start. How many people that were."""
        waiting = [one for (one,) in self._connection.execute("SELECT subject FROM erasing").fetchall()]
        if self._register is not None:
            keep_register(self._register, self._connection, self._subjects)
        for one in waiting:
            self._subjects.keys.destroy(subject(one))
            with self._store.transaction():
                self._connection.execute("DELETE FROM erasing WHERE subject = ?", (one,))
        if waiting:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(waiting)

    def _entries_of(self, one: str) -> list[int]:
        ids = [record.id for record in self._subjects.keys.versions(subject(one))]
        marks = ",".join("?" * len(ids))
        query = f"SELECT sequence FROM ledger_entry WHERE {_KEY_IN_RECORD} IN ({marks}) ORDER BY sequence"  # noqa: S608
        return [sequence for (sequence,) in self._connection.execute(query, ids)]

    def _forget_texts(self, pin: Pin | None, one: str) -> None:
        """What may hold the PIN among other things: where reading goes on, and what terminals were told."""
        self._connection.execute("UPDATE cursor SET mark_layout = '', mark_rows = 0, mark_tail = x''")
        wording = Wording(self._subjects)
        for table, key, columns, emptied in _TEXTS:
            for row, *texts in self._connection.execute(f"SELECT {key}, {', '.join(columns)} FROM {table}").fetchall():  # noqa: S608
                if any(wording.names(pin, one, table, *pair, row) for pair in zip(columns, texts, strict=True)):
                    do = f"UPDATE {table} SET {columns[0]} = ''" if emptied else f"DELETE FROM {table}"  # noqa: S608
                    self._connection.execute(f"{do} WHERE {key} = ?", (row,))
        for row, body in self._connection.execute("SELECT number, body FROM rollout").fetchall():
            if pin is not None and f'"{pin}"' in wording.open("rollout", "body", row, body):
                self._connection.execute("DELETE FROM rollout_step WHERE rollout = ?", (row,))
                self._connection.execute("DELETE FROM rollout WHERE number = ?", (row,))

    def _refuse_while_needed(self, pin: Pin) -> None:
        queries = (
            ("a release for biometric templates is in force: end it first", "biometric_release", "ended_at"),
            ("a terminal has not confirmed yet that their templates are gone", "biometric_destruction", "confirmed_at"),
        )
        for why, table, column in queries:
            query = f"SELECT 1 FROM {table} WHERE person = ? AND {column} IS NULL"  # noqa: S608 - our own names
            if self._connection.execute(query, (self._vault.digest(pin),)).fetchone():
                raise ErasureWaits(f"{why}; then erase the person")

    def _refuse_while_not_uploaded(self, sequences: list[int]) -> None:
        (unsent,) = self._connection.execute("SELECT min(sequence) FROM outbox").fetchone()
        if self._has_gateway and sequences and unsent is not None and unsent <= sequences[-1]:
            raise ErasureWaits(
                "the gateway does not hold all entries about this person yet, and could not check them without their"
                " records; erase them when it has acknowledged"
            )
