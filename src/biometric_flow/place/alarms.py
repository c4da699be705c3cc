"""Alarms of pulled terminals: told live, or found in their operation log; each becomes one event, once."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from biometric_flow.identity.keyring import PLACE, subject
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.push.tables import EventKind, TerminalEvent, event_row
from biometric_flow.place.savepoint import savepoint
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.wording import Wording
from biometric_flow.zk.wire.events import AlarmKind, AlarmRaised
from biometric_flow.zk.wire.oplog import OperationRecord

SAME_WITHIN: Final = timedelta(seconds=30)
"""How far the time we heard an alarm may be from the one in the terminal's own log."""

NEWS_FOR: Final = timedelta(days=1)
"""An alarm that is older when it is found in a log is kept, and rings no bell."""

FORCED: Final = "door forced"
"""Of logs only: live, the number is taken for a door that closes, since sources disagree."""

FINDINGS: Final[dict[str, str]] = {
    AlarmKind.TAMPER: "tamper",
    AlarmKind.DURESS: "duress",
    AlarmKind.MISOPERATION: "misoperation",
    AlarmKind.ANTI_PASSBACK: "anti_passback",
    FORCED: "door_forced",
    AlarmKind.UNKNOWN: "alarm",
}
"""Kind -> code of the finding. What a door does every day is an event and no finding."""

_REASONS: Final[dict[int, str]] = {
    0x20: AlarmKind.DURESS,
    0x22: AlarmKind.ANTI_PASSBACK,
    0x35: AlarmKind.EXIT_BUTTON,
    0x36: FORCED,
    0x37: AlarmKind.TAMPER,
    0x3A: AlarmKind.MISOPERATION,
    0x54: AlarmKind.DOOR_CLOSING,
}
"""Numbers as zk-protocol 7 and zk-push-protocol 9 give them; the log's rows carry the same."""

_OPERATIONS: Final[dict[int, int | None]] = {3: None, 32: 0x20, 34: 0x22, 53: 0x35, 55: None}
"""Operations that are alarms -> their reason; None: it stands among the row's values."""

_LIVE, _LOGGED, _BOTH = "told live", "in its log", "told live and in its log"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm at one moment of the terminal's own clock."""

    terminal: TerminalSerial
    kind: str
    """A value of AlarmKind, or FORCED."""
    code: int
    pin: str
    at: datetime
    """Naive: the terminal's wall clock."""

    @property
    def finding(self) -> str | None:
        """The code of the finding that it makes, None for what a door does every day."""
        return FINDINGS.get(self.kind)

    @property
    def event(self) -> TerminalEvent:
        """As it is kept."""
        kind = EventKind.ALARM if self.finding else EventKind.DOOR
        return TerminalEvent(self.terminal, kind, self.code, self.pin, self.at.isoformat(), self.kind)


def told_live(event: AlarmRaised, terminal: TerminalSerial, pin: str, at: datetime) -> Alarm:
    """An alarm event, at the moment the terminal's clock showed."""
    if event.kind in (AlarmKind.DURESS, AlarmKind.ANTI_PASSBACK):
        code = 0x20 if event.kind is AlarmKind.DURESS else 0x22
    else:
        code = event.raw[0] if event.raw else 0
    return Alarm(terminal, event.kind, code, pin, at.replace(microsecond=0))


def in_log(rows: Iterable[OperationRecord], terminal: TerminalSerial, pins: Mapping[int, str]) -> Iterator[Alarm]:
    """The alarms among the rows of an operation log. A row with an impossible time is left out."""
    for row in rows:
        if row.operation not in _OPERATIONS or not row.time.is_possible:
            continue
        told = _OPERATIONS[row.operation]
        code = told or next((value for value in row.values if value in _REASONS), 0)
        pin = pins.get(row.values[0], "") if told else ""
        yield Alarm(terminal, _REASONS.get(code, AlarmKind.UNKNOWN), code, pin, row.time.to_datetime())


class Alarms:
    """Keeps alarms in the table of events. All methods run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, subjects: Subjects) -> None:
        self._connection, self._subjects, self._wording = connection, subjects, Wording(subjects)

    def keep(self, alarms: Sequence[Alarm], now: datetime, *, live: bool) -> list[Alarm]:
        """Keep what is new and return it. An alarm told live and its row in the log are one."""
        try:
            with savepoint(self._connection, "an alarm"):
                fresh = [alarm for alarm in alarms if self._keep(alarm, now, live)]
        except StorageUnavailable:
            self._subjects.undo()
            raise
        if not self._connection.in_transaction:
            self._subjects.settle()
        return fresh

    def _keep(self, alarm: Alarm, now: datetime, live: bool) -> bool:
        event = alarm.event
        known, *_ = event_row(event, event.id, self._subjects, now)
        if not live and self._connection.execute("SELECT 1 FROM terminal_event WHERE known = ?", (known,)).fetchone():
            return False
        return not self._joined(alarm, live) and self._added(event, now, _LIVE if live else _LOGGED)

    def _joined(self, alarm: Alarm, live: bool) -> bool:
        """Whether it is the other half of one that is kept; the log's half gives both their identity and time."""
        span = [(alarm.at + way * SAME_WITHIN).isoformat() for way in (-1, 1)]
        rows = self._connection.execute(
            "SELECT known, subject, detail FROM terminal_event WHERE terminal = ? AND code = ?"
            " AND kind IN ('alarm', 'door') AND local_time BETWEEN ? AND ? ORDER BY local_time",
            (alarm.terminal, alarm.code, *span),
        ).fetchall()
        other = f", {_LOGGED if live else _LIVE}"
        twin = next((one for one in rows if self._words(one[0], one[2]).endswith(other)), None)
        if twin is None:
            return False
        known, time = twin[0], None
        if not live:
            known, time = self._subjects.known(alarm.event.pin or None, alarm.event.id), alarm.event.local_time
        owner = subject(twin[1]) if twin[1] else PLACE
        detail = self._wording.seal(owner, "terminal_event", "detail", known, f"{alarm.kind}, {_BOTH}")
        self._connection.execute(
            "UPDATE terminal_event SET detail = ?, known = ?, local_time = coalesce(?, local_time) WHERE known = ?",
            (detail, known, time, twin[0]),
        )
        return True

    def _words(self, known: bytes, detail: str) -> str:
        return self._wording.open("terminal_event", "detail", known, detail)

    def _added(self, event: TerminalEvent, now: datetime, source: str) -> bool:
        row = replace(event, detail=f"{event.detail}, {source}")
        # A row of the log is known by what it says; one told live by that it was told, until its row turns up.
        identity = event.id if source == _LOGGED else row.id
        added = self._connection.execute(
            "INSERT OR IGNORE INTO terminal_event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            event_row(row, identity, self._subjects, now),
        )
        return added.rowcount == 1
