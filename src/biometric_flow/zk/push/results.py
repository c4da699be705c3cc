"""What a terminal says became of its commands: the body of devicecmd (zk-push-protocol 7)."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from biometric_flow.zk.push.text import Fields, decode_text

_RESULT: Final = re.compile(r"(?:^|\n)[ \t]*ID=([A-Za-z0-9]{1,16})(?=[&\r\n])", re.IGNORECASE)

RETURN_CODES: Final = {
    -1: "wrong parameter, or no such data",
    -2: "the picture does not have the size that was told",
    -3: "it could not read or write",
    -4: "no record matches",
    -5: "no space left",
    -9: "the template does not have the size that was told",
    -10: "nobody has this PIN",
    -11: "the template's format is wrong",
    -12: "the template is wrong",
    -22: "it does not know this command",
    -30: "the template is of another algorithm's version",
    -1001: "it is full",
    -1002: "it does not support this",
    -1003: "it took too long",
    -1004: "this does not fit how it is set up",
    -1005: "it is busy",
    -1006: "too long",
    -1007: "out of memory",
    -1008: "it could not fetch the file",
    2: "this person has that template already",
    4: "not enrolled: poor quality, or too many tries",
    5: "this finger is enrolled already, or nobody came in time",
    6: "cancelled at the terminal",
    7: "it is busy",
}
"""Words for a code that is no success. Those from 2 to 7 are said after an order to enrol only."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command. `code` is 0 or more for success, but after an order to enrol only 0 is."""

    id: str
    code: int
    command: str
    values: Fields = field(default_factory=lambda: Fields({}))

    @property
    def is_success(self) -> bool:
        """Whether the terminal did it."""
        return self.code >= 0


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
