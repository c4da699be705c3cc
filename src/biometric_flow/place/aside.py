"""Checks the quarantine of a place against its ledger: no row was taken out, changed, or decided without an entry."""

import sqlite3
from typing import Any

from biometric_flow.identity.keyring import PLACE, subject
from biometric_flow.ledger.aside import RowPutAside, digest_of
from biometric_flow.ledger.decisions import QuarantineDecided
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.ledger.events import Event
from biometric_flow.place.sealing import open_values
from biometric_flow.place.subjects import Subjects


class Aside:
    """Fed with the entries in their order. Rows that older versions put aside have no entry and are not looked at."""

    def __init__(self, connection: sqlite3.Connection, subjects: Subjects) -> None:
        self._subjects = subjects
        query = "SELECT known, terminal, subject, reason, sealed, decision FROM quarantine"
        self._rows: dict[bytes, tuple[Any, ...]] = {row[0]: row for row in connection.execute(query)}
        self._open: dict[bytes, tuple[str, str]] = {}
        """By identity: the entry that put it aside, and what the table says was decided."""

    def check(self, where: str, event: Event | None) -> None:
        """Compare what an entry says of a row with the row. Raises LedgerAltered."""
        match event:
            case RowPutAside():
                self._put_aside(where, event)
            case QuarantineDecided() if event.row in self._open:
                _, decision = self._open.pop(event.row)
                if decision != event.decision:
                    raise LedgerAltered(f"{where}: it decides about a row, and table quarantine says otherwise")

    def finish(self) -> None:
        """Nothing was decided without an entry. Raises LedgerAltered."""
        for where, decision in self._open.values():
            if decision:
                raise LedgerAltered(f"{where}: the row that was put aside was decided about, and no entry says so")

    def _put_aside(self, where: str, event: RowPutAside) -> None:
        row = self._rows.pop(self._subjects.known(event.pin, event.row), None)
        if row is None:
            raise LedgerAltered(f"{where}: its row was put aside, and is not in table quarantine any more")
        known, terminal, one, reason, sealed, decision = row
        owner = PLACE if one is None else subject(one)
        identity, detail, raw = open_values(self._subjects.keys, owner, "quarantine", (known,), sealed)
        if (identity, terminal, reason, digest_of(detail, raw)) != (
            event.row,
            event.terminal,
            event.reason,
            event.content,
        ):
            raise LedgerAltered(f"{where}: the row that was put aside is not what the entry says")
        self._open[event.row] = where, decision
