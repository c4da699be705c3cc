"""Commands on their way to terminals that poll, and the results that came back (security-design D5).

They carry jobs, and questions of the place's own. What became of a job is said by the job table alone.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Literal

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.push.errors import CommandQueueFull
from biometric_flow.place.wording import Wording, next_number, pins_in
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.command_lines import BATCH_BYTES, BATCH_COMMANDS, encode_command, read_command
from biometric_flow.zk.push.commands import Command, SetOption, SetTemplate, is_enrolment, is_last, is_repeatable
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.push.text import Fields, PushProtocol
from biometric_flow.zk.wire.timecode import TerminalTime

OPEN_MAX: Final = 1000
"""Open commands of one terminal at most."""
ATTEMPTS_MAX: Final = 3
KEPT: Final = timedelta(days=7)
"""How long a command that is done is kept, so that a late result is known for what it is."""

NOW: Final = "now"
"""Stands for the time of the moment at which an option is handed over."""

DeliveryState = Literal["queued", "sent", "confirmed", "failed", "timed_out"]
_COLUMNS: Final = "id, terminal, body, state, attempts, code, told, job, step, sent_at"

JOBS_STEP: Final = """
ALTER TABLE job ADD COLUMN channel TEXT NOT NULL DEFAULT 'pull';

-- Commands carry jobs now: body is the line without its number, and no state of its own is told to anybody.
DELETE FROM push_command;
ALTER TABLE push_command ADD COLUMN protocol TEXT NOT NULL DEFAULT 'att';
ALTER TABLE push_command ADD COLUMN job INTEGER NOT NULL DEFAULT 0;     -- 0 for the place's own questions
ALTER TABLE push_command ADD COLUMN step TEXT NOT NULL DEFAULT '';      -- of that job
ALTER TABLE push_command ADD COLUMN told TEXT NOT NULL DEFAULT '{}';    -- what the result carried, JSON
ALTER TABLE push_command ADD COLUMN expires_at TEXT;                    -- not handed over after that
CREATE INDEX push_command_by_job ON push_command (job, id) WHERE job != 0;
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One command, and how far it is."""

    id: int
    terminal: str
    command: Command
    protocol: PushProtocol
    state: DeliveryState
    attempts: int
    job: int
    step: str
    sent_at: datetime | None
    result: CommandResult | None
    """None until the terminal said what became of it."""

    @property
    def is_open(self) -> bool:
        """Whether it may still be handed over, or answered."""
        return self.state in ("queued", "sent")


class CommandQueue:
    """The commands of all terminals. Methods run in the writer's thread; `is_open` may be asked anywhere."""

    def __init__(
        self, connection: sqlite3.Connection, wording: Wording, answer_within: timedelta, zone: tzinfo = UTC
    ) -> None:
        self._connection, self._wording = connection, wording
        self._zone = zone
        self.answer_within = answer_within
        query = "SELECT id, terminal, attempts FROM push_command WHERE state IN ('queued', 'sent')"
        left = connection.execute(query).fetchall()
        self._open = {terminal for _, terminal, _ in left}
        self._earlier = {number: attempts for number, _, attempts in left}
        """Deliveries of earlier lives: whose result was lost with the place, not with the terminal, is not given up."""
        self._held: dict[int, SetTemplate] = {}
        """Templates by the number of their command, which is kept without them: they stand in no file (ADR 37)."""

    def is_open(self, terminal: str) -> bool:
        """Whether any command waits for this terminal or for its answer, so that an idle poll costs no query."""
        return terminal in self._open

    def add(
        self,
        terminal: str,
        command: Command,
        protocol: PushProtocol,
        now: datetime,
        *,
        job: int = 0,
        step: str = "",
        expires_at: datetime | None = None,
    ) -> int:
        """One more command; gives its number. Raises ValueError, NotSupported, CommandQueueFull."""
        encode_command("0", command, protocol)
        text = encode_command("0", _without_template(command), protocol).removeprefix("C:0:")
        with self._transaction():
            (waiting,) = self._connection.execute(
                "SELECT count(*) FROM push_command WHERE terminal = ? AND state IN ('queued', 'sent')", (terminal,)
            ).fetchone()
            if waiting >= OPEN_MAX:
                raise CommandQueueFull(
                    f"expected at most {OPEN_MAX} open commands for {terminal!r}; wait until it fetches some"
                )
            number = next_number(self._connection, "push_command")
            owner = self._wording.owner(pins_in(command))
            self._connection.execute(
                "INSERT INTO push_command"
                " (id, terminal, body, told, protocol, state, created_at, changed_at, job, step, expires_at)"
                " VALUES (?, ?, ?, '', ?, 'queued', ?, ?, ?, ?, ?)",
                (
                    number,
                    terminal,
                    self._wording.seal(owner, "push_command", "body", number, text),
                    protocol,
                    now.isoformat(),
                    now.isoformat(),
                    job,
                    step,
                    expires_at and expires_at.isoformat(),
                ),
            )
            self._connection.execute(
                "DELETE FROM push_command WHERE terminal = ? AND state NOT IN ('queued', 'sent') AND changed_at < ?",
                (terminal, (now - KEPT).isoformat()),
            )
        self._open.add(terminal)
        if isinstance(command, SetTemplate):
            self._held[number] = command
        return number

    def get(self, number: int) -> Delivery | None:
        """One command."""
        return next(self._found("id = ?", (number,)), None)

    def of_step(self, job: int, step: str) -> Delivery | None:
        """The newest command of a step of a job."""
        return next(self._found("job = ? AND step = ?", (job, step), "ORDER BY id DESC"), None)

    def open_kinds(self, terminal: str) -> set[type]:
        """Kinds of the commands that are not done yet."""
        return {type(one.command) for one in self._found("terminal = ? AND state IN ('queued', 'sent')", (terminal,))}

    def counts(self) -> dict[tuple[str, str], int]:
        """Terminal and state -> commands kept."""
        query = "SELECT terminal, state, count(*) FROM push_command GROUP BY terminal, state"
        return {(terminal, state): count for terminal, state, count in self._connection.execute(query)}

    def forget(self, job: int, now: datetime) -> None:
        """A job ends or begins anew: nothing of it is handed over any more, and no result for it counts."""
        with self._transaction():
            self._connection.execute(
                "UPDATE push_command SET state = 'failed', detail = 'its job is over', changed_at = ?"
                " WHERE job = ? AND state IN ('queued', 'sent')",
                (now.isoformat(), job),
            )
            # What was said stays on record as a count only: a line may hold a password.
            self._connection.execute("UPDATE push_command SET step = '', body = '', told = '' WHERE job = ?", (job,))
            self._let_go()

    def end(self, job: int, now: datetime, write: Callable[[], None]) -> None:
        """Forget a job's commands and `write` what became of it, both or neither.

        A job that is still open and whose commands are forgotten would be done a second time after a restart.
        """
        with self._transaction():
            self.forget(job, now)
            write()

    def take(self, terminal: str, protocol: PushProtocol, now: datetime) -> list[str]:
        """The lines to answer a poll with; they and their jobs count as sent. A restart comes last."""
        with self._transaction():
            self._overdue(terminal, now)
            waiting = self._found("terminal = ? AND state = 'queued'", (terminal,))
            lines = self._lines(sorted(waiting, key=lambda one: is_last(one.command)), protocol, now)
            self._note_open(terminal)
        return lines

    def finish(self, terminal: str, results: Sequence[CommandResult], now: datetime) -> list[Delivery]:
        """Note the results that are for open commands of this terminal, and give these; all others are ignored."""
        finished: list[Delivery] = []
        with self._transaction():
            for result in results:
                if not result.id.isdecimal() or len(result.id) > 15:
                    continue
                found = next(
                    self._found("id = ? AND terminal = ? AND state = 'sent'", (int(result.id), terminal)), None
                )
                if found is None:
                    continue
                is_done = result.code == 0 if is_enrolment(found.command) else result.is_success
                told = json.dumps(dict(result.values))
                owner = self._wording.owner(pins_in(found.command))
                sealed = self._wording.seal(owner, "push_command", "told", found.id, told)
                self._connection.execute(
                    "UPDATE push_command SET state = ?, code = ?, told = ?, changed_at = ? WHERE id = ?",
                    ("confirmed" if is_done else "failed", result.code, sealed, now.isoformat(), found.id),
                )
                finished += self._found("id = ?", (found.id,))
            self._note_open(terminal)
        return finished

    def _lines(self, waiting: list[Delivery], protocol: PushProtocol, now: datetime) -> list[str]:
        lines: list[str] = []
        size = 0
        for one in waiting[:BATCH_COMMANDS]:
            if one.protocol is not protocol:
                self._close(one.id, "failed", "the terminal speaks another protocol now", now)
                continue
            if isinstance(one.command, SetTemplate) and one.id not in self._held:
                self._close(one.id, "failed", "its template was in memory only, and the place started anew since", now)
                continue
            command = self._held.get(one.id) or self._now_told(one.command, now)
            line = encode_command(str(one.id), command, protocol)
            size += len(line.encode()) + 1
            if lines and size > BATCH_BYTES:
                break
            lines.append(line)
            self._connection.execute(
                "UPDATE push_command SET state = 'sent', attempts = attempts + 1, sent_at = ?, changed_at = ?"
                " WHERE id = ?",
                (now.isoformat(), now.isoformat(), one.id),
            )
            self._connection.execute(
                "UPDATE job SET state = 'sent', changed_at = ? WHERE number = ? AND state = 'queued'",
                (now.isoformat(), one.job),
            )
        return lines

    def _now_told(self, command: Command, now: datetime) -> Command:
        if command != SetOption("DateTime", NOW):
            return command
        local = now.astimezone(self._zone).replace(tzinfo=None) + timedelta(microseconds=500_000)
        return SetOption("DateTime", str(int(TerminalTime.from_datetime(local))))

    def _overdue(self, terminal: str, now: datetime) -> None:
        self._connection.execute(
            "UPDATE push_command SET state = 'timed_out', changed_at = ?"
            " WHERE terminal = ? AND state = 'queued' AND expires_at < ?",
            (now.isoformat(), terminal, now.isoformat()),
        )
        limit = (now - self.answer_within).isoformat()
        for one in list(self._found("terminal = ? AND state = 'sent' AND sent_at <= ?", (terminal, limit))):
            of_this_life = one.attempts - self._earlier.get(one.id, 0)
            if of_this_life >= ATTEMPTS_MAX or not is_repeatable(one.command):
                self._close(one.id, "timed_out", f"no result after {one.attempts} deliveries", now)
            else:
                self._close(one.id, "queued", "no result yet; sent again", now)

    def _close(self, number: int, state: DeliveryState, detail: str, now: datetime) -> None:
        self._connection.execute(
            "UPDATE push_command SET state = ?, detail = ?, changed_at = ? WHERE id = ?",
            (state, detail, now.isoformat(), number),
        )

    def _let_go(self) -> None:
        """Forget the templates of commands that are done."""
        for number in list(self._held):
            if next(self._found("id = ? AND state IN ('queued', 'sent')", (number,)), None) is None:
                del self._held[number]

    def _note_open(self, terminal: str) -> None:
        self._let_go()
        if next(self._found("terminal = ? AND state IN ('queued', 'sent')", (terminal,), "LIMIT 1"), None) is None:
            self._open.discard(terminal)

    def _found(self, where: str, values: tuple[object, ...], tail: str = "ORDER BY id") -> Iterator[Delivery]:
        query = f"SELECT {_COLUMNS}, protocol FROM push_command WHERE {where} {tail}"  # noqa: S608 - our own words
        return filter(None, map(self._delivery, self._connection.execute(query, values).fetchall()))

    def _delivery(self, row: tuple[Any, ...]) -> Delivery | None:
        number, terminal, sealed, state, attempts, code, told, job, step, sent, protocol = row
        spoken = PushProtocol(protocol)
        try:
            body = self._wording.open("push_command", "body", number, sealed)
            _, command = read_command(f"C:{number}:{body}", spoken)
        except ProtocolViolation:
            return None
        if command is None:
            return None
        values = json.loads(self._wording.open("push_command", "told", number, told) or "{}")
        result = None if code is None else CommandResult(str(number), code, "", Fields(values))
        sent_at = sent and datetime.fromisoformat(sent)
        return Delivery(number, terminal, command, spoken, state, attempts, job, step, sent_at, result)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._connection.in_transaction:
            yield
            return
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the command was not kept: {error}") from error


def _without_template(command: Command) -> Command:
    if not isinstance(command, SetTemplate):
        return command
    return SetTemplate(replace(command.template, content="", size=0))
