"""What forms of commands are made of: an opening, and typed columns behind it."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.columns import TIME, Column, read_columns, write_columns
from biometric_flow.zk.push.text import read_fields


class Form(NamedTuple):
    """One command in one protocol. `write` gives what follows the opening, `read` takes it."""

    kind: type
    opening: str
    write: Callable[[Any], str]
    """Raises ValueError."""
    read: Callable[[str], c.Command]
    """Raises ProtocolViolation."""


def plain(kind: Callable[[], c.Command], opening: str) -> Form:
    """Nothing but the opening."""

    def read(rest: str) -> c.Command:
        if rest:
            raise ProtocolViolation(f"expected nothing behind {opening}, got {rest[:40]!r}")
        return kind()

    return Form(type(kind()), opening, lambda _command: "", read)


def columns(kind: type[Any], opening: str, *shape: tuple[str, Column]) -> Form:
    """The fields of the value, in their order, in these columns."""
    names = [field.name for field in fields(kind)]

    def write(command: Any) -> str:
        return " " + write_columns(shape, [getattr(command, name) for name in names])

    return Form(kind, opening, write, lambda rest: kind(*whole(shape, rest)))


def holding(
    kind: type[Any],
    opening: str,
    columns: Sequence[tuple[str, Column]],
    values: Callable[[Any], Sequence[Any]],
    make: Callable[..., c.Command],
) -> Form:
    """A value that holds another one: its columns, what stands in them, and back."""
    return Form(
        kind,
        opening,
        lambda command: " " + write_columns(columns, values(command)),
        lambda rest: make(*whole(columns, rest)),
    )


def whole(columns: Sequence[tuple[str, Column]], rest: str) -> list[Any]:
    """The values of all columns. Raises ProtocolViolation when one is missing."""
    values = read_columns(columns, read_fields(rest.strip(" ")))
    missing = [key for (key, _), value in zip(columns, values, strict=True) if value is None]
    if missing:
        raise ProtocolViolation(f"expected {', '.join(missing)} in a command, got none")
    return values


def spans(kind: type[Any], opening: str) -> Form:
    """A span of time."""
    return columns(kind, opening, ("StartTime", TIME), ("EndTime", TIME))
