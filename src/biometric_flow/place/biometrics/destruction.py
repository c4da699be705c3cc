"""Destroying templates: on the server at once, on each terminal by a job that it confirmed (security-design E4)."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.biometrics.vault import Vault

SCHEMA: Final = """
CREATE TABLE biometric_destruction (       -- the log of what was destroyed and what is still to be (BIPA 15(a))
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    person       BLOB NOT NULL,            -- keyed digest of the PIN
    sealed       BLOB NOT NULL,            -- PIN, reason
    terminal     TEXT NOT NULL,            -- key
    asked_at     TEXT NOT NULL,
    job          INTEGER,                  -- the last job that was to do it
    detail       TEXT NOT NULL DEFAULT '',
    confirmed_at TEXT
) STRICT;
CREATE INDEX biometric_destruction_open ON biometric_destruction (terminal) WHERE confirmed_at IS NULL;
"""
_TABLE: Final = "biometric_destruction"
_SELECT: Final = (
    "SELECT number, person, sealed, terminal, asked_at, job, detail, confirmed_at FROM biometric_destruction"
)


@dataclass(frozen=True, slots=True)
class Destruction:
    """One person's templates to be destroyed on one terminal; open until the terminal confirmed."""

    number: int
    pin: str
    terminal: str
    reason: str
    asked_at: datetime
    job: int | None
    detail: str
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of the job that was to destroy: None while it is under way."""

    is_confirmed: bool | None
    detail: str = ""


class Destructions:
    """The tasks of a place. Methods run in the writer's thread and raise StorageUnavailable when the disk fails."""

    def __init__(self, connection: sqlite3.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def begin(self, pin: str, reason: str, terminals: Iterable[str], now: datetime) -> tuple[int, list[Destruction]]:
        """End the release, destroy what the server holds, and open a task for each terminal, in one transaction.

        Gives how many were destroyed here, and the tasks. Raises ReleaseUnknown.
        """
        known = self._vault.digest(pin)
        more = [
            (
                "INSERT INTO biometric_destruction (person, sealed, terminal, asked_at) VALUES (?, ?, ?, ?)",
                (
                    *(known, self._vault.seal(_TABLE, known, now.isoformat(), [pin, reason])),
                    *(terminal, now.isoformat()),
                ),
            )
            for terminal in terminals
        ]
        gone = self._vault.end(pin, reason, now, more)
        return gone, [one for one in self.listed(is_open=True) if one.pin == pin]

    def listed(self, *, is_open: bool, limit: int = 1000) -> list[Destruction]:
        """Tasks, newest first."""
        where = "WHERE confirmed_at IS NULL" if is_open else ""
        rows = self._connection.execute(f"{_SELECT} {where} ORDER BY number DESC LIMIT ?", (limit,))
        return [self._destruction(row) for row in rows.fetchall()]

    def advance(
        self, now: datetime, order: Callable[[Destruction], int | None], outcome: Callable[[Destruction], JobOutcome]
    ) -> list[Destruction]:
        """Look after every open task: note what is done, order again what failed; gives what is still open.

        `order` queues a job and gives its number, None where none can be queued now.
        """
        for task in self.listed(is_open=True):
            if self._vault.is_allowed(task.pin, now):
                # The person signed anew: what is on the terminal is theirs to keep there.
                self._note(task, "a new release was given", now, is_confirmed=True)
                continue
            found = JobOutcome(False) if task.job is None else outcome(task)
            if found.is_confirmed:
                self._note(task, found.detail, now, is_confirmed=True)
            elif found.is_confirmed is False:
                self._set(task, order(task), found.detail or task.detail)
            elif found.detail not in ("", task.detail):
                self._set(task, task.job, found.detail)
        return self.listed(is_open=True)

    def _note(self, task: Destruction, detail: str, now: datetime, *, is_confirmed: bool) -> None:
        self._write(
            "UPDATE biometric_destruction SET detail = ?, confirmed_at = ? WHERE number = ?",
            (detail[:500], now.isoformat() if is_confirmed else None, task.number),
        )

    def _set(self, task: Destruction, job: int | None, detail: str) -> None:
        self._write(
            "UPDATE biometric_destruction SET job = ?, detail = ? WHERE number = ?", (job, detail[:500], task.number)
        )

    def _write(self, statement: str, values: Sequence[object]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the destruction was not noted: {error}") from error

    def _destruction(self, row: tuple[Any, ...]) -> Destruction:
        number, known, sealed, terminal, asked, job, detail, confirmed = row
        pin, reason = self._vault.unseal(_TABLE, known, asked, sealed)
        return Destruction(
            number, pin, terminal, reason, datetime.fromisoformat(asked), job, detail,
            confirmed and datetime.fromisoformat(confirmed),
        )  # fmt: skip
