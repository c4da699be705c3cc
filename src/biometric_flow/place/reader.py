"""What a place can be asked: queries beside the writer, over a read-only connection."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.merkle import inclusion
from biometric_flow.ledger.receipt import ReceiptNotYet, write_receipt
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.model.ids import PunchId
from biometric_flow.model.punch import Punch, QuarantineReason
from biometric_flow.place.errors import PunchUnknown


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

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._entries = SqliteLedgerStore(connection)
        self.tree = SqliteTree(connection)

    def receipt(self, punch: PunchId) -> str:
        """The receipt of a punch. Raises PunchUnknown, or ReceiptNotYet until a checkpoint covers it."""
        row = self._connection.execute("SELECT sequence FROM punch WHERE id = ?", (punch,)).fetchone()
        if row is None:
            raise PunchUnknown(f"there is no punch {punch.hex()} at this place")
        signed = self.tree.covering(row[0])
        if signed is None:
            raise ReceiptNotYet("the punch is recorded; the checkpoint that covers it is signed within a minute")
        (entry,) = self._entries.read(row[0] - 1, 1)
        return write_receipt(entry, self.tree.hashes(inclusion(row[0] - 1, signed.size), signed.size), signed.note)

    def punches(self, wanted: PunchFilter, after: tuple[int, int], limit: int) -> list[StoredPunch]:
        """Punches by instant, then ledger sequence, that follow `after` = (seconds, sequence)."""
        clauses, values = ["(instant, sequence) > (?, ?)"], [*after]
        filters: tuple[tuple[str, object], ...] = (
            ("instant >= ?", wanted.since and int(wanted.since.timestamp())),
            ("instant < ?", wanted.until and int(wanted.until.timestamp())),
            ("pin = ?", wanted.pin),
            ("terminal = ?", wanted.terminal),
        )
        arguments: list[object] = list(values)
        for clause, value in filters:
            if value is not None:
                clauses.append(clause)
                arguments.append(value)
        query = f"SELECT * FROM punch WHERE {' AND '.join(clauses)} ORDER BY instant, sequence LIMIT ?"  # noqa: S608
        return [_punch(row) for row in self._connection.execute(query, (*arguments, limit))]

    def punches_after(self, sequence: int, limit: int) -> list[StoredPunch]:
        """Punches in ledger order."""
        query = "SELECT * FROM punch WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return [_punch(row) for row in self._connection.execute(query, (sequence, limit))]

    def people(self) -> list[tuple[str, str, list[str], datetime | None]]:
        """PIN, name, serial numbers and last punch of everyone the terminals know or have seen, by PIN."""
        query = """
            SELECT pin, max(name), group_concat(DISTINCT terminal), max(instant) FROM (
                SELECT pin, name, terminal, NULL AS instant FROM person
                UNION ALL
                SELECT pin, '', terminal, max(instant) FROM punch GROUP BY pin, terminal
            ) GROUP BY pin ORDER BY length(pin), pin
        """
        return [
            (pin, name, sorted(terminals.split(",")), None if last is None else datetime.fromtimestamp(last, UTC))
            for pin, name, terminals, last in self._connection.execute(query)
        ]

    def quarantine(self, limit: int) -> list[tuple[str, QuarantineReason, str, bytes, datetime, bytes, str]]:
        """Terminal, reason, detail, bytes, first sight, id and decision of rows put aside, newest first."""
        query = (
            "SELECT terminal, reason, detail, raw, first_seen, id, decision FROM quarantine"
            " ORDER BY first_seen DESC, id LIMIT ?"
        )
        return [
            (terminal, QuarantineReason(reason), detail, raw, datetime.fromisoformat(seen), row, decision)
            for terminal, reason, detail, raw, seen, row, decision in self._connection.execute(query, (limit,))
        ]

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
        """The last ledger sequence."""
        return self._entries.head().sequence

    def backlog(self) -> int:
        """Entries that the gateway has not acknowledged."""
        return self._entries.backlog()


def _punch(row: tuple[Any, ...]) -> StoredPunch:
    sequence, punch_id, terminal, pin, local, instant, state, verify, work_code, drift, received, channel = row
    return sequence, Punch(
        id=PunchId(punch_id),
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
