"""What a place keeps: punch, ledger entry, outbox row and cursor in one durable transaction (security-design I2)."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json

from biometric_flow.identity.keyring import PLACE, subject
from biometric_flow.ledger.aside import RowPutAside, digest_of
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
from biometric_flow.place.sealing import mark_binding, open_values, seal_values
from biometric_flow.place.subjects import Subjects, in_steps
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
    """What became of a batch. `accepted` punches carry their position; the four add up as I6 demands."""

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

    def __init__(self, place: PlaceId, connection: sqlite3.Connection, subjects: Subjects) -> None:
        self.place, self._connection, self.subjects = place, connection, subjects
        self._entries = SqliteLedgerStore(connection, subjects)
        self._tree = SqliteTree(connection)
        self.log = self._entries.log
        self.witnesses = WitnessKeys(connection)
        self.ledger = Ledger(place, self._entries, subjects, self.log.number)
        self.halt = Halt(connection)
        self.forgetting: list[Callable[[], None]] = []
        """Called when a change that somebody asked for was taken back."""

    def record(self, batches: Iterable[Batch]) -> list[Recorded]:
        """Keep the batches in one transaction; durable when this returns, and nothing kept when it raises."""
        taken = list(batches)
        self.halt.check()
        with self.transaction():
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
            with self.transaction():
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
        with self.transaction():
            known = self._known("SELECT known FROM quarantine WHERE known IN", self.subjects.candidates(made.row))
            known_as = known.pop() if known else b""
            query = "SELECT terminal, decision FROM quarantine WHERE known = ?"
            row = self._connection.execute(query, (known_as,)).fetchone()
            if row is None:
                raise RowUnknown(f"expected the id of a row in quarantine, got {made.row.hex()}")
            if row[1]:
                raise RowDecided(f"this row was {row[1]} before; a correction is what changes a punch")
            terminal = TerminalSerial(row[0])
            punch = become(terminal)
            if punch is not None:
                self.subjects.enrol([punch.pin])
                if self._known("SELECT known FROM punch WHERE known IN", [self.subjects.known(punch.pin, punch.id)]):
                    raise RowDecided("this punch is recorded already, from another row; reject this one")
            event = QuarantineDecided(
                made.row, terminal, made.decision, punch.id if punch else b"", made.by, made.reason, made.at
            )
            news: list[Event] = [event] if punch is None else [event, PunchRecorded(punch)]
            sealed = self.ledger.append(news, made.at.date().isoformat())
            recorded = Recorded(accepted=[] if punch is None else [(self.log.begins + sealed[-1].sequence, punch)])
            self._insert_punches(recorded.accepted)
            self._connection.execute("UPDATE quarantine SET decision = ? WHERE known = ?", (made.decision, known_as))
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

    def entry_at(self, position: int) -> int:
        """The sequence, in the log that goes on, of what stands at a position; 0 for nothing.

        What stands in a log before is named by the first entry, which names that log.
        """
        return max(1, position - self.log.begins) if position else 0

    def change_key(self, change: KeyChanged) -> None:
        """Add the entry that hands the ledger over to another key."""
        self.halt.check()
        with self.transaction():
            self.ledger.append([change], change.at.date().isoformat())

    def settle(self, action: Action, status: int) -> Recorded:
        """Add the entry of what was asked for and changed nothing."""
        self.halt.check()
        with self.transaction():
            self._add(action, status)
        return Recorded(head=self.ledger.head().sequence)

    def acknowledge(self, position: int) -> None:
        """The gateway holds everything up to this position."""
        with self.transaction():
            self._entries.acknowledge(position)

    def checkpoint(self, signer: Signer, now: datetime) -> Signed | None:
        """Sign the ledger as it is, durably; None when nothing is new. Raises CheckpointInconsistent."""
        with self.transaction():
            return self._tree.sign(signer, self.ledger.head().sequence, now)

    def witness_key(self, shown: PublicKey, configured: PublicKey | None, now: datetime) -> PublicKey:
        """The gateway's key that is believed: the configured one, else the pinned one, else the first that is shown."""
        with self.transaction():
            believed = self.witnesses.believed()
            if configured is not None and believed != configured:
                self.witnesses.pin(configured, "configured", now)
            elif believed is None:
                self.witnesses.pin(shown, "first_use", now)
        return configured or believed or shown

    def keep_cosigned(self, size: int, note: Note) -> None:
        """Keep a checkpoint with what its witness added."""
        with self.transaction():
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
        mark = None
        if layout in ATTLOG_LAYOUTS:
            plain = self.subjects.keys.open(PLACE, mark_binding(terminal), tail) if tail else b""
            mark = LogMark(layout, ATTLOG_LAYOUTS[layout].size, marked, plain)
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
        whose = value.decode() if name == "pin" and self.subjects.id_of(value.decode()) else None
        return self.ledger.commitment(whose, value)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durably; inside another one, part of it. Raises StorageUnavailable."""
        if self._connection.in_transaction:
            yield
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._undo()
                raise
            self._connection.execute("COMMIT")
            self.subjects.settle()
        except (sqlite3.Error, OSError) as error:
            self._undo()
            raise StorageUnavailable(f"nothing was accepted, the disk did not take the write: {error}") from error

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.subjects.undo()

    def _record_one(self, batch: Batch) -> Recorded:
        recorded = Recorded()
        batch = self._without_erased(batch, recorded)
        self.subjects.enrol([one.pin for one in (*batch.rows, *batch.people) if one.pin is not None])
        fresh, aside = self._sort_out(batch.rows, recorded)
        news: list[Event] = [event for event in (batch.generation, batch.corrected) if event is not None]
        people = self._with_uids(batch.people)
        news += self._changed(people)
        told = [_put_aside(row, batch.received_at) for row in aside]
        sealed = self.ledger.append([*news, *map(PunchRecorded, fresh), *told], batch.received_at.date().isoformat())
        new = zip(sealed[len(news) :], fresh, strict=False)
        recorded.accepted = [(self.log.begins + entry.sequence, punch) for entry, punch in new]
        if batch.action is not None and not batch.action.is_recorded:
            self._add(batch.action, None)
        self._insert_punches(recorded.accepted)
        self._insert_quarantine(aside, batch.received_at)
        self._insert_people(people)
        self._move_cursor(batch, recorded)
        if batch.notes is not None:
            keep_notes(self._connection, self.subjects, batch.terminal, batch.notes, batch.received_at)
        recorded.head = self.ledger.head().sequence
        return recorded

    def _without_erased(self, batch: Batch, recorded: Recorded) -> Batch:
        """Rows of people who were erased are known and stay away; people who came back since are others."""
        erased = self.subjects.tombstones
        rows = [row for row in batch.rows if row.pin is None or not erased.covers(row.pin, _instant_of(row))]
        recorded.duplicate += len(batch.rows) - len(rows)
        back = {row.pin for row in rows}
        people = [
            one
            for one in batch.people
            if one.pin in back or self.subjects.id_of(one.pin) is not None or not erased.has(one.pin)
        ]
        notes = batch.notes
        if notes is not None:
            notes = replace(notes, events=[one for one in notes.events if not one.pin or not erased.has(one.pin)])
        return replace(batch, rows=rows, people=people, notes=notes)

    def _sort_out(
        self, rows: Sequence[Punch | Quarantined], recorded: Recorded
    ) -> tuple[list[Punch], list[Quarantined]]:
        names = [[self.subjects.known(row.pin, row.id)] for row in rows]
        known = self._known("SELECT known FROM punch WHERE known IN", [one for (one,) in names])
        if self._connection.execute("SELECT 1 FROM quarantine LIMIT 1").fetchone():  # where most places have nothing
            for row, its in zip(rows, names, strict=True):
                its.append(self.subjects.known(None, row.id))
            known |= self._known("SELECT known FROM quarantine WHERE known IN", [one for its in names for one in its])
        fresh: dict[bytes, Punch] = {}
        aside: dict[bytes, Quarantined] = {}
        for row, its in zip(rows, names, strict=True):
            if not known.isdisjoint(its) or row.id in fresh or row.id in aside:
                recorded.duplicate += 1
            elif isinstance(row, Punch):
                fresh[row.id] = row
            else:
                aside[row.id] = row
                recorded.quarantined += 1
        return list(fresh.values()), list(aside.values())

    def _known(self, query: str, ids: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for step in in_steps(ids, LOOKUP_STEP):
            marks = ",".join("?" * len(step))
            found.update(row[0] for row in self._connection.execute(f"{query} ({marks})", step))
        return found

    def _insert_punches(self, accepted: Sequence[tuple[int, Punch]]) -> None:
        self._connection.executemany(
            "INSERT INTO punch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [punch_row(sequence, punch, self.subjects) for sequence, punch in accepted],
        )

    def _insert_quarantine(self, aside: Sequence[Quarantined], now: datetime) -> None:
        self._connection.executemany(
            "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, '')",
            [self._aside_row(row, now) for row in aside],
        )

    def _aside_row(self, row: Quarantined, now: datetime) -> tuple[Any, ...]:
        owner, known = self.subjects.owner(row.pin), self.subjects.known(row.pin, row.id)
        values = [row.id, row.detail, row.raw]
        sealed = seal_values(self.subjects.keys, owner, "quarantine", (known,), values)
        return known, row.terminal, owner.name or None, row.reason, sealed, now.isoformat()

    def _changed(self, people: Sequence[PersonEnrolled]) -> list[PersonEnrolled]:
        if not people:
            return []
        known = {}
        for one, uid, privilege, sealed in self._connection.execute(
            "SELECT subject, uid, privilege, sealed FROM person WHERE terminal = ?", (people[0].terminal,)
        ):
            row = (people[0].terminal, one)
            name, card = open_values(self.subjects.keys, subject(one), "person", row, sealed)
            known[self.subjects.pin_of(one)] = (uid, name, privilege, card)
        return [
            person
            for person in people
            if known.get(person.pin) != (person.uid, person.name, person.privilege, person.card)
        ]

    def _with_uids(self, people: Sequence[PersonEnrolled]) -> Sequence[PersonEnrolled]:
        """People told without a uid, as push does, keep the one that was told before."""
        if all(person.uid for person in people):
            return people
        query = "SELECT subject, uid FROM person WHERE terminal = ?"
        uids = dict(self._connection.execute(query, (people[0].terminal,)))
        id_of = self.subjects.id_of
        return [person if person.uid else replace(person, uid=uids.get(id_of(person.pin), 0)) for person in people]

    def _insert_people(self, people: Sequence[PersonEnrolled]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO person VALUES (?, ?, ?, ?, ?)", [self._person_row(person) for person in people]
        )

    def _person_row(self, person: PersonEnrolled) -> tuple[Any, ...]:
        owner = self.subjects.owner(person.pin)
        values, row = [person.name, person.card], (person.terminal, owner.name)
        sealed = seal_values(self.subjects.keys, owner, "person", row, values)
        return (*row, person.uid, person.privilege, sealed)

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
            sealed = self.subjects.keys.seal(PLACE, mark_binding(batch.terminal), mark.tail) if mark.tail else b""
            self._connection.execute(
                "UPDATE cursor SET rows = ?, read_at = coalesce(?, read_at), mark_layout = ?, mark_rows = ?,"
                " mark_tail = ? WHERE terminal = ?",
                (
                    batch.holds,
                    batch.received_at.isoformat() if batch.is_whole else None,
                    mark.layout,
                    mark.rows,
                    sealed,
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


def _instant_of(row: Punch | Quarantined) -> datetime | None:
    return row.instant if isinstance(row, Punch) else None


def _put_aside(row: Quarantined, now: datetime) -> RowPutAside:
    return RowPutAside(row.id, row.terminal, str(row.reason), digest_of(row.detail, row.raw), row.pin, now)


def _as_bytes(result: object) -> bytes:
    """What a change resulted in, in one spelling; empty for what is no value."""
    return to_json(result) if is_dataclass(result) or isinstance(result, BaseModel) else b""


def punch_row(sequence: int, punch: Punch, subjects: Subjects) -> tuple[Any, ...]:
    """The row of table `punch` that follows from an entry: what is asked for, never what is proved."""
    return (
        sequence,
        subjects.known(punch.pin, punch.id),
        punch.terminal,
        subjects.owner(punch.pin).name,
        punch.local_time.isoformat(timespec="seconds"),
        int(punch.instant.timestamp()),
        punch.state,
        punch.verify,
        punch.work_code,
        None if punch.drift is None else round(punch.drift / timedelta(milliseconds=1)),
        punch.received_at.isoformat(timespec="milliseconds"),
        punch.channel,
    )
