"""Workdays of many people as columns; a row comes out as `Workday.row` writes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from biometric_flow.policy.columns.arrays import Bools, Ints
from biometric_flow.policy.fields import date_text
from biometric_flow.policy.workdays import Workday

STATUSES: Final = (
    *("in_progress", "holiday_worked", "holiday", "leave", "rest_worked", "incomplete", "rest", "pending", "off"),
    *("absent", "half_day", "present"),
)
IRREGULARITIES: Final = (
    *("CONSECUTIVE_LONG", "DOUBLE_BREAK", "DOUBLE_IN", "IN_PROGRESS", "MISSING_BREAK_IN", "MISSING_BREAK_OUT"),
    *("MISSING_IN", "MISSING_OUT", "OT_CAP", "REST_SHORT", "SPAN_LONG", "UNKNOWN_CODE", "UNSCHEDULED"),
    "WORKED_ON_LEAVE",
)
"""In order of the alphabet; the number is the bit in the column `exceptions`."""
_MINUTES: Final = (
    *("worked", "scheduled", "leave", "short", "late", "early_out", "unpaid_break", "night", "meal_penalty"),
    *("ot_approved", "ot_pending", "holiday_credit", "gross", "rounding"),
)


@dataclass(slots=True)
class WorkdayTable:
    """A row for each person and day, person after person; durations are minutes."""

    person: Ints
    """Index of the person in what was evaluated."""
    day: Ints
    starts: Ints
    """By person: its first row."""
    status: Ints
    """Index in STATUSES."""
    exceptions: Ints
    """Bits by IRREGULARITIES."""
    minutes: dict[str, Ints]
    """By field of `Workday`."""
    is_readable: Bools
    """By person: whether the readable engine had to do it."""
    pay: dict[str, Ints] = field(default_factory=dict)
    """By tier."""

    def row(self, index: int) -> dict[str, Any]:
        """One workday under the names of contract 15."""
        at = {name: int(column[index]) for name, column in self.minutes.items()}
        bits = int(self.exceptions[index])
        return {
            "date": date_text(int(self.day[index])),
            "status": STATUSES[self.status[index]],
            "worked": at["worked"],
            "pay": {tier: int(minutes[index]) for tier, minutes in self.pay.items() if minutes[index]},
            **{name: at[name] for name in ("scheduled", "leave", "short", "late", "early_out")},
            "break": at["unpaid_break"],
            "night": at["night"],
            "meal_penalty": at["meal_penalty"],
            "exceptions": [name for bit, name in enumerate(IRREGULARITIES) if bits >> bit & 1],
            **{name: at[name] for name in ("ot_approved", "ot_pending", "holiday_credit")},
        }

    def put(self, person: int, days: Sequence[Workday]) -> None:
        """Write a person's workdays as the readable engine found them."""
        self.is_readable[person] = True
        for index, day in enumerate(days, int(self.starts[person])):
            self.status[index] = STATUSES.index(day.status)
            self.exceptions[index] = sum(1 << IRREGULARITIES.index(name) for name in day.irregularities)
            for name, column in self.minutes.items():
                column[index] = getattr(day, name)
            for tier, minutes in day.pay.items():
                self.tier(tier)[index] = minutes

    def column(self, name: str) -> Ints:
        """The column of a field of `Workday`, or `status` or `exceptions`."""
        named = {"status": self.status, "exceptions": self.exceptions}
        return named[name] if name in named else self.minutes[name]

    def tier(self, name: str) -> Ints:
        """The column of a tier."""
        if name not in self.pay:
            self.pay[name] = np.zeros(len(self.day), np.int64)
        return self.pay[name]


def blank(ranges: Sequence[tuple[int, int]]) -> WorkdayTable:
    """A table for people with these first and last days."""
    lengths = np.array([last - first + 1 for first, last in ranges], np.int64)
    starts = np.cumsum(lengths) - lengths
    person = np.repeat(np.arange(len(ranges)), lengths)
    day = np.arange(len(person)) - starts[person] + np.array([first for first, _ in ranges], np.int64)[person]
    size = len(person)
    return WorkdayTable(
        person=person,
        day=day,
        starts=starts,
        status=np.zeros(size, np.int64),
        exceptions=np.zeros(size, np.int64),
        minutes={name: np.zeros(size, np.int64) for name in _MINUTES},
        is_readable=np.zeros(len(ranges), np.bool_),
    )
