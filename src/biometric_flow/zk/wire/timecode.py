"""Terminal time: wall-clock seconds of a calendar whose months all have 31 days (zk-protocol 3)."""

import re
from datetime import datetime
from typing import Final, Self

TIME_MAX: Final = 0xFFFF_FFFF

_DAY: Final = 86_400
_MONTH: Final = 31 * _DAY
_YEAR: Final = 12 * _MONTH
_TEXT: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})")


class TerminalTime(int):
    """A moment as the terminal wrote it: the u32 itself, readable as a date.

    31 February has a place in it and occurs in real logs, so a row with such a time is kept; only `to_datetime`
    refuses it. No zone, no daylight saving. Compares and sorts like the number it is.
    """

    __slots__ = ()

    @classmethod
    def of(cls, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> Self:
        """The time with these fields; days 29 to 31 are allowed in any month.

        Raises ValueError for a field that the encoding has no place for (years 2000 to 2133).
        """
        if not (
            year >= 2000
            and 1 <= month <= 12
            and 1 <= day <= 31
            and 0 <= hour <= 23
            and 0 <= minute <= 59
            and 0 <= second <= 59
        ):
            raise ValueError(
                f"expected a time from 2000 on, got {year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
            )
        value = (year - 2000) * _YEAR + (month - 1) * _MONTH + (day - 1) * _DAY + hour * 3600 + minute * 60 + second
        if value > TIME_MAX:
            raise ValueError(f"expected a year up to 2133, got {year}")
        return cls(value)

    @classmethod
    def from_datetime(cls, moment: datetime) -> Self:
        """The time of a naive datetime, cut to whole seconds. Raises ValueError when it is aware or out of range."""
        if moment.tzinfo is not None:
            raise ValueError(
                "expected a naive local time, got one with a zone; convert it to the terminal's zone first"
            )
        return cls.of(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The time written as `YYYY-MM-DD HH:MM:SS`, with a blank or a T between. Raises ValueError."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"expected a time as YYYY-MM-DD HH:MM:SS, got {text[:40]!r}")
        return cls.of(*map(int, match.groups()))

    @classmethod
    def from_six_bytes(cls, data: bytes) -> Self:
        """The time of a realtime event: year - 2000, month, day, hour, minute, second. Raises ValueError."""
        if len(data) != 6:
            raise ValueError(f"expected 6 bytes of time, got {len(data)}")
        return cls.of(2000 + data[0], *data[1:])

    def to_six_bytes(self) -> bytes:
        """The form that realtime events carry."""
        return bytes((self.year - 2000, self.month, self.day, self.hour, self.minute, self.second))

    @property
    def year(self) -> int:
        """2000 to 2133."""
        return 2000 + int(self) // _YEAR

    @property
    def month(self) -> int:
        """1 to 12."""
        return int(self) // _MONTH % 12 + 1

    @property
    def day(self) -> int:
        """1 to 31, in every month."""
        return int(self) // _DAY % 31 + 1

    @property
    def hour(self) -> int:
        """0 to 23."""
        return int(self) // 3600 % 24

    @property
    def minute(self) -> int:
        """0 to 59."""
        return int(self) // 60 % 60

    @property
    def second(self) -> int:
        """0 to 59."""
        return int(self) % 60

    @property
    def is_possible(self) -> bool:
        """Whether the calendar knows this day."""
        try:
            self.to_datetime()
        except ValueError:
            return False
        return True

    def to_datetime(self) -> datetime:
        """The naive datetime. Raises ValueError for a day that the calendar does not know, such as 31 February."""
        minutes, second = divmod(int(self), 60)
        hours, minute = divmod(minutes, 60)
        days, hour = divmod(hours, 24)
        months, day = divmod(days, 31)
        year, month = divmod(months, 12)
        try:
            return datetime(2000 + year, month + 1, day + 1, hour, minute, second)  # noqa: DTZ001 - terminals know no zone
        except ValueError:
            raise ValueError(f"expected a day of the calendar, got {self.text()}") from None

    def text(self) -> str:
        """`YYYY-MM-DDTHH:MM:SS`, whether the calendar knows the day or not."""
        return f"{self.year:04}-{self.month:02}-{self.day:02}T{self.hour:02}:{self.minute:02}:{self.second:02}"

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"TerminalTime({self.text()})"
