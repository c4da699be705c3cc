"""How one value stands in a command: text there and back, checked both ways."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.attlog import read_time
from biometric_flow.zk.push.text import Fields, value_text, whole_number
from biometric_flow.zk.wire.timecode import TerminalTime

_PIN: Final = re.compile(r"[A-Za-z0-9_-]{1,24}")


class Column(NamedTuple):
    """`write` raises ValueError, `read` ProtocolViolation; what it does not read back it does not write."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]


def number(low: int, high: int, what: str) -> Column:
    """A decimal number."""

    def write(value: int) -> str:
        if not low <= value <= high:
            raise ValueError(f"expected {what} from {low} to {high}, got {value}")
        return str(value)

    def read(text: str) -> int:
        value = whole_number(text, what, high)
        if value < low:
            raise ProtocolViolation(f"expected {what} from {low} to {high}, got {value}")
        return value

    return Column(write, read)


def words(what: str, pattern: str) -> Column:
    """A text of these characters only."""
    form = re.compile(pattern)

    def write(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(f"expected {what} as {pattern}, got {value[:40]!r}")
        return value

    def read(text: str) -> str:
        if not form.fullmatch(text):
            raise ProtocolViolation(f"expected {what} as {pattern}, got {text[:40]!r}")
        return text

    return Column(write, read)


def free_text(what: str, longest: int) -> Column:
    """A text for people, at most so many bytes of UTF-8, that cannot end its field or its line."""

    def write(value: str) -> str:
        text = value_text(value, what)
        if len(text.encode()) > longest or text != text.strip():
            raise ValueError(f"expected a {what} of at most {longest} bytes without blanks around, got {text[:40]!r}")
        return text

    return Column(write, lambda text: text)


def check_pin(pin: str) -> str:
    """A PIN that may stand in a command. Raises ValueError."""
    if not _PIN.fullmatch(pin):
        raise ValueError(f"expected a PIN of 1 to 24 letters, digits, - or _, got {pin[:40]!r}")
    return pin


def _read_pin(text: str) -> str:
    if not _PIN.fullmatch(text):
        raise ProtocolViolation(f"expected a PIN of 1 to 24 letters, digits, - or _, got {text[:40]!r}")
    return text


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise ProtocolViolation(f"expected a day as YYYYMMDD, got {text[:40]!r}") from None


def _month_day(text: str) -> tuple[int, int]:
    value = whole_number(text, "a month and day", 1231)
    if not (1 <= value // 100 <= 12 and 1 <= value % 100 <= 31):
        raise ProtocolViolation(f"expected a day as MMDD, got {text[:40]!r}")
    return value // 100, value % 100


def _write_month_day(value: tuple[int, int]) -> str:
    month, day = value
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError(f"expected month 1 to 12 and day 1 to 31, got {month} and {day}")
    return f"{month:02}{day:02}"


def _write_zones(zones: Sequence[int]) -> str:
    if len(zones) != 3 or any(not 0 <= zone <= 50 for zone in zones):
        raise ValueError(f"expected three time zones from 0 to 50, got {zones}")
    return ";".join(map(str, zones))


def _read_zones(text: str) -> tuple[int, ...]:
    found = tuple(whole_number(cell, "a time zone", 50) for cell in text.split(";")[:4])
    if len(found) != 3:
        raise ProtocolViolation(f"expected three time zones such as 1;0;0, got {text[:40]!r}")
    return found


PIN: Final = Column(check_pin, _read_pin)
TIME: Final = Column(lambda value: TerminalTime(value).text().replace("T", " "), read_time)
DAY: Final = Column(lambda value: f"{value:%Y%m%d}" if value.year >= 1000 else "", _day)
MONTH_DAY: Final = Column(_write_month_day, _month_day)
FLAG: Final = Column(lambda value: str(int(value)), lambda text: whole_number(text, "0 or 1", 1) == 1)
ONCE_OR_YEARLY: Final = Column(
    lambda value: "1" if value else "2", lambda text: {"1": True, "2": False}[words("1 or 2", "[12]").read(text)]
)
ZONES: Final = Column(_write_zones, _read_zones)


def write_columns(columns: Sequence[tuple[str, Column]], values: Sequence[Any]) -> str:
    """`key=value` texts with tabs between; a value of None is left out. Raises ValueError."""
    return "\t".join(
        f"{key}={column.write(value)}"
        for (key, column), value in zip(columns, values, strict=True)
        if value is not None
    )


def read_columns(columns: Sequence[tuple[str, Column]], fields: Fields) -> list[Any]:
    """The values of those keys, None for one that is not there. Raises ProtocolViolation."""
    return [column.read(fields[key]) if key in fields else None for key, column in columns]
