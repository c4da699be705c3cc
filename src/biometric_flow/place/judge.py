"""Judges entries of a place's ledger, each with the one before it and the rows that follow from it (L8).

Nothing is read here: whoever has the rows hands them over, so that pieces of a ledger can be judged side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from biometric_flow.ledger.aside import RowPutAside
from biometric_flow.ledger.chain import Head, SealedEntry, check, link
from biometric_flow.ledger.decisions import (
    CorrectionMade,
    CorrectionRefused,
    LogStarted,
    PersonErased,
    QuarantineDecided,
)
from biometric_flow.ledger.errors import LedgerAltered, LedgerError
from biometric_flow.ledger.events import Event, PunchRecorded, decode
from biometric_flow.ledger.logs import Log, log_name
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.corrections import correction_row
from biometric_flow.place.store import punch_row
from biometric_flow.place.subjects import Subjects

Stored = tuple[int, bytes, bytes, bytes]
"""Position, leaf, hash, sealed record, as they lie in the file."""
Row = tuple[Any, ...]

TABLES: Final = ("punch", "correction")
"""Tables whose rows follow from entries, each row from the one of its sequence."""

_FAR: Final = PersonErased, LogStarted, RowPutAside, QuarantineDecided
"""Events that say something about more than their own entry."""


@dataclass(slots=True)
class Piece:
    """Consecutive entries that were judged, up to the first that does not fit."""

    hashes: list[bytes] = field(default_factory=list)
    far: dict[int, Event] = field(default_factory=dict)
    """By place in the piece: what says something about other entries or rows, which is to be checked in order."""
    erased: int = 0
    punches: int = 0
    altered: str = ""
    """Why the entry behind the last hash does not fit; empty when all do."""


class Judge:
    """What has to be known to judge an entry of one log."""

    def __init__(self, place: PlaceId, log: Log, carried: int | None, entries: SqliteLedgerStore, who: Subjects):
        """`carried`: the position behind which the next log records this one's entries again, None where none does."""
        self.log, self._place, self._carried = log, log_name(place, log.number), carried
        self._entries, self._subjects = entries, who

    def tells(self, position: int) -> bool:
        """Do rows follow from this entry? Those of what is recorded again in the next log follow from there."""
        return self._carried is None or position <= self._carried

    def where(self, sequence: int) -> str:
        """How an entry is named to people."""
        return f"entry {sequence}" + (f" of log {self.log.number}" if self.log.number > 1 else "")

    def piece(self, head: Head, stored: Sequence[Stored], rows: Mapping[str, dict[int, Row]]) -> Piece:
        """Judge entries that follow `head`; `rows` are all rows of TABLES up to the last of them, by sequence."""
        found = Piece()
        punches, corrections = (rows[table] for table in TABLES)
        try:
            for one in stored:
                event = self.entry(head, one, punches.pop(one[0], None), corrections.pop(one[0], None))
                if event is None:
                    found.erased += 1
                elif isinstance(event, PunchRecorded):
                    found.punches += self.tells(one[0])
                elif isinstance(event, _FAR):
                    found.far[len(found.hashes)] = event
                found.hashes.append(one[2])
                head = Head(head.sequence + 1, one[2])
            for table in TABLES:
                if rows[table]:
                    raise LedgerAltered(f"{table} row {min(rows[table])}: there is no such entry")
        except LedgerAltered as error:
            found.altered = str(error)
        return found

    def entry(self, head: Head, stored: Stored, punch: Row | None, correction: Row | None) -> Event | None:
        """What an entry says that follows `head`, None for one of somebody who was erased.

        Raises LedgerAltered when it does not follow, was altered, or the rows are not what it says.
        """
        where = self.where(head.sequence + 1)
        if stored[0] != self.log.begins + head.sequence + 1:
            raise LedgerAltered(f"{where}: it is missing, or its sequence was changed")
        try:
            entry = self._entries.opened(stored)
            expected, event = self._said(head, entry)
        except LedgerError as error:
            raise LedgerAltered(str(error)) from error
        if entry.hash != expected.hash:
            raise LedgerAltered(f"{where}: the stored hash differs from the leaf's own")
        if event is not None and event.subject is not None and self._subjects.id_of(event.subject) is None:
            raise LedgerAltered(f"{where}: the person it is about is not in table subject")
        self._follow(where, stored[0], event, punch, correction)
        return event

    def _said(self, head: Head, entry: SealedEntry) -> tuple[Head, Event | None]:
        if entry.is_erased:
            return link(self._place, head, entry.leaf)[0], None
        expected = check(self._place, head, entry.leaf, entry.record, entry.opening)
        return expected, decode(entry.record)

    def _follow(
        self, where: str, position: int, event: Event | None, punch: Row | None, correction: Row | None
    ) -> None:
        tells = self.tells(position)
        expected = None
        if tells and isinstance(event, PunchRecorded):
            expected = punch_row(position, event.punch, self._subjects)
        if punch != expected:
            raise LedgerAltered(f"{where}: the row of table punch is not what the entry says")
        expected = None
        if tells and isinstance(event, CorrectionMade | CorrectionRefused):
            expected = correction_row(position, event, self._subjects)
        if correction != expected:
            raise LedgerAltered(f"{where}: the row of table correction is not what the entry says")
