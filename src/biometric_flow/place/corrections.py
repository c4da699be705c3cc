"""Approved corrections become entries of a place's ledger: fetched from the gateway, recorded once (L4)."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable, UplinkClient
from biometric_flow.api.corrections import CorrectionOrder
from biometric_flow.ledger.decisions import ID_BYTES, Change, CorrectionMade
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
_WITHDRAWN: Final = b"withdrawn"


class Corrections:
    """Records corrections in the writer's thread; the place's own file says which ones it has already."""

    def __init__(self, connection: sqlite3.Connection, store: PlaceStore) -> None:
        self._connection, self._store = connection, store

    def record(self, orders: Sequence[CorrectionOrder], now: datetime) -> Recorded:
        """Append what is not there yet, in one transaction; durable when this returns.

        What corrects something that this place has not recorded, or is about somebody who was erased here, is left out.
        """
        self._store.halt.check()
        with self._store.transaction():
            for order in orders:
                self._record_one(order, now)
        return Recorded(head=self._store.ledger.head().sequence)

    def _record_one(self, order: CorrectionOrder, now: datetime) -> None:
        subjects, pin = self._store.subjects, canonical_pin(order.pin)
        if subjects.id_of(pin) is None and subjects.tombstones.has(pin):
            log.warning("correction_of_erased", correction=str(order.correction))
            return
        subjects.enrol([pin])
        known = known_as(subjects, pin, order.correction.bytes, is_withdrawal=order.operation == "withdraw")
        if self._sequence("correction", known):
            return
        target = bytes.fromhex(order.target)
        at = self._entry_of(pin, target) if target else 0
        if at is None:
            log.warning("correction_without_target", correction=str(order.correction))
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
        (sealed,) = self._store.ledger.append([event], now.date().isoformat())
        row = correction_row(self._store.log.begins + sealed.sequence, event, subjects)
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


def correction_row(sequence: int, event: CorrectionMade, subjects: Subjects) -> tuple[int, bytes, str]:
    """The row of table `correction` that follows from an entry."""
    known = known_as(subjects, event.pin, event.correction, is_withdrawal=event.operation == "withdraw")
    return sequence, known, subjects.owner(event.pin).name
