"""Where commands write: tables for people or one JSON document on standard output, the rest on standard error."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO

from biometric_flow.commands.text import Row, table
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.zk.bulk import Progress

_BAR: Final = 30
_REDRAW_SECONDS: Final = 0.1


class Screen:
    """Standard output and error of one command."""

    def __init__(self, out: TextIO | None = None, error: TextIO | None = None, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._error = error or sys.stderr
        for stream in (self._out, self._error):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="backslashreplace")  # a screen that lacks a letter shows its number

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks at the errors as they come."""
        return self._error.isatty()

    def say(self, line: str = "") -> None:
        """One line of the result."""
        self._out.write(line + "\n")

    def flush(self) -> None:
        """Let a reader of a pipe have what was said."""
        self._out.flush()

    def note(self, line: str) -> None:
        """One line beside the result."""
        self._error.write(line + "\n")
        self._error.flush()

    def table(self, head: Row, rows: Iterable[Row], right: Iterable[int] = ()) -> None:
        """A table."""
        for line in table(head, rows, isolate=self._out.isatty(), right=right):
            self.say(line)

    def facts(self, facts: Mapping[str, str]) -> None:
        """Names and values, one a line."""
        for line in table(("", ""), facts.items(), isolate=self._out.isatty()):
            if line:
                self.say(line)

    def document(self, document: object) -> None:
        """One JSON document."""
        self.say(as_json(document, indent=2))

    def long_document(self, head: Mapping[str, object], name: str, rows: Iterable[Mapping[str, object]]) -> None:
        """One JSON document whose last field is a list too long to hold."""
        fields = "".join(f"{as_json(key)}:{as_json(value)}," for key, value in head.items())
        self._out.write(f"{{{fields}{as_json(name)}:[")
        between = "\n"
        for row in rows:
            self._out.write(between + as_json(row))
            between = ",\n"
        self._out.write("\n]}\n")

    @contextlib.contextmanager
    def progress(self, title: str, unit: int = 1024, unit_name: str = "KiB") -> Iterator[Progress | None]:
        """A bar on standard error while something long goes on, when somebody watches; it is gone afterwards."""
        if not self.is_watched:
            yield None
            return
        clock, last = SystemClock(), -1.0

        def draw(done: int, of: int) -> None:
            nonlocal last
            now = clock.monotonic()
            if now - last >= _REDRAW_SECONDS or done == of:
                last = now
                filled = _BAR * done // max(1, of)
                bar = "#" * filled + "." * (_BAR - filled)
                self._error.write(f"\r{title} [{bar}] {done // unit}/{of // unit} {unit_name} ")
                self._error.flush()

        try:
            yield draw
        finally:
            self._error.write("\r\033[K")
            self._error.flush()

    def give_up(self) -> None:
        """Nobody reads any more, as after `| head`: stop writing without a complaint at the end."""
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())


def as_json(value: object, indent: int | None = None) -> str:
    """JSON that a screen can bear: letters as they are, what moves the cursor or turns the line as an escape."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """Characters that `json.dumps` leaves and a screen does not: they stand in strings only."""
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
