"""What a place can be asked: queries beside the writer, over a read-only connection."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from biometric_flow.identity.keyring import PLACE, subject
from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.decisions import CorrectionMade
from biometric_flow.ledger.events import decode
from biometric_flow.ledger.logs import log_at
from biometric_flow.ledger.merkle import inclusion
from biometric_flow.ledger.receipt import ReceiptNotYet, write_receipt
from biometric_flow.ledger.sqlite import SqliteLedgerStore, logs_of
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.model.ids import Pin, PunchId, TenantId
from biometric_flow.model.punch import Punch, QuarantineReason, punch_id
from biometric_flow.place.errors import PunchUnknown
from biometric_flow.place.sealing import open_values
from biometric_flow.place.store import LOOKUP_STEP
from biometric_flow.place.subjects import Subjects, in_steps
from biometric_flow.place.wording import Wording


@dataclass(frozen=True, slots=True)
class PunchFilter:
    """Which punches; None means any. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    pin: str | None = None
    terminal: str | None = None


StoredPunch = tuple[int, Punch]


class PlaceReader:
    """Queries beside the writer, over a read-only connection."""

    def __init__(self, connection: sqlite3.Connection, subjects: Subjects) -> None:
        self._connection, self._subjects = connection, subjects
        self._entries = SqliteLedgerStore(connection, subjects)
        self.tree = SqliteTree(connection)

    def receipt(self, punch: PunchId) -> str:
        """The receipt of a punch. Raises PunchUnknown, or ReceiptNotYet until a checkpoint covers it."""
        position = self._position(punch)
        log = log_at(logs_of(self._connection), position)
        tree, entries = SqliteTree(self._connection, log), SqliteLedgerStore(self._connection, self._subjects, log)
        sequence = position - log.begins
        signed = tree.covering(sequence)
        if signed is None:
            raise ReceiptNotYet("the punch is recorded; the checkpoint that covers it is signed within a minute")
        (entry,) = entries.read(sequence - 1, 1)
        return write_receipt(entry, tree.hashes(inclusion(sequence - 1, signed.size), signed.size), signed.note)

    def _position(self, punch: PunchId) -> int:
        """An id alone does not say whose punch it is: what stands for it is tried for everybody (ADR 81)."""
        for step in in_steps(self._subjects.candidates(punch), LOOKUP_STEP):
            marks = ",".join("?" * len(step))
            query = f"SELECT sequence FROM punch WHERE known IN ({marks})"  # noqa: S608 - marks only
            row = self._connection.execute(query, step).fetchone()
            if row is not None:
                return int(row[0])
        raise PunchUnknown(f"there is no punch {punch.hex()} at this place")

    def punches(self, wanted: PunchFilter, after: tuple[int, int], limit: int) -> list[StoredPunch]:
        """Punches by instant, then ledger sequence, that follow `after` = (seconds, sequence)."""
        clauses, values = ["(instant, sequence) > (?, ?)"], [*after]
        filters: tuple[tuple[str, object], ...] = (
            ("instant >= ?", wanted.since and int(wanted.since.timestamp())),
            ("instant < ?", wanted.until and int(wanted.until.timestamp())),
            ("subject = ?", None if wanted.pin is None else self._subjects.id_of(wanted.pin) or ""),
            ("terminal = ?", wanted.terminal),
        )
        arguments: list[object] = list(values)
        for clause, value in filters:
            if value is not None:
                clauses.append(clause)
                arguments.append(value)
        query = f"SELECT * FROM punch WHERE {' AND '.join(clauses)} ORDER BY instant, sequence LIMIT ?"  # noqa: S608
        return self._punches(self._connection.execute(query, (*arguments, limit)))

    def punches_after(self, sequence: int, limit: int) -> list[StoredPunch]:
        """Punches in ledger order."""
        query = "SELECT * FROM punch WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return self._punches(self._connection.execute(query, (sequence, limit)))

    def people(self) -> list[tuple[str, str, list[str], datetime | None]]:
        """PIN, name, serial numbers and last punch of everyone the terminals know or have seen, by PIN."""
        names: dict[str, str] = {}
        terminals: dict[str, set[str]] = {}
        last: dict[str, int] = {}
        keys = self._subjects.keys
        for terminal, one, sealed in self._connection.execute("SELECT terminal, subject, sealed FROM person"):
            name, _card = open_values(keys, subject(one), "person", (terminal, one), sealed)
            names[one] = max(names.get(one, ""), name)
            terminals.setdefault(one, set()).add(terminal)
        query = "SELECT subject, terminal, max(instant) FROM punch GROUP BY subject, terminal"
        for one, terminal, instant in self._connection.execute(query):
            terminals.setdefault(one, set()).add(terminal)
            last[one] = max(last.get(one, instant), instant)
        found = [
            (self._subjects.pin_of(one), names.get(one, ""), sorted(serials), _instant(last.get(one)))
            for one, serials in terminals.items()
        ]
        return sorted(found, key=lambda person: (len(person[0]), person[0]))

    def known_by(self, pin: str) -> list[dict[str, Any]]:
        """What each terminal knows of a person: terminal, name, privilege, card."""
        one, found = self._subjects.id_of(pin) or "", []
        query = "SELECT terminal, privilege, sealed FROM person WHERE subject = ? ORDER BY terminal"
        for terminal, privilege, sealed in self._connection.execute(query, (one,)):
            name, card = open_values(self._subjects.keys, subject(one), "person", (terminal, one), sealed)
            found.append({"terminal": terminal, "name": name, "privilege": privilege, "card": card})
        return found

    def events_about(self, pin: str) -> list[dict[str, Any]]:
        """What happened at terminals and is about a person: terminal, kind, local time, detail."""
        query = "SELECT terminal, kind, local_time, detail, known FROM terminal_event WHERE subject = ?"
        rows = self._connection.execute(f"{query} ORDER BY local_time", (self._subjects.id_of(pin) or "-",))
        opened = Wording(self._subjects).open
        return [
            {
                "terminal": terminal,
                "kind": kind,
                "local_time": time,
                "detail": opened("terminal_event", "detail", known, detail),
            }
            for terminal, kind, time, detail, known in rows
        ]

    def put_aside(self, pin: str) -> int:
        """How many rows of a person are in quarantine."""
        query = "SELECT count(*) FROM quarantine WHERE subject = ?"
        (count,) = self._connection.execute(query, (self._subjects.id_of(pin) or "",)).fetchone()
        return int(count)

    def corrections(self, pin: str) -> tuple[list[CorrectionMade], list[bytes]]:
        """Corrections of a person that this place has recorded, by number, and the ids of those that were withdrawn."""
        query = "SELECT sequence FROM correction WHERE subject = ? ORDER BY sequence"
        live: dict[bytes, CorrectionMade] = {}
        withdrawn: list[bytes] = []
        for (sequence,) in self._connection.execute(query, (self._subjects.id_of(pin) or "",)).fetchall():
            log = log_at(logs_of(self._connection), sequence)
            entries = SqliteLedgerStore(self._connection, self._subjects, log)
            (entry,) = entries.read(sequence - log.begins - 1, 1)
            event = decode(entry.record)
            assert isinstance(event, CorrectionMade), "the row follows from such an entry"
            if event.operation == "withdraw":
                withdrawn.append(event.correction)
                live.pop(event.correction, None)
            else:
                live[event.correction] = event
        return sorted(live.values(), key=lambda one: one.number), withdrawn

    def quarantine(self, limit: int) -> list[tuple[str, QuarantineReason, str, bytes, datetime, bytes, str]]:
        """Terminal, reason, detail, bytes, first sight, id and decision of rows put aside, newest first."""
        query = "SELECT * FROM quarantine ORDER BY first_seen DESC, known LIMIT ?"
        found = []
        for known, terminal, one, reason, sealed, seen, decision in self._connection.execute(query, (limit,)):
            owner = PLACE if one is None else subject(one)
            row, detail, raw = open_values(self._subjects.keys, owner, "quarantine", (known,), sealed)
            at = datetime.fromisoformat(seen)
            found.append((terminal, QuarantineReason(reason), detail, raw, at, row, decision))
        return found

    def counters(self) -> dict[str, tuple[int, int, int, int]]:
        """Serial -> rows received, accepted, quarantined, duplicate."""
        query = "SELECT terminal, received, accepted, quarantined, duplicate FROM cursor"
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in self._connection.execute(query)}

    def last_punches(self) -> dict[str, datetime]:
        """Serial -> instant of its newest punch."""
        # One look into the index for each terminal; grouping would walk through every punch there is.
        query = "SELECT terminal, (SELECT max(instant) FROM punch WHERE punch.terminal = cursor.terminal) FROM cursor"
        rows = self._connection.execute(query)
        return {terminal: datetime.fromtimestamp(last, UTC) for terminal, last in rows if last is not None}

    def counters_of(self, serial: str) -> tuple[int, int, int, int]:
        """Rows of one terminal received, accepted, quarantined, duplicate."""
        query = "SELECT received, accepted, quarantined, duplicate FROM cursor WHERE terminal = ?"
        row: tuple[int, int, int, int] | None = self._connection.execute(query, (serial,)).fetchone()
        return row or (0, 0, 0, 0)

    def last_punch_of(self, serial: str) -> datetime | None:
        """Instant of the newest punch of one terminal."""
        (last,) = self._connection.execute("SELECT max(instant) FROM punch WHERE terminal = ?", (serial,)).fetchone()
        return None if last is None else datetime.fromtimestamp(last, UTC)

    def entries(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Ledger entries after a position."""
        return self._entries.read(after, limit)

    def head(self) -> int:
        """The last sequence of the log that goes on."""
        return self._entries.head().sequence

    def backlog(self) -> int:
        """Entries that the gateway has not acknowledged."""
        return self._entries.backlog()

    def _punches(self, rows: Iterable[tuple[Any, ...]]) -> list[StoredPunch]:
        """The punches in these rows, without those of somebody who is being erased at this moment."""
        named = ((row, self._subjects.pin_or_none(row[3])) for row in rows)
        return [(row[0], self._punch(row, pin)) for row, pin in named if pin is not None]

    def _punch(self, row: tuple[Any, ...], pin: Pin) -> Punch:
        _sequence, _known, terminal, _one, local, instant, state, verify, work_code, drift, received, channel = row
        return Punch(
            id=punch_id(TenantId(self._subjects.keys.tenant), terminal, pin, local, state),
            terminal=terminal,
            pin=pin,
            local_time=datetime.fromisoformat(local),
            instant=datetime.fromtimestamp(instant, UTC),
            state=state,
            verify=verify,
            work_code=work_code,
            drift=None if drift is None else timedelta(milliseconds=drift),
            received_at=datetime.fromisoformat(received),
            channel=channel,
        )


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
