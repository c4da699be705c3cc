"""Approved corrections become entries of a place's ledger: fetched from the gateway, recorded once (L4)."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable, UplinkClient
from biometric_flow.api.corrections import CorrectionOrder
from biometric_flow.ledger.decisions import ID_BYTES, Change, CorrectionMade, CorrectionRefused
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.model.ids import Pin, canonical_pin
from biometric_flow.place.store import PlaceStore, Recorded
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

SCHEMA: Final = """
CREATE TABLE correction (
    sequence INTEGER PRIMARY KEY REFERENCES ledger_entry,
    known    BLOB NOT NULL UNIQUE,         -- keyed digest of the correction's id, another one for its withdrawal
    subject  TEXT NOT NULL
) STRICT;
CREATE INDEX correction_by_subject ON correction (subject, sequence);
"""
_WITHDRAWN, _REFUSED = b"withdrawn", b"refused"
PATIENCE: Final = timedelta(days=1)
"""How long after its approval a correction waits for what it corrects: a place may be reading its terminals again."""


class Corrections:
    """Records corrections in the writer's thread; the place's own file says which ones it has already."""

    def __init__(self, connection: sqlite3.Connection, store: PlaceStore) -> None:
        self._connection, self._store = connection, store

    def record(self, orders: Sequence[CorrectionOrder], now: datetime) -> Recorded:
        """Append what is not there yet, in one transaction; durable when this returns.

        What is about somebody who was erased here, or corrects what this place does not know a day after the approval,
        is refused by an entry of its own: it will never be recorded.
        """
        self._store.halt.check()
        with self._store.transaction():
            for order in orders:
                self._record_one(order, now)
        return Recorded(head=self._store.ledger.head().sequence)

    def _record_one(self, order: CorrectionOrder, now: datetime) -> None:
        subjects, pin = self._store.subjects, canonical_pin(order.pin)
        refused = refused_as(subjects, order.correction.bytes, is_withdrawal=order.operation == "withdraw")
        if self._sequence("correction", refused):
            return
        if subjects.id_of(pin) is None and subjects.tombstones.has(pin):
            self._refuse(order, "erased", now)
            return
        subjects.enrol([pin])
        known = known_as(subjects, pin, order.correction.bytes, is_withdrawal=order.operation == "withdraw")
        if self._sequence("correction", known):
            return
        target = bytes.fromhex(order.target)
        at = self._entry_of(pin, target) if target else 0
        if at is None:
            log.warning("correction_without_target", correction=str(order.correction))
            if now - order.at > PATIENCE:
                self._refuse(order, "target_unknown", now)
            return
        event = CorrectionMade(
            correction=order.correction.bytes,
            number=order.number,
            operation=order.operation,
            pin=Pin(pin),
            target=target,
            entry=self._store.entry_at(at),
            changes=tuple(Change(*one) for one in order.changes),
            by=order.by,
            reason=order.reason,
            approved_by=order.approved_by,
            at=order.at,
        )
        self._append(event, now)

    def _refuse(self, order: CorrectionOrder, why: Literal["erased", "target_unknown"], now: datetime) -> None:
        log.warning("correction_refused", correction=str(order.correction), why=why)
        self._append(CorrectionRefused(order.correction.bytes, order.operation == "withdraw", why, now), now)

    def _append(self, event: CorrectionMade | CorrectionRefused, now: datetime) -> None:
        (sealed,) = self._store.ledger.append([event], now.date().isoformat())
        row = correction_row(self._store.log.begins + sealed.sequence, event, self._store.subjects)
        self._connection.execute("INSERT INTO correction VALUES (?, ?, ?)", row)

    def _entry_of(self, pin: str, target: bytes) -> int | None:
        subjects = self._store.subjects
        if len(target) == ID_BYTES:
            return self._sequence("correction", known_as(subjects, pin, target, is_withdrawal=False))
        return self._sequence("punch", subjects.known(pin, target))

    def _sequence(self, table: str, known: bytes) -> int | None:
        query = f"SELECT sequence FROM {table} WHERE known = ?"  # noqa: S608 - our own names
        row = self._connection.execute(query, (known,)).fetchone()
        return None if row is None else int(row[0])


class CorrectionsTask:
    """Fetches what waits at the gateway, outbound as everything else, and has it recorded."""

    def __init__(
        self, client: UplinkClient, corrections: Corrections, writer: Writer, clock: Clock, every_seconds: float
    ) -> None:
        self._client, self._corrections, self._writer, self._clock = client, corrections, writer, clock
        self._every_seconds = every_seconds

    async def run(self) -> None:
        """For ever. A correction waits at the gateway until its entry has arrived there: nothing is lost in between."""
        while True:
            try:
                await self.fetch()
            except (GatewayUnreachable, GatewayProblem, LedgerError) as error:
                log.debug("corrections_wait", reason=str(error))
            except Exception:
                log.exception("corrections_failed")
            await self._clock.sleep(self._every_seconds)

    async def fetch(self) -> None:
        """Once: all pages of what waits."""
        after = 0
        while orders := await self._client.corrections(after):
            await self._writer.tell(self._corrections.record, orders, self._clock.now())
            after = orders[-1].position


def known_as(subjects: Subjects, pin: str, correction: bytes, *, is_withdrawal: bool) -> bytes:
    """What stands in the file for a correction, to know it again."""
    return subjects.known(pin, correction + (_WITHDRAWN if is_withdrawal else b""))


def refused_as(subjects: Subjects, correction: bytes, *, is_withdrawal: bool) -> bytes:
    """The same of one that was refused, under the place's own key: its person may have none any more."""
    return subjects.known(None, correction + _REFUSED + (_WITHDRAWN if is_withdrawal else b""))


def correction_row(
    sequence: int, event: CorrectionMade | CorrectionRefused, subjects: Subjects
) -> tuple[int, bytes, str]:
    """The row of table `correction` that follows from an entry; one that was refused is nobody's."""
    if isinstance(event, CorrectionRefused):
        return sequence, refused_as(subjects, event.correction, is_withdrawal=event.is_withdrawal), ""
    known = known_as(subjects, event.pin, event.correction, is_withdrawal=event.operation == "withdraw")
    return sequence, known, subjects.owner(event.pin).name
