"""The demo's year of real punches: a public year, moved by whole weeks and spread over terminals. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a terminal's USB file: PIN, wall-clock time, verify mode, punch state, work code."""

    pin: str
    time: datetime
    verify: str
    state: str
    work_code: str

    def line(self) -> str:
        """The line as a terminal writes it."""
        return f"{self.pin}\t{self.time:%Y-%m-%d %H:%M:%S}\t{self.verify}\t{self.state}\t{self.work_code}\n"


def parse(text: str) -> list[Row]:
    """The rows of a USB file. Raises ValueError naming the first line that is not one."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            pin, time, verify, state, work_code = line.split("\t")
            rows.append(Row(pin, datetime.fromisoformat(time), verify, state, work_code))
        except ValueError as error:
            raise ValueError(f"line {number}: expected PIN, time, verify, state, work code: {error}") from None
    return rows


def deal(pins: Sequence[str], places: Sequence[str]) -> dict[str, str]:
    """PIN -> place: everybody belongs to one, in turn."""
    ordered = sorted(set(pins), key=int)
    return {pin: places[index % len(places)] for index, pin in enumerate(ordered)}


def shift(rows: Sequence[Row], place_of: Mapping[str, str], zones: Mapping[str, ZoneInfo], now: datetime) -> list[Row]:
    """The rows moved by whole weeks, as late as possible without one lying in the future of its own place."""
    last = max(_instant(row.time, zones[place_of[row.pin]]) for row in rows)
    weeks = (now - last) // WEEK
    # Offsets differ by season, so the step across a clock change is checked once more.
    while any(_instant(row.time + weeks * WEEK, zones[place_of[row.pin]]) > now for row in rows[-500:]):
        weeks -= 1
    return [Row(row.pin, row.time + weeks * WEEK, row.verify, row.state, row.work_code) for row in rows]


def spread(
    rows: Sequence[Row], place_of: Mapping[str, str], terminals: Mapping[str, Sequence[str]]
) -> dict[str, list[Row]]:
    """Terminal key -> its rows: a person uses the terminals of their place, another one from day to day."""
    spread_rows: dict[str, list[Row]] = {key: [] for keys in terminals.values() for key in keys}
    for row in rows:
        keys = terminals[place_of[row.pin]]
        spread_rows[keys[(int(row.pin) + row.time.toordinal() + int(row.state)) % len(keys)]].append(row)
    for key_rows in spread_rows.values():
        assert all(a.time <= b.time for a, b in pairwise(key_rows))
    return spread_rows


def _instant(time: datetime, zone: ZoneInfo) -> datetime:
    return time.replace(tzinfo=zone)
