"""Who should work when: shift instances on the UTC line, days off, half-day middles (contract 4)."""

from dataclasses import dataclass
from functools import lru_cache

from biometric_flow.policy.fields import weekday
from biometric_flow.policy.inputs import Schedule, Shift
from biometric_flow.policy.rules import ClaimWindow
from biometric_flow.policy.zones import HomeZone


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A shift on one day. Times are minutes on the UTC line."""

    shift: Shift
    day: int
    start: int
    end: int
    opens: int
    closes: int
    """The claim window, both ends included."""
    core_start: int
    core_end: int
    """What lateness is measured against: the core time of a flexible shift, else start and end."""
    scheduled: int

    def claims(self, minute: int) -> bool:
        """Whether a punch at that minute may belong to it."""
        return self.opens <= minute <= self.closes


@lru_cache(maxsize=1 << 14)
def instance(shift: Shift, day: int, zone: HomeZone, window: ClaimWindow) -> Instance:
    """A shift on a day; people of one shift share it."""
    start = zone.minute(day, shift.start)
    end = zone.minute(day + (shift.end <= shift.start), shift.end)
    core_start, core_end = start, end
    if shift.core_start is not None and shift.core_end is not None:
        begins = day + (shift.end <= shift.start and shift.core_start < shift.start)
        core_start = zone.minute(begins, shift.core_start)
        core_end = zone.minute(begins + (shift.core_end <= shift.core_start), shift.core_end)
    scheduled = end - start - shift.unpaid_break_min if shift.required_min is None else shift.required_min
    return Instance(
        shift=shift,
        day=day,
        start=start,
        end=end,
        opens=start - (window.pre_min if shift.pre_min is None else shift.pre_min),
        closes=end + (window.post_min if shift.post_min is None else shift.post_min),
        core_start=core_start,
        core_end=core_end,
        scheduled=max(0, scheduled),
    )


def assigned_shifts(schedule: Schedule, day: int) -> tuple[str, ...]:
    """The shifts a schedule of mode `assigned` gives that day; nothing in the other modes."""
    if schedule.mode != "assigned":
        return ()
    if schedule.rotation_anchor is not None:
        shifts = schedule.rotation[(day - schedule.rotation_anchor) % len(schedule.rotation)]
    else:
        shifts = schedule.weekly.get(weekday(day), ())
    for row in schedule.assignments:
        if row.first <= day <= row.last and (row.weekdays is None or weekday(day) in row.weekdays):
            shifts = row.shifts
    return shifts


def is_rest_day(schedule: Schedule, day: int) -> bool:
    """A weekday of rest, or in an assigned schedule any day, for which no shift is assigned."""
    if assigned_shifts(schedule, day):
        return False
    return schedule.mode == "assigned" or weekday(day) in schedule.rest_weekdays


def middle(start: int, end: int) -> int:
    """Where a half-day leave ends or begins: half of the elapsed time, cut."""
    return start + (end - start) // 2
