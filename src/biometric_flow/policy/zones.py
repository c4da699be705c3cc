"""Between the UTC line and a wall clock: whole minutes since 1970 on both (contract 1.2, 1.3, 2.1, 4)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from biometric_flow.policy.fields import EPOCH

DAY: Final = 1440
_BLOCK: Final = 15
"""Every change of an offset in this century falls on a quarter of an hour of UTC."""

Span = tuple[int, int]
"""From (included) to (not included), in minutes of the UTC line."""


class HomeZone:
    """Wall times of one zone. A minute is a whole number since 1970 UTC; a wall minute the same on the wall's line."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._offsets: dict[int, int] = {}

    def wall(self, minute: int) -> int:
        """What the wall clock shows at that minute, as minutes since 1970-01-01 00:00 on the wall."""
        return minute + self._offset(minute) // 60

    def day(self, minute: int, day_start: int = 0) -> int:
        """The day the minute belongs to, when days begin at `day_start`."""
        return (self.wall(minute) - day_start) // DAY

    def minute(self, day: int, minute_of_day: int) -> int:
        """The instant of a wall time: the first one in a repeated hour; in a gap with the offset before it."""
        return self._instants(day * DAY * 60 + minute_of_day * 60)[0] // 60

    def candidates(self, wall_second: int) -> tuple[int, ...]:
        """All instants (seconds) whose wall clock shows this: two in a repeated hour; in a gap the offset before it."""
        return self._instants(wall_second)

    def stretches(self, span: Span) -> Iterator[tuple[int, int, int]]:
        """The span in pieces of one offset each: from, to, and what to add to get to the wall."""
        at, end = span
        while at < end:
            offset, until = self._offset(at), end
            if end - at > DAY or self._offset(end - 1) != offset:  # no zone changes and changes back within a day
                blocks = range((at // _BLOCK + 1) * _BLOCK, end, _BLOCK)
                until = next((one for one in blocks if self._offset(one) != offset), end)
            yield at, until, offset // 60
            at = until

    def by_day(self, span: Span, day_start: int = 0) -> Iterator[tuple[int, Span]]:
        """The span cut at the borders of days."""
        for start, end, shift in self.stretches(span):
            at = start
            while at < end:
                day = (at + shift - day_start) // DAY
                until = min(end, (day + 1) * DAY + day_start - shift)
                yield day, (at, until)
                at = until

    def inside(self, span: Span, window: Span) -> Iterator[Span]:
        """The parts of the span whose wall time lies in [from, to) of the day; a window may pass midnight."""
        low, high = window
        length = (high - low) % DAY or DAY
        for start, end, shift in self.stretches(span):
            for opens in range((start + shift - low) // DAY * DAY + low - shift, end, DAY):
                part = max(start, opens), min(end, opens + length)
                if part[0] < part[1]:
                    yield part

    def _offset(self, minute: int) -> int:
        block = minute // _BLOCK
        offset = self._offsets.get(block)
        if offset is None:
            there = datetime.fromtimestamp(block * _BLOCK * 60, self._zone).utcoffset() or timedelta()
            offset = self._offsets[block] = int(there.total_seconds())
        return offset

    def _instants(self, wall_second: int) -> tuple[int, ...]:
        day, rest = divmod(wall_second, DAY * 60)
        naive = datetime.fromordinal(day + EPOCH) + timedelta(seconds=rest)
        earlier, later = (naive.replace(tzinfo=self._zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
        first = wall_second - int(earlier.total_seconds())
        if later >= earlier:  # once, or never: a gap is read with the offset in force before it
            return (first,)
        return first, wall_second - int(later.total_seconds())


@lru_cache(maxsize=1024)
def home_zone(name: str) -> HomeZone:
    """The zone of an IANA name. Raises ValueError or KeyError (ZoneInfoNotFoundError) for one that is none."""
    return HomeZone(ZoneInfo(name))


def clock_text(wall_minute: int) -> str:
    """HH:MM of a wall minute."""
    return f"{wall_minute % DAY // 60:02d}:{wall_minute % 60:02d}"
