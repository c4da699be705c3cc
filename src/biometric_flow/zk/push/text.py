"""Lines and fields of push bodies: tabs or blanks between, keys in any case, UTF-8 or GB18030 (zk-push-protocol 1)."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, TypeVar

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.rows import RejectedRow

BODY_MAX: Final = 8 * 1024 * 1024
"""Bytes of one upload at most; the largest thing that terminals send is one photo or template of 900 kB."""

LINES_MAX: Final = 250_000
LINE_MAX: Final = 4096
CONTENT_LINE_MAX: Final = 1024 * 1024
"""A line that carries a template or a photo (zk-push-protocol 7)."""

FIELDS_MAX: Final = 256
"""Fields of a line at most, far more than any line has; what follows them is left out."""

_KEY: Final = re.compile(r"(?<![ \t])[ \t]+(?=[~A-Za-z_][~\w]{0,40}=)")
"""Begins at the first blank of a run only: tried at each of them, a megabyte of blanks would take hours."""
_SECRET: Final = re.compile(
    rb"(?i)\b(passwd|password|tmp|template|content|photo|fptemplate\d|idnum|snnum|dnnum|birthday|address)=[^\t\r\n]*"
)
_BIOMETRIC: Final = re.compile(
    rb"(?i)^\s*(FP|FACE|FVEIN|USERPIC|BIOPHOTO|BIODATA|IDCARD|ATTPHOTO|templatev\d+|fptemplate\d*|facev\d+|identitycard)\b"
)
_SIZE: Final = re.compile(rb"(?i)\bsize=[^\t\r\n]*")
_RUN: Final = re.compile(rb"[A-Za-z0-9+/=]{25,}")
_LONG_RUN: Final = re.compile(rb"[A-Za-z0-9+/=_-]{160,}")

Record = TypeVar("Record")


class PushProtocol(StrEnum):
    """Which of the two protocols a terminal speaks."""

    ATTENDANCE = "att"
    SECURITY = "acc"


class Fields(Mapping[str, str]):
    """`key=value` pairs; the case of a key and a `~` before it do not matter, its first spelling is kept."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._values: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for name, value in pairs.items():
            self._names.setdefault(_plain(name), name)
            self._values[_plain(name)] = value

    def __getitem__(self, name: str) -> str:
        return self._values[_plain(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._values)

    def first(self, *names: str) -> str:
        """The value of the first of these keys that is there and not empty, else an empty text."""
        return next((value for name in names if (value := self.get(name, ""))), "")


def _plain(name: str) -> str:
    return name.lower().lstrip("~")


@dataclass(frozen=True, slots=True)
class Lines(Generic[Record]):
    """What an upload holds: the lines that could be read, and those that could not, each in order."""

    records: list[Record] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Lines that came."""
        return len(self.records) + len(self.rejected)


def decode_text(raw: bytes) -> str:
    """Text as UTF-8, else as GB18030 (terminals set to Chinese), else with replacement characters. Never fails."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def split_lines(body: bytes) -> list[bytes]:
    """The lines of a body that are not blank, without their ends. Raises ProtocolViolation for too many or too much."""
    if len(body) > BODY_MAX:
        raise ProtocolViolation(f"expected at most {BODY_MAX} bytes, got {len(body)}")
    if (ends := body.count(b"\n")) > LINES_MAX:
        raise ProtocolViolation(f"expected at most {LINES_MAX} lines, got {ends}")
    return [line for raw in body.split(b"\n") if (line := raw.rstrip(b"\r\0")).strip()]


def read_lines(body: bytes, read: Callable[[bytes], Record], longest: int = LINE_MAX) -> Lines[Record]:
    """Each line through `read`; a line that raises ProtocolViolation is kept aside and costs its neighbours nothing.

    Passwords, templates and pictures are cut out of what is kept aside. Raises ProtocolViolation as `split_lines`.
    """
    found: Lines[Record] = Lines()
    for line in split_lines(body):
        try:
            if len(line) > longest:
                raise ProtocolViolation(f"expected a line of at most {longest} bytes, got {len(line)}")
            found.records.append(read(line))
        except ProtocolViolation as problem:
            found.rejected.append(RejectedRow(without_secrets(line), _reason(line, problem)))
    return found


def without_secrets(line: bytes) -> bytes:
    """The line with the values of passwords, templates, pictures and identity cards left out (security-design E5).

    A line that carries such a thing loses its size as well, so that it reads as an empty one, and every run of base64,
    in whatever field it stands; any other line loses runs that are too long for a text.
    """
    line = _LONG_RUN.sub(b"", _SECRET.sub(rb"\1=", line))
    return _RUN.sub(b"", _SIZE.sub(b"Size=", line)) if is_biometric(line) else line


def is_biometric(line: bytes) -> bool:
    """Whether a line may carry a template, a picture or an identity card, by its first word."""
    return _BIOMETRIC.match(line) is not None


def _reason(line: bytes, problem: ProtocolViolation) -> str:
    return _RUN.sub(b"...", str(problem).encode()).decode() if is_biometric(line) else str(problem)


def read_fields(text: str) -> Fields:
    """`key=value` pairs with tabs between, or blanks where there is no tab. What has no `=` is left out.

    So is what comes after FIELDS_MAX of them.
    """
    parts = (text.split("\t", FIELDS_MAX) if "\t" in text else _KEY.split(text, FIELDS_MAX))[:FIELDS_MAX]
    pairs = (part.partition("=") for part in parts)
    return Fields({name.strip(): value.strip() for name, sign, value in pairs if sign and name.strip()})


def tagged_fields(line: bytes, *tags: str) -> tuple[str, Fields]:
    """The first word of a line and its fields: `USER PIN=1 ...`. Raises ProtocolViolation for another first word."""
    word, _, rest = decode_text(line).strip().partition(" ")
    if "\t" in word:
        word, _, rest = decode_text(line).strip().partition("\t")
    if word.upper() not in tags:
        raise ProtocolViolation(f"expected a line that starts with {' or '.join(tags)}, got {word[:40]!r}")
    return word.upper(), read_fields(rest)


def whole_number(text: str, what: str, limit: int, default: int | None = None) -> int:
    """A decimal number from 0 to `limit`; `default` for an empty text. Raises ProtocolViolation."""
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= limit):
        raise ProtocolViolation(f"expected {what} from 0 to {limit}, got {text[:40]!r}")
    return int(text)


def pin_text(text: str) -> str:
    """A PIN as it may stand in a record. Raises ProtocolViolation for an empty, overlong or unprintable one."""
    pin = text.strip()
    if not pin or len(pin) > 24 or not pin.isprintable() or "\ufffd" in pin:
        raise ProtocolViolation(f"expected a PIN of 1 to 24 printable characters, got {text[:40]!r}")
    return pin


def value_text(value: object, what: str) -> str:
    """A value that may stand in a line we write. Raises ValueError for one that could end its field or its line.

    Tabs part fields, line ends part commands: a name that carried one could forge a command (security-design D5).
    """
    text = str(value)
    if len(text) > LINE_MAX or any(
        ord(letter) < 32 or ord(letter) == 127 or letter in "\x85\u2028\u2029" for letter in text
    ):
        raise ValueError(f"expected a {what} without tabs, line ends and control characters, got {text[:40]!r}")
    return text
