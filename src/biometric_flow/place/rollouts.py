"""Orders that reach a place's terminals one after the other, and stop at the first that does not confirm."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from biometric_flow.api.jobs import JobChannel, JobOrder, JobState
from biometric_flow.api.rollouts import RolloutState, RolloutStep, RolloutView
from biometric_flow.identity.keyring import PLACE
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.place.errors import JobsFull, JobUnknown, RolloutUnknown
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.savepoint import savepoint
from biometric_flow.place.wording import Wording, next_number

SCHEMA: Final = """
CREATE TABLE rollout (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    body       TEXT NOT NULL,              -- the order, as JSON
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'stopped')),
    detail     TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
CREATE TABLE rollout_step (
    rollout  INTEGER NOT NULL REFERENCES rollout,
    position INTEGER NOT NULL,             -- 0 is the terminal that goes first, alone
    terminal TEXT NOT NULL,                -- key
    job      INTEGER,                      -- once it was told
    state    TEXT NOT NULL DEFAULT 'waiting',
    detail   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (rollout, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollout_running ON rollout (number) WHERE state = 'running';
"""

Ways = Mapping[tuple[str, str], JobChannel | BiometricFlowError]
"""Terminal and kind of order -> the channel that does it there, or why none can."""

_ORDER: Final[TypeAdapter[JobOrder]] = TypeAdapter(JobOrder)
_SELECT: Final = "SELECT number, body, state, detail, created_at, changed_at FROM rollout"
_STOPPED_BY_A_PERSON: Final = "stopped by a person"


class Rollouts:
    """The roll-outs of a place. All methods run in the writer's thread; where they stand is always on the disk."""

    def __init__(self, connection: sqlite3.Connection, wording: Wording, jobs: Jobs) -> None:
        self._connection, self._wording, self._jobs = connection, wording, jobs

    def start(self, order: JobOrder, terminals: Sequence[str], now: datetime) -> RolloutView:
        """A new roll-out; its first terminal is told at the next `advance`."""
        with savepoint(self._connection, "the roll-out"):
            number = next_number(self._connection, "rollout")
            body = self._wording.seal(PLACE, "rollout", "body", number, order.model_dump_json())
            self._connection.execute(
                "INSERT INTO rollout (number, body, kind, state, created_at, changed_at)"
                " VALUES (?, ?, ?, 'running', ?, ?)",
                (number, body, order.kind, now.isoformat(), now.isoformat()),
            )
            self._connection.executemany(
                "INSERT INTO rollout_step (rollout, position, terminal) VALUES (?, ?, ?)",
                [(number, position, terminal) for position, terminal in enumerate(terminals)],
            )
        return self.get(number)

    def stop(self, number: int, now: datetime) -> RolloutView:
        """Tell no further terminal; one that was told goes on. Raises RolloutUnknown."""
        if self.get(number).state == "running":
            self._turn(number, "stopped", _STOPPED_BY_A_PERSON, now)
        return self.get(number)

    def resume(self, number: int, now: datetime) -> RolloutView:
        """Go on where it stopped: what was not confirmed is told again. Raises RolloutUnknown."""
        if self.get(number).state == "stopped":
            with savepoint(self._connection, "the roll-out"):
                self._connection.execute(
                    "UPDATE rollout_step SET job = NULL, state = 'waiting', detail = ''"
                    " WHERE rollout = ? AND state IN ('failed', 'timed_out')",
                    (number,),
                )
                self._turn(number, "running", "", now)
        return self.get(number)

    def next_steps(self) -> list[tuple[str, str]]:
        """Terminal and kind of order of what is to be told next."""
        query = (
            "SELECT terminal, kind FROM rollout JOIN rollout_step ON rollout = number"
            " WHERE rollout.state = 'running' AND rollout_step.state = 'waiting'"
        )
        return [(terminal, kind) for terminal, kind in self._connection.execute(query)]

    def advance(self, now: datetime, ways: Ways) -> list[tuple[str, JobChannel]]:
        """Look at every roll-out that runs, and tell its next terminal over the way it has; those that were told."""
        told: list[tuple[str, JobChannel]] = []
        self._jobs.expire(now)
        for view in self._found("WHERE state = 'running' ORDER BY number"):
            told += self._advance(view, now, ways)
        return told

    def has_running(self) -> bool:
        """Whether there is anything to advance."""
        return self._connection.execute("SELECT 1 FROM rollout WHERE state = 'running'").fetchone() is not None

    def get(self, number: int) -> RolloutView:
        """One roll-out. Raises RolloutUnknown."""
        for view in self._found("WHERE number = ?", number):
            return view
        raise RolloutUnknown(f"expected the number of a roll-out of this place, got {number}")

    def listed(self, limit: int) -> list[RolloutView]:
        """Newest first."""
        return self._found("ORDER BY number DESC LIMIT ?", limit)

    def _advance(self, view: RolloutView, now: datetime, ways: Ways) -> list[tuple[str, JobChannel]]:
        for position, step in enumerate(view.steps):
            if step.state == "confirmed":
                continue
            with savepoint(self._connection, "the roll-out's progress"):
                if step.job is None:
                    return self._tell(view, position, now, ways.get((step.terminal, view.order.kind)))
                state, detail = self._told(step.terminal, step.job)
                self._note(view.number, position, state, detail)
                if state in ("failed", "timed_out"):
                    self._turn(view.number, "stopped", f"{step.terminal}: {state}: {detail}", now)
            if state != "confirmed":
                return []
        self._turn(view.number, "done", "", now)
        return []

    def _tell(
        self, view: RolloutView, position: int, now: datetime, way: JobChannel | BiometricFlowError | None
    ) -> list[tuple[str, JobChannel]]:
        """The job and the note of its number in one transaction, so that no crash tells a terminal twice."""
        terminal = view.steps[position].terminal
        if isinstance(way, BiometricFlowError):
            self._note(view.number, position, "failed", str(way))
            self._turn(view.number, "stopped", f"{terminal}: failed: {way}", now)
        if not isinstance(way, str):
            return []
        try:
            job = self._jobs.add(terminal, view.order, now, way)
        except JobsFull:
            return []
        self._connection.execute(
            "UPDATE rollout_step SET job = ?, state = ? WHERE rollout = ? AND position = ?",
            (job.number, job.state, view.number, position),
        )
        return [(terminal, way)]

    def _told(self, terminal: str, number: int) -> tuple[JobState, str]:
        """What became of a step's job."""
        try:
            job = self._jobs.get(terminal, number)
        except JobUnknown:
            return "failed", "its job is no longer known; see what it did, then resume"
        return job.state, job.detail

    def _note(self, number: int, position: int, state: str, detail: str) -> None:
        self._connection.execute(
            "UPDATE rollout_step SET state = ?, detail = ? WHERE rollout = ? AND position = ?",
            (state, self._wording.seal(PLACE, "rollout_step", "detail", number, detail), number, position),
        )

    def _turn(self, number: int, state: RolloutState, detail: str, now: datetime) -> None:
        sealed = self._wording.seal(PLACE, "rollout", "detail", number, detail[:500])
        self._connection.execute(
            "UPDATE rollout SET state = ?, detail = ?, changed_at = ? WHERE number = ?",
            (state, sealed, now.isoformat(), number),
        )

    def _found(self, where: str, *values: object) -> list[RolloutView]:
        rows = self._connection.execute(f"{_SELECT} {where}", values).fetchall()
        return [self._view(row) for row in rows]

    def _view(self, row: tuple[Any, ...]) -> RolloutView:
        number, body, state, detail, created_at, changed_at = row
        query = "SELECT terminal, state, job, detail FROM rollout_step WHERE rollout = ? ORDER BY position"
        return RolloutView(
            number=number,
            order=_ORDER.validate_json(self._wording.open("rollout", "body", number, body)),
            state=state,
            detail=self._wording.open("rollout", "detail", number, detail),
            steps=[
                RolloutStep(
                    terminal=terminal,
                    state=step,
                    job=job,
                    detail=self._wording.open("rollout_step", "detail", number, told),
                )
                for terminal, step, job, told in self._connection.execute(query, (number,))
            ],
            created_at=datetime.fromisoformat(created_at),
            changed_at=datetime.fromisoformat(changed_at),
        )
