"""The jobs of a place: kept in its database, so that a restart forgets none and does none twice that may not be."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from biometric_flow.api.jobs import JobChannel, JobOrder, JobState, JobView
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.errors import JobsFull, JobUnknown
from biometric_flow.place.wording import Wording, next_number, pins_in

OPEN_LIMIT: Final = 50
"""Jobs of one terminal that wait at most."""

KEPT: Final = 1000
"""Finished jobs of one terminal that are kept."""

_LIFETIME: Final = timedelta(minutes=15)
_LIFETIMES: Final = {
    "enrol_finger": timedelta(minutes=2),  # somebody stands there
    "enrol_biometric": timedelta(minutes=2),
    "enrol_card": timedelta(minutes=2),
    "cancel_alarm": timedelta(minutes=2),
    "unlock": timedelta(seconds=30),  # a door that opens an hour later is worse than one that stays shut
    "restart": timedelta(minutes=2),
    "push_users": timedelta(days=7),
    "delete_templates": timedelta(days=7),
}
_REPEATABLE: Final = (
    "sync_time",
    "pull_again",
    "push_users",
    "delete_templates",
    "give_templates",
    "take_templates",
    "set_times",
    "set_access_group",
    "set_combination",
    "set_holiday",
    "set_holiday_date",
    "show_message",
    "set_option",
    "read_options",
    "check",
    "send_new",
    "info",
    "query_punches",
    "count_punches",
)
"""What can be done again when nobody knows whether it was done."""

_ORDER: Final[TypeAdapter[JobOrder]] = TypeAdapter(JobOrder)
_COLUMNS: Final = "number, terminal, body, state, detail, created_at, expires_at, changed_at, channel"


class Jobs:
    """What terminals have been told to do. All methods run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, wording: Wording) -> None:
        self._connection, self._wording = connection, wording

    def recover(self, terminal: str, now: datetime) -> None:
        """After a restart: what had been sent is tried again where that does no harm, and failed where it might."""
        for job in self._found("terminal = ? AND channel = 'pull' AND state = 'sent'", (terminal,)):
            self.interrupted(job, now, "the connection was given up before the terminal had confirmed")

    def add(self, terminal: str, order: JobOrder, now: datetime, channel: JobChannel = "pull") -> JobView:
        """Queue a job. Raises JobsFull."""
        (waiting,) = self._one("SELECT count(*) FROM job WHERE terminal = ? AND state = 'queued'", (terminal,))
        if waiting >= OPEN_LIMIT:
            raise JobsFull(f"expected at most {OPEN_LIMIT} jobs that wait for {terminal!r}, it has them; wait for some")
        expires = now + _LIFETIMES.get(order.kind, _LIFETIME)
        owner, blob = self._wording.owner(pins_in(order)), getattr(order, "blob", "")
        with self._written():
            number = next_number(self._connection, "job")
            body = self._wording.seal(owner, "job", "body", number, order.model_dump_json())
            times = now.isoformat(), expires.isoformat(), now.isoformat()
            self._connection.execute(
                "INSERT INTO job"
                " (number, terminal, body, kind, blob, state, created_at, expires_at, changed_at, channel)"
                " VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?)",
                (number, terminal, body, order.kind, blob, *times, channel),
            )
            self._connection.execute(
                "DELETE FROM job WHERE terminal = ? AND state NOT IN ('queued', 'sent') AND number <= ?",
                (terminal, number - KEPT),
            )
        return self.get(terminal, number)

    def get(self, terminal: str, number: int) -> JobView:
        """One job. Raises JobUnknown."""
        for job in self._found("terminal = ? AND number = ?", (terminal, number)):
            return job
        raise JobUnknown(f"expected the number of a job of {terminal!r}, got {number}")

    def listed(self, terminal: str, limit: int) -> list[JobView]:
        """The jobs of a terminal, newest first."""
        return list(self._found("terminal = ?", (terminal,), f"ORDER BY number DESC LIMIT {int(limit)}"))

    def take(self, terminal: str, now: datetime) -> JobView | None:
        """The oldest job that waits, marked as sent; those that waited too long are timed out."""
        self.expire(now)
        waiting = "terminal = ? AND channel = 'pull' AND state = 'queued'"
        for job in self._found(waiting, (terminal,), "ORDER BY number LIMIT 1"):
            self.turn(job.number, "sent", "", now)
            return job
        return None

    def open(self, terminal: str, channel: JobChannel) -> list[JobView]:
        """The jobs of a terminal that are not done, oldest first."""
        return list(self._found("terminal = ? AND channel = ? AND state IN ('queued', 'sent')", (terminal, channel)))

    def terminals(self, channel: JobChannel) -> set[str]:
        """Those with jobs that are not done."""
        query = "SELECT DISTINCT terminal FROM job WHERE channel = ? AND state IN ('queued', 'sent')"
        return {terminal for (terminal,) in self._connection.execute(query, (channel,))}

    def expire(self, now: datetime) -> None:
        """Time out what waited too long."""
        query = "SELECT number FROM job WHERE state = 'queued' AND expires_at < ?"
        with self._written():
            late = self._connection.execute(query, (now.isoformat(),)).fetchall()
        for (number,) in late:
            self.turn(number, "timed_out", "the terminal could not be reached in time", now)

    def turn(self, number: int, state: JobState, detail: str, now: datetime) -> None:
        """Write down what became of a job."""
        with self._written():
            found = self._connection.execute("SELECT body FROM job WHERE number = ?", (number,)).fetchone()
            owner = self._wording.owner_of(found[0] if found else "")
            sealed = self._wording.seal(owner, "job", "detail", number, detail[:500])
            self._connection.execute(
                "UPDATE job SET state = ?, detail = ?, changed_at = ? WHERE number = ?",
                (state, sealed, now.isoformat(), number),
            )

    def interrupted(self, job: JobView, now: datetime, why: str) -> None:
        """A job ended without an answer: it waits again, or is failed when it may not be done twice."""
        if job.order.kind in _REPEATABLE:
            self.turn(job.number, "queued", why, now)
        else:
            self.turn(job.number, "failed", f"{why}; whether it was done is not known", now)

    def _found(self, where: str, values: tuple[object, ...], tail: str = "ORDER BY number") -> Iterator[JobView]:
        query = f"SELECT {_COLUMNS} FROM job WHERE {where} {tail}"  # noqa: S608 - our own words
        try:
            rows = self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the jobs could not be read: {error}") from error
        return map(self._job, rows)

    def _job(self, row: tuple[Any, ...]) -> JobView:
        number, terminal, body, state, detail, created, expires, changed, channel = row
        return JobView(
            number=number,
            terminal=terminal,
            order=_ORDER.validate_json(self._wording.open("job", "body", number, body)),
            state=state,
            detail=self._wording.open("job", "detail", number, detail),
            created_at=datetime.fromisoformat(created),
            expires_at=datetime.fromisoformat(expires),
            changed_at=datetime.fromisoformat(changed),
            channel=channel,
        )

    def _one(self, query: str, values: tuple[object, ...]) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(query, values).fetchone()
        return row

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the job was not written: {error}") from error
