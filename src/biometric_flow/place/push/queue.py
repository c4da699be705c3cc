"""Commands that wait for a terminal to fetch them, and what became of them (security-design D5)."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from biometric_flow.api.push import CommandState, CommandView, TerminalCommand
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.push.errors import CommandQueueFull, CommandUnknown
from biometric_flow.place.push.typed import typed
from biometric_flow.zk.errors import NotSupported
from biometric_flow.zk.push.command_lines import BATCH_BYTES, BATCH_COMMANDS, encode_command
from biometric_flow.zk.push.commands import Command, is_last
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.push.text import PushProtocol

OPEN_MAX: Final = 1000
"""Open commands of one terminal at most."""
ATTEMPTS_MAX: Final = 3

_BODY: Final[TypeAdapter[TerminalCommand]] = TypeAdapter(TerminalCommand)
_SELECT: Final = "SELECT id, body, state, attempts, code, detail, created_at, sent_at, changed_at FROM push_command"


class CommandQueue:
    """The commands of all terminals. Methods run in the writer's thread; `is_open` may be asked anywhere."""

    def __init__(self, connection: sqlite3.Connection, answer_within: timedelta) -> None:
        self._connection = connection
        self._answer_within = answer_within
        query = "SELECT DISTINCT terminal FROM push_command WHERE state IN ('queued', 'sent')"
        self._open = {terminal for (terminal,) in connection.execute(query)}

    def is_open(self, terminal: str) -> bool:
        """Whether any command waits for this terminal or for its answer, so that an idle poll costs no query."""
        return terminal in self._open

    def add(self, terminal: str, command: TerminalCommand, now: datetime) -> CommandView:
        """One more command. Raises ValueError for values that no line may hold, CommandQueueFull."""
        body = typed(command)
        for protocol in PushProtocol:
            _encode_or_none("0", body, protocol)
        with self._transaction():
            (waiting,) = self._connection.execute(
                "SELECT count(*) FROM push_command WHERE terminal = ? AND state IN ('queued', 'sent')", (terminal,)
            ).fetchone()
            if waiting >= OPEN_MAX:
                raise CommandQueueFull(
                    f"expected at most {OPEN_MAX} open commands for {terminal!r}; wait until it fetches some"
                )
            cursor = self._connection.execute(
                "INSERT INTO push_command (terminal, body, state, created_at, changed_at)"
                " VALUES (?, ?, 'queued', ?, ?)",
                (terminal, _BODY.dump_json(command).decode(), now.isoformat(), now.isoformat()),
            )
        self._open.add(terminal)
        return self.get(terminal, int(cursor.lastrowid or 0))

    def get(self, terminal: str, number: int) -> CommandView:
        """One command of a terminal, or CommandUnknown."""
        row = self._connection.execute(f"{_SELECT} WHERE terminal = ? AND id = ?", (terminal, number)).fetchone()
        if row is None:
            raise CommandUnknown(f"expected the number of a command of {terminal!r}, got {number}")
        return _view(row)

    def newest(self, terminal: str, limit: int) -> list[CommandView]:
        """Commands of a terminal, newest first."""
        rows = self._connection.execute(f"{_SELECT} WHERE terminal = ? ORDER BY id DESC LIMIT ?", (terminal, limit))
        return [_view(row) for row in rows]

    def open_kinds(self, terminal: str) -> set[str]:
        """Kinds of the commands that are not done yet."""
        query = (
            "SELECT DISTINCT json_extract(body, '$.kind') FROM push_command"
            " WHERE terminal = ? AND state IN ('queued', 'sent')"
        )
        return {kind for (kind,) in self._connection.execute(query, (terminal,))}

    def take(self, terminal: str, protocol: PushProtocol, now: datetime) -> list[str]:
        """The lines to answer a poll with; they count as sent. A restart comes when nothing else waits."""
        with self._transaction():
            self._overdue(terminal, now)
            rows = self._connection.execute(
                "SELECT id, body FROM push_command WHERE terminal = ? AND state = 'queued'"
                " ORDER BY json_extract(body, '$.kind') = 'reboot', id LIMIT ?",
                (terminal, BATCH_COMMANDS),
            ).fetchall()
            lines = self._lines(rows, protocol, now)
            self._note_open(terminal)
        return lines

    def finish(
        self, terminal: str, results: Sequence[CommandResult], now: datetime
    ) -> list[tuple[TerminalCommand, CommandResult]]:
        """Note the results that are for open commands of this terminal, and give these; all others are ignored."""
        finished = []
        with self._transaction():
            for result in results:
                if not result.id.isdecimal() or len(result.id) > 15:
                    continue
                row = self._connection.execute(
                    "UPDATE push_command SET state = ?, code = ?, changed_at = ?"
                    " WHERE id = ? AND terminal = ? AND state = 'sent' RETURNING body",
                    (
                        "confirmed" if result.is_success else "failed",
                        result.code,
                        now.isoformat(),
                        int(result.id),
                        terminal,
                    ),
                ).fetchone()
                if row:
                    finished.append((_BODY.validate_json(row[0]), result))
            self._note_open(terminal)
        return finished

    def _lines(self, rows: list[tuple[int, str]], protocol: PushProtocol, now: datetime) -> list[str]:
        lines: list[str] = []
        size = 0
        commands = [(number, typed(_BODY.validate_json(body))) for number, body in rows]
        for number, command in commands:
            line = _encode_or_none(str(number), command, protocol)
            if line is None:
                self._close(number, "failed", "this terminal's protocol has no form for it", now)
                continue
            size += len(line.encode()) + 1
            if lines and size > BATCH_BYTES:
                break
            lines.append(line)
            self._connection.execute(
                "UPDATE push_command SET state = 'sent', attempts = attempts + 1, sent_at = ?, changed_at = ?"
                " WHERE id = ?",
                (now.isoformat(), now.isoformat(), number),
            )
        return lines

    def _overdue(self, terminal: str, now: datetime) -> None:
        query = "SELECT id, body, attempts FROM push_command WHERE terminal = ? AND state = 'sent' AND sent_at <= ?"
        limit = (now - self._answer_within).isoformat()
        for number, body, attempts in self._connection.execute(query, (terminal, limit)).fetchall():
            if attempts >= ATTEMPTS_MAX or is_last(typed(_BODY.validate_json(body))):
                self._close(number, "timed_out", f"no result after {attempts} deliveries", now)
            else:
                self._close(number, "queued", "no result yet; sent again", now)

    def _close(self, number: int, state: CommandState, detail: str, now: datetime) -> None:
        self._connection.execute(
            "UPDATE push_command SET state = ?, detail = ?, changed_at = ? WHERE id = ?",
            (state, detail, now.isoformat(), number),
        )

    def _note_open(self, terminal: str) -> None:
        if not self.open_kinds(terminal):
            self._open.discard(terminal)

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


def _encode_or_none(identity: str, command: Command, protocol: PushProtocol) -> str | None:
    try:
        return encode_command(identity, command, protocol)
    except NotSupported:
        return None


def _view(row: tuple[Any, ...]) -> CommandView:
    number, body, state, attempts, code, detail, created, sent, changed = row
    return CommandView(
        id=number,
        command=_BODY.validate_json(body),
        state=state,
        attempts=attempts,
        code=code,
        detail=detail,
        created_at=datetime.fromisoformat(created),
        sent_at=sent and datetime.fromisoformat(sent),
        changed_at=datetime.fromisoformat(changed),
    )
