"""Commands that a terminal fetches, as typed values, and the results it reports (zk-push-protocol 7).

Only typed fields reach the line, and none may hold a tab or a line end: a name cannot smuggle a second command.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.attlog import read_time
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.text import Fields, PushProtocol, decode_text, read_fields, value_text
from biometric_flow.zk.wire.timecode import TerminalTime

BATCH_BYTES: Final = 10_000
"""Bytes of one answer at most, which terminals on a mobile line take too."""
BATCH_COMMANDS: Final = 100

_ID: Final = re.compile(r"[A-Za-z0-9]{1,16}")
_OPTION: Final = re.compile(r"[~A-Za-z][A-Za-z0-9_]{0,39}")
_PIN: Final = re.compile(r"[A-Za-z0-9_-]{1,24}")
_RESULT: Final = re.compile(r"(?:^|\n)[ \t]*ID=([A-Za-z0-9]{1,16})(?=[&\r\n])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Check:
    """Read the options again and upload what is new since the stamps."""


@dataclass(frozen=True, slots=True)
class SendNew:
    """Upload what is new now."""


@dataclass(frozen=True, slots=True)
class AskInfo:
    """Tell what you are."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Start anew; always the last of a batch."""


@dataclass(frozen=True, slots=True)
class QueryAttlog:
    """Send the punches of a span of local time again; both ends included."""

    start: TerminalTime
    end: TerminalTime


@dataclass(frozen=True, slots=True)
class CountAttlog:
    """Say how many punches a span of local time holds; both ends included."""

    start: TerminalTime
    end: TerminalTime


@dataclass(frozen=True, slots=True)
class QueryUsers:
    """Send all people."""


@dataclass(frozen=True, slots=True)
class SetUser:
    """Know this person from now on."""

    user: PushedUser


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Forget this person with everything that belongs to them."""

    pin: str


@dataclass(frozen=True, slots=True)
class SetOption:
    """Change one option."""

    name: str
    value: str


Command = Check | SendNew | AskInfo | Reboot | QueryAttlog | CountAttlog | QueryUsers | SetUser | DeleteUser | SetOption


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command. `code` is 0 or more for success."""

    id: str
    code: int
    command: str
    values: Fields = field(default_factory=lambda: Fields({}))

    @property
    def is_success(self) -> bool:
        """Whether the terminal did it."""
        return self.code >= 0


def encode_command(identity: str, command: Command, protocol: PushProtocol = PushProtocol.ATTENDANCE) -> str:
    """The line `C:<id>:<command>`. Raises ValueError for a value that cannot stand in it.

    Raises NotImplementedError for a command that this protocol has no public form for.
    """
    if not _ID.fullmatch(identity):
        raise ValueError(f"expected an id of 1 to 16 letters or digits, got {identity[:40]!r}")
    body = _attendance(command) if protocol is PushProtocol.ATTENDANCE else _security(command)
    return f"C:{identity}:{body}"


def read_command(line: str, protocol: PushProtocol = PushProtocol.ATTENDANCE) -> tuple[str, Command | None]:
    """Id and command of a line, as a terminal reads it; None for an unknown command. Raises ProtocolViolation."""
    parts = line.strip("\r\n").split(":", 2)
    if len(parts) != 3 or parts[0] != "C" or not _ID.fullmatch(parts[1]):
        raise ProtocolViolation(f"expected C:<id>:<command>, got {line[:60]!r}")
    return parts[1], _read(parts[2], protocol)


def is_last(command: Command) -> bool:
    """Whether nothing may follow it in a batch."""
    return isinstance(command, Reboot)


def encode_result(result: CommandResult) -> str:
    """The line of a devicecmd body."""
    values = "".join(f"&{name}={value}" for name, value in result.values.items())
    return f"ID={result.id}&Return={result.code}&CMD={result.command}{values}"


def read_results(body: bytes) -> list[CommandResult]:
    """The results in a devicecmd body: one a line, or spread over lines that follow its ID. Never fails.

    What stands before the first ID is left out; so is a result without a readable return code.
    """
    text = decode_text(body[: 256 * 1024]).replace("\r", "")
    starts = [match.start() for match in _RESULT.finditer(text)][:1000]
    pieces = (text[start:end] for start, end in pairwise([*starts, len(text)]))
    return [result for piece in pieces if (result := _result(piece))]


def _result(piece: str) -> CommandResult | None:
    head, _, tail = piece.strip().partition("\n")
    pairs = [part.partition("=") for line in (head, *tail.split("\n")) for part in line.split("&")]
    told = Fields({name.strip(): value.strip()[:400] for name, sign, value in pairs[:200] if sign})
    code = told.first("return")
    if not re.fullmatch(r"-?\d{1,9}", code, re.ASCII):
        return None
    rest = Fields({name: told[name] for name in told if name.lower() not in ("id", "return", "cmd")})
    return CommandResult(told.first("id"), int(code), told.first("cmd")[:40], rest)


def _attendance(command: Command) -> str:
    match command:
        case Check():
            return "CHECK"
        case SendNew():
            return "LOG"
        case AskInfo():
            return "INFO"
        case Reboot():
            return "REBOOT"
        case QueryAttlog(start, end):
            return f"DATA QUERY ATTLOG {_span(start, end)}"
        case CountAttlog(start, end):
            return f"VERIFY SUM ATTLOG {_span(start, end)}"
        case QueryUsers():
            return "DATA QUERY USERINFO"
        case SetUser(user):
            _check_pin(user.pin)
            return "DATA UPDATE USERINFO " + "\t".join(user.fields())
        case DeleteUser(pin):
            return f"DATA DELETE USERINFO PIN={_check_pin(pin)}"
        case SetOption():
            return f"SET OPTION {_option(command)}"


def _security(command: Command) -> str:
    match command:
        case QueryAttlog():
            # No span: no public form of a filter by time is known, and storing again changes nothing.
            return "DATA QUERY tablename=transaction,fielddesc=*,filter=*"
        case CountAttlog():
            raise NotImplementedError("Security PUSH has no public form to count punches of a span of time")
        case QueryUsers():
            return "DATA QUERY tablename=user,fielddesc=*,filter=*"
        case SetUser(user):
            _check_pin(user.pin)
            return "DATA UPDATE user " + "\t".join(user.table_fields())
        case DeleteUser(pin):
            return f"DATA DELETE user Pin={_check_pin(pin)}"
        case SetOption():
            if "," in command.value:
                raise ValueError(f"expected an option value without commas, got {command.value[:40]!r}")
            return f"SET OPTIONS {_option(command)}"
        case _:
            return _attendance(command)


def _read(text: str, protocol: PushProtocol) -> Command | None:
    plain: dict[str, Command] = {"CHECK": Check(), "LOG": SendNew(), "INFO": AskInfo(), "REBOOT": Reboot()}
    if text in plain:
        return plain[text]
    for opening, make in _READERS[protocol].items():
        if text == opening or text.startswith(f"{opening} "):
            return make(read_fields(text.removeprefix(opening).strip(" ")))
    return None


def _read_span(fields: Fields) -> tuple[TerminalTime, TerminalTime]:
    return read_time(fields.first("starttime")), read_time(fields.first("endtime"))


def _read_option(fields: Fields) -> Command | None:
    return next((SetOption(name, value) for name, value in fields.items()), None)


_FIRST: Final = TerminalTime.of(2000, 1, 1)
_LAST: Final = TerminalTime.of(2132, 12, 31)

_READERS: Final[Mapping[PushProtocol, Mapping[str, Callable[[Fields], Command | None]]]] = {
    PushProtocol.ATTENDANCE: {
        "DATA QUERY ATTLOG": lambda fields: QueryAttlog(*_read_span(fields)),
        "VERIFY SUM ATTLOG": lambda fields: CountAttlog(*_read_span(fields)),
        "DATA QUERY USERINFO": lambda _fields: QueryUsers(),
        "DATA UPDATE USERINFO": lambda fields: SetUser(PushedUser.of(fields)),
        "DATA DELETE USERINFO": lambda fields: DeleteUser(fields.first("pin")),
        "SET OPTION": _read_option,
    },
    PushProtocol.SECURITY: {
        "DATA QUERY tablename=transaction,fielddesc=*,filter=*": lambda _fields: QueryAttlog(_FIRST, _LAST),
        "DATA QUERY tablename=user,fielddesc=*,filter=*": lambda _fields: QueryUsers(),
        "DATA UPDATE user": lambda fields: SetUser(PushedUser.of(fields)),
        "DATA DELETE user": lambda fields: DeleteUser(fields.first("pin")),
        "SET OPTIONS": _read_option,
    },
}


def _span(start: TerminalTime, end: TerminalTime) -> str:
    return f"StartTime={start.text().replace('T', ' ')}\tEndTime={end.text().replace('T', ' ')}"


def _check_pin(pin: str) -> str:
    if not _PIN.fullmatch(pin):
        raise ValueError(f"expected a PIN of 1 to 24 letters, digits, - or _, got {pin[:40]!r}")
    return pin


def _option(option: SetOption) -> str:
    if not _OPTION.fullmatch(option.name):
        raise ValueError(f"expected the name of an option, got {option.name[:40]!r}")
    return f"{option.name}={value_text(option.value, 'value')}"
