"""Days and instants as our interfaces take them, in one form each.

Left to themselves, libraries read `1704672000`, `2024-W02-1` or a moment as a day too, each in its own way: what was
meant is then a guess, and hours hang on it.
"""

import re
from datetime import date, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BeforeValidator, NaiveDatetime, WithJsonSchema

_DAY: Final = r"\d{4}-\d{2}-\d{2}"
_WALL: Final = _DAY + r"T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_INSTANT: Final = _WALL + r"(Z|[+-]\d{2}:\d{2})"
_SHOWN: Final = 40


def _read(pattern: str, ours: type[date], said: str) -> BeforeValidator:
    """Only what is written so, or a value of ours."""
    reads = re.compile(pattern, re.ASCII)

    def look(given: object) -> object:
        if type(given) is ours or (isinstance(given, str) and reads.fullmatch(given)):
            return given
        text = repr(given)
        raise ValueError(f"expected {said}, got {text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}")

    return BeforeValidator(look)


def _shown(form: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "format": form, "pattern": f"^{pattern}$"})


Day = Annotated[date, _read(_DAY, date, "a date YYYY-MM-DD"), _shown("date", _DAY)]
"""A date."""
Instant = Annotated[
    AwareDatetime,
    _read(_INSTANT, datetime, "an instant with its offset such as 2024-01-08T09:00:00Z"),
    _shown("date-time", _INSTANT),
]
"""An instant, as RFC 3339 writes it."""
WallClock = Annotated[
    NaiveDatetime,
    _read(_WALL, datetime, "a wall-clock time without a zone such as 2024-01-08T09:00:00"),
    _shown("local-date-time", _WALL),
]
"""A terminal's own time. It has no zone, so it is none of the `date-time` of RFC 3339."""
