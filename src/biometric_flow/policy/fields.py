"""Reading one JSON object field by field; every refusal names the path, what was expected and what came."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from biometric_flow.policy.errors import PolicyInvalid

LIST_MAX: Final = 200_000
"""Entries of one list at most."""
TEXT_MAX: Final = 400
MINUTES_MAX: Final = 366 * 1440
EPOCH: Final = date(1970, 1, 1).toordinal()
_FIRST: Final = date(1980, 1, 1)
_LAST: Final = date(2199, 12, 31)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(_DAY.pattern + r"[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
"""Of what ISO 8601 knows; libraries take weeks and bare days too, which nobody who means an instant writes."""
_SPAN: Final = f"between {_FIRST.year} and {_LAST.year}"


class Fields:
    """One object of a document. Names that nobody asked for are told by `rest`."""

    def __init__(self, value: object, path: str, unknown: list[str]) -> None:
        if not isinstance(value, Mapping):
            raise PolicyInvalid(path or "document", "an object", value)
        self._values: Mapping[str, object] = value
        self._unknown = unknown
        self._asked: set[str] = set()
        self.path = path

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        self._asked.add(name)
        return self._values.get(name) is not None

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def value(self, name: str) -> object:
        """What stands there, None for nothing."""
        self._asked.add(name)
        return self._values.get(name)

    def integer(self, name: str, default: int | None = None, low: int = 0, high: int = MINUTES_MAX) -> int:
        """A whole number; without a default it must be there."""
        expected = f"a whole number from {low} to {high}"
        value = self._given(name, default, expected)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise PolicyInvalid(self.at(name), expected, value)
        return value

    def maybe_integer(self, name: str, low: int = 0, high: int = MINUTES_MAX) -> int | None:
        """A whole number or nothing."""
        return self.integer(name, None, low, high) if self.has(name) else None

    def number(self, name: str, low: float, high: float) -> float:
        """A number that must be there."""
        expected = f"a number from {low:g} to {high:g}"
        value = self._given(name, None, expected)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise PolicyInvalid(self.at(name), expected, value)
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self._given(name, default, "true or false")
        if not isinstance(value, bool):
            raise PolicyInvalid(self.at(name), "true or false", value)
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A text of at most 400 characters."""
        expected = f"a text of at most {TEXT_MAX} characters"
        value = self._given(name, default, expected)
        if not isinstance(value, str) or len(value) > TEXT_MAX:
            raise PolicyInvalid(self.at(name), expected, value)
        return value

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of some words."""
        expected = "one of " + ", ".join(choices)
        value = self._given(name, default, expected)
        if not isinstance(value, str) or value not in choices:
            raise PolicyInvalid(self.at(name), expected, value)
        return value

    def clock(self, name: str, default: int | None = None) -> int:
        """A wall time HH:MM as a minute of the day."""
        if default is not None and not self.has(name):
            return default
        value = self._given(name, None, "a wall time HH:MM")
        return clock_minute(value, self.at(name))

    def date(self, name: str) -> int:
        """A date YYYY-MM-DD as days since 1970-01-01."""
        return day_number(self._given(name, None, "a date YYYY-MM-DD"), self.at(name))

    def instant(self, name: str) -> int:
        """An instant with its offset, as whole seconds since 1970 UTC."""
        return second(self._given(name, None, "an instant such as 2024-01-08T09:00:00Z"), self.at(name))

    def maybe_instant(self, name: str) -> int | None:
        """An instant or nothing."""
        return self.instant(name) if self.has(name) else None

    def child(self, name: str) -> "Fields | None":
        """An object inside, or nothing."""
        return Fields(self.value(name), self.at(name), self._unknown) if self.has(name) else None

    def children(self, name: str, most: int = LIST_MAX) -> "Iterator[Fields]":
        """The objects of a list; a field that is not there is an empty list."""
        for index, value in enumerate(self.list(name, most)):
            yield Fields(value, f"{self.at(name)}[{index}]", self._unknown)

    def list(self, name: str, most: int = LIST_MAX) -> Sequence[object]:
        """A list; a field that is not there is an empty one."""
        value = self.value(name)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > most:
            raise PolicyInvalid(self.at(name), f"a list of at most {most}", value)
        return value

    def names(self) -> Sequence[str]:
        """All names of the object, for those whose names are data."""
        self._asked.update(self._values)
        return tuple(self._values)

    def rest(self) -> None:
        """Note the names that nobody asked for."""
        self._unknown.extend(self.at(name) for name in self._values if name not in self._asked)

    def _given(self, name: str, default: object, expected: str) -> object:
        value = self.value(name)
        if value is not None:
            return value
        if default is None:
            raise PolicyInvalid(self.at(name), expected, is_missing=True)
        return default


def clock_minute(value: object, path: str) -> int:
    """HH:MM as a minute of the day, 00:00 to 23:59; 24:00 is 00:00 of the next day."""
    if (
        isinstance(value, str)
        and len(value) == 5
        and value.isascii()
        and value[2] == ":"
        and (value[:2] + value[3:]).isdigit()
    ):
        hours, minutes = int(value[:2]), int(value[3:])
        if hours < 24 and minutes < 60:
            return hours * 60 + minutes
        if (hours, minutes) == (24, 0):
            return 0
    raise PolicyInvalid(path, "a wall time HH:MM", value)


def day_number(value: object, path: str) -> int:
    """YYYY-MM-DD as days since 1970-01-01."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            found = date.fromisoformat(value)
            if _FIRST <= found <= _LAST:
                return found.toordinal() - EPOCH
        except ValueError:
            pass
    raise PolicyInvalid(path, f"a date YYYY-MM-DD {_SPAN}", value)


def second(value: object, path: str) -> int:
    """An ISO 8601 instant with an offset as whole seconds since 1970 UTC, cut."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None and _FIRST.year <= moment.year <= _LAST.year:
                return math.floor(moment.timestamp())
        except (ValueError, OverflowError):
            pass
    raise PolicyInvalid(path, f"an instant such as 2024-01-08T09:00:00Z {_SPAN}", value)


def naive_second(value: object, path: str) -> int:
    """A wall time YYYY-MM-DDTHH:MM:SS without an offset, as seconds since 1970-01-01 00:00 on that wall."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None and _FIRST.year <= moment.year <= _LAST.year:
                return math.floor(moment.replace(tzinfo=UTC).timestamp())
        except ValueError:
            pass
    raise PolicyInvalid(path, f"a wall time such as 2024-01-08T09:00:00 without an offset {_SPAN}", value)


def date_text(day: int) -> str:
    """A day number as YYYY-MM-DD."""
    return date.fromordinal(day + EPOCH).isoformat()


def weekday(day: int) -> int:
    """1 for Monday to 7 for Sunday."""
    return (day + 3) % 7 + 1
