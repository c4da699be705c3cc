"""Commands as lines that a terminal fetches, there and back (zk-push-protocol 7).

Only typed fields reach the line, and none may hold a tab or a line end: a name cannot smuggle a second command.
"""

import re
from typing import Final

from biometric_flow.zk.errors import NotSupported, ProtocolViolation
from biometric_flow.zk.push.commands import Command
from biometric_flow.zk.push.forms import FORMS
from biometric_flow.zk.push.text import PushProtocol

BATCH_BYTES: Final = 10_000
"""Bytes of one answer at most, which terminals on a mobile line take too."""
BATCH_COMMANDS: Final = 100

_ID: Final = re.compile(r"[A-Za-z0-9]{1,16}")
_NAMES: Final = {PushProtocol.ATTENDANCE: "Attendance PUSH", PushProtocol.SECURITY: "Security PUSH"}


def encode_command(identity: str, command: Command, protocol: PushProtocol = PushProtocol.ATTENDANCE) -> str:
    """The line `C:<id>:<command>`. Raises ValueError for a value that cannot stand in it.

    Raises NotSupported for a command that this protocol has no public form for.
    """
    if not _ID.fullmatch(identity):
        raise ValueError(f"expected an id of 1 to 16 letters or digits, got {identity[:40]!r}")
    return f"C:{identity}:{_written(command, protocol)}"


def can_say(kind: type[Command], protocol: PushProtocol) -> bool:
    """Whether this protocol has a public form for this kind of command."""
    return any(form.kind is kind for form in FORMS[protocol])


def read_command(line: str, protocol: PushProtocol = PushProtocol.ATTENDANCE) -> tuple[str, Command | None]:
    """Id and command of a line, as a terminal reads it; None for an unknown command. Raises ProtocolViolation."""
    parts = line.strip("\r\n").split(":", 2)
    if len(parts) != 3 or parts[0] != "C" or not _ID.fullmatch(parts[1]):
        raise ProtocolViolation(f"expected C:<id>:<command>, got {line[:60]!r}")
    return parts[1], _read(parts[2], protocol)


def _written(command: Command, protocol: PushProtocol) -> str:
    empty = None
    for form in FORMS[protocol]:
        if form.kind is not type(command):
            continue
        rest = form.write(command)
        if rest or not form.opening.endswith((" ", "=")):
            return form.opening + rest
        empty = form
    told = f"{type(command).__name__} of this kind" if empty else type(command).__name__
    raise NotSupported(f"{told} is not possible on this channel: {_NAMES[protocol]} has no public form for it")


def _read(text: str, protocol: PushProtocol) -> Command | None:
    for form in FORMS[protocol]:
        opening = form.opening
        if not text.startswith(opening):
            continue
        rest = text[len(opening) :]
        if not rest or rest[0] == " " or opening.endswith((" ", "=")):
            return form.read(rest)
    return None
