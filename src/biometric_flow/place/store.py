"""What a place keeps: punch, ledger entry, outbox row and cursor in one durable transaction (security-design I2)."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json

from biometric_flow.ledger.decisions import KeyChanged, QuarantineDecided
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.ledger.events import ClockCorrected, Event, GenerationStarted, PersonEnrolled, PunchRecorded
from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.note import Note, PublicKey, Signer
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.ledger.tree import Signed, SqliteTree
from biometric_flow.model.ids import PlaceId, TerminalSerial
from biometric_flow.model.punch import Punch
from biometric_flow.place.halt import Halt
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.push.tables import PushNotes, keep_notes
from biometric_flow.place.quarantine import Decision, RowDecided, RowUnknown
from biometric_flow.place.witnesses import WitnessKeys
from biometric_flow.runtime.acting import Action
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS

ResultT = TypeVar("ResultT")

LOOKUP_STEP = 500
"""Ids in one lookup; SQLite takes at least 999 parameters everywhere."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read from one terminal brought, to be kept whole or not at all."""

    terminal: TerminalSerial
    received_at: datetime
    rows: Sequence[Punch | Quarantined] = ()
    people: Sequence[PersonEnrolled] = ()
    generation: GenerationStarted | None = None
    corrected: ClockCorrected | None = None
    holds: int | None = None
    """Rows that the terminal holds, when its log has just been read to the end; live rows add to it."""
    mark: LogMark | None = None
    """Where that read ended."""
    is_whole: bool = True
    """Whether it began at the first row."""
    notes: PushNotes | None = None
    """What a push terminal told beside."""
    action: Action | None = None
    """The use of an operation that brought it."""


@dataclass(slots=True)
class Recorded:
    """What became of a batch. `accepted` punches carry their ledger sequence; the four add up as I6 demands."""

    accepted: list[tuple[int, Punch]] = field(default_factory=list)
    duplicate: int = 0
    quarantined: int = 0
    head: int = 0

    @property
    def received(self) -> int:
        """Rows that came."""
        return len(self.accepted) + self.duplicate + self.quarantined


@dataclass(frozen=True, slots=True)
class Cursor:
    """A hint of how far a terminal's log was read; correctness never rests on it (security-design I3)."""

    generation: int
    rows: int
    read_at: datetime | None
    """When its whole log was last read."""
    mark: LogMark | None = None


class PlaceStore:
    """The one writer of a place's SQLite file."""

    def __init__(self, place: PlaceId, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._entries = SqliteLedgerStore(connection)
        self._tree = SqliteTree(connection)
        self.witnesses = WitnessKeys(connection)
        self.ledger = Ledger(place, self._entries, self._entries)
        self.halt = Halt(connection)
        self.forgetting: list[Callable[[], None]] = []
        """Called when a change that somebody asked for was taken back."""

    def record(self, batches: Iterable[Batch]) -> list[Recorded]:
        """Keep the batches in one transaction; durable when this returns, and nothing kept when it raises."""
        taken = list(batches)
        self.halt.check()
        with self._transaction():
            results = [self._record_one(batch) for batch in taken]
        for batch in taken:
            if batch.action is not None:
                batch.action.is_recorded = True
        return results

    def act(self, action: Action, change: Callable[[], ResultT]) -> ResultT:
        """Make a change that somebody asked for, with the entry that says so, in one transaction."""
        self.halt.check()
        before = self._connection.total_changes
        has_changed = False
        try:
            with self._transaction():
                result = change()
                has_changed = self._connection.total_changes != before
                if has_changed:
                    action.after = action.after or _as_bytes(result)
                    self._add(action, None)
        except StorageUnavailable:
            # What stands in memory may be what the disk did not take.
            for forget in self.forgetting:
                forget()
            raise
        action.is_recorded = action.is_recorded or has_changed
        return result

    def decide(
        self, made: Decision, become: Callable[[TerminalSerial], Punch | None], action: Action | None
    ) -> Recorded:
        """Record a decision about a row that was put aside, and the punch that it becomes, in one transaction.

        Raises RowUnknown, RowDecided, or what `become` raises for the terminal that the row is from.
        """
        self.halt.check()
        with self._transaction():
            row = self._connection.execute(
                "SELECT terminal, decision FROM quarantine WHERE id = ?", (made.row,)
            ).fetchone()
            if row is None:
                raise RowUnknown(f"expected the id of a row in quarantine, got {made.row.hex()}")
            if row[1]:
                raise RowDecided(f"this row was {row[1]} before; a correction is what changes a punch")
            terminal = TerminalSerial(row[0])
            punch = become(terminal)
            if punch is not None and self._known("SELECT id FROM punch WHERE id IN", [punch.id]):
                raise RowDecided("this punch is recorded already, from another row; reject this one")
            event = QuarantineDecided(
                made.row, terminal, made.decision, punch.id if punch else b"", made.by, made.reason, made.at
            )
            news: list[Event] = [event] if punch is None else [event, PunchRecorded(punch)]
            sealed = self.ledger.append(news, made.at.date().isoformat())
            recorded = Recorded(accepted=[] if punch is None else [(sealed[-1].sequence, punch)])
            self._insert_punches(recorded.accepted)
            self._connection.execute("UPDATE quarantine SET decision = ? WHERE id = ?", (made.decision, made.row))
            self._connection.execute(
                "UPDATE cursor SET accepted = accepted + ?1, quarantined = quarantined - ?1 WHERE terminal = ?2",
                (len(recorded.accepted), terminal),
            )
            if action is not None:
                self._add(action, None)
            recorded.head = self.ledger.head().sequence
        if action is not None:
            action.is_recorded = True
        return recorded

    def change_key(self, change: KeyChanged) -> None:
        """Add the entry that hands the ledger over to another key."""
        self.halt.check()
        with self._transaction():
            self.ledger.append([change], change.at.date().isoformat())

    def settle(self, action: Action, status: int) -> Recorded:
        """Add the entry of what was asked for and changed nothing."""
        self.halt.check()
        with self._transaction():
            self._add(action, status)
        return Recorded(head=self.ledger.head().sequence)

    def acknowledge(self, position: int) -> None:
        """The gateway holds everything up to this position."""
        with self._transaction():
            self._entries.acknowledge(position)

    def checkpoint(self, signer: Signer, now: datetime) -> Signed | None:
        """Sign the ledger as it is, durably; None when nothing is new. Raises CheckpointInconsistent."""
        with self._transaction():
            return self._tree.sign(signer, self.ledger.head().sequence, now)

    def witness_key(self, shown: PublicKey, configured: PublicKey | None, now: datetime) -> PublicKey:
        """The gateway's key that is believed: the configured one, else the pinned one, else the first that is shown."""
        with self._transaction():
            believed = self.witnesses.believed()
            if configured is not None and believed != configured:
                self.witnesses.pin(configured, "configured", now)
            elif believed is None:
                self.witnesses.pin(shown, "first_use", now)
        return configured or believed or shown

    def keep_cosigned(self, size: int, note: Note) -> None:
        """Keep a checkpoint with what its witness added."""
        with self._transaction():
            self._tree.keep_cosigned(size, note)

    def cursor(self, terminal: TerminalSerial) -> Cursor | None:
        """How far this terminal's log was read, None before the first time."""
        row = self._connection.execute(
            "SELECT generation, rows, read_at, mark_layout, mark_rows, mark_tail FROM cursor WHERE terminal = ?",
            (terminal,),
        ).fetchone()
        if row is None:
            return None
        generation, rows, read_at, layout, marked, tail = row
        mark = LogMark(layout, ATTLOG_LAYOUTS[layout].size, marked, tail) if layout in ATTLOG_LAYOUTS else None
        return Cursor(generation, rows, read_at and datetime.fromisoformat(read_at), mark)

    def last_instant(self, terminal: TerminalSerial) -> datetime | None:
        """Instant of the newest punch of this terminal, by its ledger sequence."""
        row = self._connection.execute(
            "SELECT instant FROM punch WHERE terminal = ? ORDER BY sequence DESC LIMIT 1", (terminal,)
        ).fetchone()
        return row and datetime.fromtimestamp(row[0], UTC)

    def _add(self, action: Action, status: int | None) -> None:
        self.ledger.append([action.done(self._commitment, status)], action.at.date().isoformat())

    def _commitment(self, name: str, value: bytes) -> bytes:
        """Under the person's own key where it is about a person, so that it says nothing after their erasure."""
        return self.ledger.commitment(value.decode() if name == "pin" else None, value)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._connection.in_transaction:
            yield
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise StorageUnavailable(f"nothing was accepted, the disk did not take the write: {error}") from error

    def _record_one(self, batch: Batch) -> Recorded:
        recorded = Recorded()
        fresh, aside = self._sort_out(batch.rows, recorded)
        news: list[Event] = [event for event in (batch.generation, batch.corrected) if event is not None]
        people = self._with_uids(batch.people)
        news += self._changed(people)
        sealed = self.ledger.append([*news, *map(PunchRecorded, fresh)], batch.received_at.date().isoformat())
        recorded.accepted = [(entry.sequence, punch) for entry, punch in zip(sealed[len(news) :], fresh, strict=True)]
        if batch.action is not None and not batch.action.is_recorded:
            self._add(batch.action, None)
        self._insert_punches(recorded.accepted)
        self._insert_quarantine(aside, batch.received_at)
        self._insert_people(people)
        self._move_cursor(batch, recorded)
        if batch.notes is not None:
            keep_notes(self._connection, batch.terminal, batch.notes, batch.received_at)
        recorded.head = self.ledger.head().sequence
        return recorded

    def _sort_out(
        self, rows: Sequence[Punch | Quarantined], recorded: Recorded
    ) -> tuple[list[Punch], list[Quarantined]]:
        ids = [row.id for row in rows]
        known = self._known("SELECT id FROM punch WHERE id IN", ids)
        aside_already = self._known("SELECT id FROM quarantine WHERE id IN", ids)
        fresh: dict[bytes, Punch] = {}
        aside: dict[bytes, Quarantined] = {}
        for row in rows:
            if row.id in known or row.id in aside_already or row.id in fresh or row.id in aside:
                recorded.duplicate += 1
            elif isinstance(row, Punch):
                fresh[row.id] = row
            else:
                aside[row.id] = row
                recorded.quarantined += 1
        return list(fresh.values()), list(aside.values())

    def _known(self, query: str, ids: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for start in range(0, len(ids), LOOKUP_STEP):
            step = ids[start : start + LOOKUP_STEP]
            marks = ",".join("?" * len(step))
            found.update(row[0] for row in self._connection.execute(f"{query} ({marks})", step))
        return found

    def _insert_punches(self, accepted: Sequence[tuple[int, Punch]]) -> None:
        self._connection.executemany(
            "INSERT INTO punch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [punch_row(sequence, punch) for sequence, punch in accepted],
        )

    def _insert_quarantine(self, aside: Sequence[Quarantined], now: datetime) -> None:
        self._connection.executemany(
            "INSERT INTO quarantine (id, terminal, reason, detail, raw, first_seen) VALUES (?, ?, ?, ?, ?, ?)",
            [(row.id, row.terminal, row.reason, row.detail, row.raw, now.isoformat()) for row in aside],
        )

    def _changed(self, people: Sequence[PersonEnrolled]) -> list[PersonEnrolled]:
        if not people:
            return []
        known = {
            (terminal, pin): rest
            for terminal, pin, *rest in self._connection.execute(
                "SELECT terminal, pin, uid, name, privilege, card FROM person WHERE terminal = ?",
                (people[0].terminal,),
            )
        }
        return [
            person
            for person in people
            if known.get((person.terminal, person.pin)) != [person.uid, person.name, person.privilege, person.card]
        ]

    def _with_uids(self, people: Sequence[PersonEnrolled]) -> Sequence[PersonEnrolled]:
        """People told without a uid, as push does, keep the one that was told before."""
        if all(person.uid for person in people):
            return people
        query = "SELECT pin, uid FROM person WHERE terminal = ?"
        uids = dict(self._connection.execute(query, (people[0].terminal,)))
        return [person if person.uid else replace(person, uid=uids.get(person.pin, 0)) for person in people]

    def _insert_people(self, people: Sequence[PersonEnrolled]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO person VALUES (?, ?, ?, ?, ?, ?)",
            [
                (person.terminal, person.pin, person.uid, person.name, person.privilege, person.card)
                for person in people
            ],
        )

    def _move_cursor(self, batch: Batch, recorded: Recorded) -> None:
        generation = batch.generation.generation if batch.generation else 1
        self._connection.execute(
            "INSERT OR IGNORE INTO cursor (terminal, generation, rows) VALUES (?, 1, 0)", (batch.terminal,)
        )
        if batch.generation:
            self._connection.execute(
                "UPDATE cursor SET generation = ?, rows = 0, read_at = NULL, mark_layout = '' WHERE terminal = ?",
                (generation, batch.terminal),
            )
        if batch.holds is not None:
            mark = batch.mark or LogMark("", 1, 0, b"")
            self._connection.execute(
                "UPDATE cursor SET rows = ?, read_at = coalesce(?, read_at), mark_layout = ?, mark_rows = ?,"
                " mark_tail = ? WHERE terminal = ?",
                (
                    batch.holds,
                    batch.received_at.isoformat() if batch.is_whole else None,
                    mark.layout,
                    mark.rows,
                    mark.tail,
                    batch.terminal,
                ),
            )
        else:
            live = sum(punch.channel in ("live", "push") for _, punch in recorded.accepted)
            self._connection.execute("UPDATE cursor SET rows = rows + ? WHERE terminal = ?", (live, batch.terminal))
        self._connection.execute(
            "UPDATE cursor SET received = received + ?, accepted = accepted + ?, quarantined = quarantined + ?,"
            " duplicate = duplicate + ? WHERE terminal = ?",
            (
                recorded.received,
                len(recorded.accepted),
                recorded.quarantined,
                recorded.duplicate,
                batch.terminal,
            ),
        )


def _as_bytes(result: object) -> bytes:
    """What a change resulted in, in one spelling; empty for what is no value."""
    return to_json(result) if is_dataclass(result) or isinstance(result, BaseModel) else b""


def punch_row(sequence: int, punch: Punch) -> tuple[Any, ...]:
    """The row of table `punch` that follows from an entry: what is asked for, never what is proved."""
    return (
        sequence,
        punch.id,
        punch.terminal,
        punch.pin,
        punch.local_time.isoformat(timespec="seconds"),
        int(punch.instant.timestamp()),
        punch.state,
        punch.verify,
        punch.work_code,
        None if punch.drift is None else round(punch.drift / timedelta(milliseconds=1)),
        punch.received_at.isoformat(timespec="milliseconds"),
        punch.channel,
    )
