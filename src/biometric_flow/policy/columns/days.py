"""From groups to the workdays of all people: sums, leave, flags, status (contract 10, 11 and 13)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biometric_flow.policy.assembly import leave_minutes
from biometric_flow.policy.columns.arrays import (
    BIG,
    NEVER,
    Bools,
    Ints,
    first_of_each,
    marked,
    summed,
    without_overlap,
)
from biometric_flow.policy.columns.groups import Groups, Shifts
from biometric_flow.policy.columns.hours import Hours, Pieces
from biometric_flow.policy.columns.pay import Days, Pay
from biometric_flow.policy.columns.plans import Plan
from biometric_flow.policy.columns.table import IRREGULARITIES, STATUSES
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.rules import OVER_CAP, Policy


@dataclass(frozen=True, slots=True)
class Grid:
    """People by days: the place of a person's day is person * width + day - first."""

    first: int
    width: int
    people: int

    @property
    def size(self) -> int:
        """How many places."""
        return self.people * self.width

    def holds(self, day: int) -> bool:
        """Whether a day is in it."""
        return self.first <= day < self.first + self.width

    def place(self, person: Ints, day: Ints) -> Ints:
        """Where a person's day is."""
        return person * self.width + day - self.first

    def shaped(self, places: Ints) -> Ints:
        """People in rows, days in columns."""
        return places.reshape(self.people, self.width)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What is known of days without any punch."""

    planned: Ints
    has_shift: Bools
    closes: Ints
    is_rest: Bools
    is_holiday: Bools
    leave: Ints
    on_full_leave: Bools
    approved: Ints

    @property
    def scheduled(self) -> Ints:
        """Scheduled minutes; none on a holiday."""
        return np.where(self.is_holiday, 0, self.planned)


def calendar(people: Sequence[Inputs], plans: Sequence[Plan], shifts: Shifts, grid: Grid) -> Calendar:
    """The calendar of people over the grid."""
    real = shifts.person < grid.people
    place = grid.place(shifts.person[real], shifts.day[real])
    planned, closes = summed(place, shifts.scheduled[real], grid.size), np.full(grid.size, NEVER, np.int64)
    np.maximum.at(closes, place, shifts.closes[real])
    holiday, full = np.zeros(grid.size, np.bool_), np.zeros(grid.size, np.bool_)
    leave, approved = np.zeros(grid.size, np.int64), np.zeros(grid.size, np.int64)
    for person, given in enumerate(people):
        base = person * grid.width - grid.first
        for day in given.holidays:
            if grid.holds(day):
                holiday[base + day] = True
        for one in given.leaves:
            if one.day not in given.holidays and grid.holds(one.day):
                leave[base + one.day] += leave_minutes(one, int(planned[base + one.day]))
                full[base + one.day] |= one.kind == "full"
        for day, minutes in given.approved_minutes.items():
            if grid.holds(day):
                approved[base + day] = minutes
    rest = np.concatenate([plan.is_rest for plan in plans])
    return Calendar(planned, marked(place, grid.size), closes, rest, holiday, leave, full, approved)


def to_be_paid(known: Calendar, groups: Groups, hours: Hours, grid: Grid) -> Days:
    """The days as the overtime pass wants them."""
    worked = summed(grid.place(groups.person, groups.day), hours.worked, grid.size)
    holiday, rest = known.is_holiday, known.is_rest
    by_person = (grid.people, grid.width)
    return Days(
        first=grid.first,
        worked=worked.reshape(by_person),
        scheduled=known.scheduled.reshape(by_person),
        is_holiday=holiday.reshape(by_person),
        is_rest=rest.reshape(by_person),
    )


def columns(
    known: Calendar, groups: Groups, hours: Hours, days: Days, pay: Pay, grid: Grid, policy: Policy, as_of: int | None
) -> dict[str, Ints]:
    """All columns of the grid under the names of `Workday`, and `status` and `exceptions` as numbers."""
    place = grid.place(groups.person, groups.day)

    def sums(values: Ints) -> Ints:
        return summed(place, values, grid.size)

    worked, scheduled = days.worked.reshape(-1), known.scheduled
    flags = _flags(known, groups, hours, pay, grid, policy, worked)
    premium = pay.premium.reshape(-1) if policy.overtime.approval_required else np.zeros(grid.size, np.int64)
    approved = np.minimum(premium, known.approved)
    night = sums(hours.night)
    return {
        "worked": worked,
        "scheduled": scheduled,
        "leave": known.leave,
        "short": np.maximum(0, scheduled - worked - known.leave),
        "late": sums(hours.late),
        "early_out": sums(hours.early),
        "unpaid_break": sums(hours.unpaid),
        "night": np.where(night >= policy.night.min_minutes, night, 0) if policy.night else night,
        "ot_approved": approved,
        "ot_pending": premium - approved,
        "holiday_credit": np.where(known.is_holiday & policy.credits_holiday, known.planned, 0),
        "gross": sums(hours.gross),
        "rounding": sums(hours.rounding),
        "status": _status(known, marked(place, grid.size), flags, worked, policy, as_of),
        "exceptions": sum(
            (found.astype(np.int64) << IRREGULARITIES.index(name) for name, found in flags.items()),
            np.zeros(grid.size, np.int64),
        ),
    }


def _flags(
    known: Calendar, groups: Groups, hours: Hours, pay: Pay, grid: Grid, policy: Policy, worked: Ints
) -> dict[str, Bools]:
    place, rule = grid.place(groups.person, groups.day), policy.compliance
    first_in, last_out = np.full(grid.size, BIG, np.int64), np.full(grid.size, NEVER, np.int64)
    came = hours.first_in != NEVER
    np.minimum.at(first_in, place[came], hours.first_in[came])
    np.maximum.at(last_out, place, hours.last_out)
    has_in, has_out = first_in != BIG, last_out != NEVER
    flags = {
        "IN_PROGRESS": marked(place[hours.in_progress], grid.size),
        "MISSING_IN": marked(place[hours.missing_in], grid.size),
        "MISSING_OUT": marked(place[hours.missing_out], grid.size),
        "UNSCHEDULED": marked(place[~groups.is_planned], grid.size),
        "WORKED_ON_LEAVE": known.on_full_leave & (worked > 0),
    }
    if OVER_CAP in pay.tiers:
        flags["OT_CAP"] = pay.tiers[OVER_CAP].reshape(-1) > 0
    if rule.max_span_min is not None:
        flags["SPAN_LONG"] = has_in & has_out & (last_out - first_in > rule.max_span_min)
    if rule.max_consecutive_min is not None:
        longest = _longest(hours.pieces, place, rule.break_min_len, grid.size)
        flags["CONSECUTIVE_LONG"] = has_in & (longest > rule.max_consecutive_min)
    if rule.daily_rest_min is not None:
        has_pieces = marked(place[hours.pieces.group], grid.size)
        flags["REST_SHORT"] = _short_rests(first_in, last_out, has_pieces, rule.daily_rest_min, grid)
    return flags


def _longest(pieces: Pieces, place: Ints, break_min: int, size: int) -> Ints:
    """The longest stretch of every day in which no gap is as long as a break."""
    of = place[pieces.group]
    order = np.argsort(of * BIG + pieces.start, kind="stable")
    of, start, end = without_overlap(of[order], pieces.start[order], pieces.end[order])
    begins = first_of_each(of)
    begins[1:] |= start[1:] - end[:-1] >= break_min
    closes = np.append(begins[1:], True) if len(of) else begins
    longest = np.zeros(size, np.int64)
    np.maximum.at(longest, of[begins], end[closes] - start[begins])
    return longest


def _short_rests(first_in: Ints, last_out: Ints, has_pieces: Bools, limit: int, grid: Grid) -> Bools:
    came, left, worked = grid.shaped(first_in), grid.shaped(last_out), has_pieces.reshape(grid.people, grid.width)
    short = np.zeros_like(worked)
    before = np.full(grid.people, NEVER, np.int64)
    for day in range(grid.width):
        short[:, day] = (came[:, day] != BIG) & (before != NEVER) & (came[:, day] - before < limit)
        before = np.where(worked[:, day], left[:, day], before)
    return short.reshape(-1)


def _status(
    known: Calendar, has_punches: Bools, flags: dict[str, Bools], worked: Ints, policy: Policy, as_of: int | None
) -> Ints:
    is_worked, scheduled = worked > 0, known.scheduled > 0
    is_rest = known.is_rest & ~known.has_shift
    missing = flags["MISSING_IN"] | flags["MISSING_OUT"]
    is_pending = ~has_punches & (known.closes * 60 >= as_of) if as_of is not None else np.zeros_like(missing)
    first_of = (
        (flags["IN_PROGRESS"], "in_progress"),
        (known.is_holiday & is_worked, "holiday_worked"),
        (known.is_holiday, "holiday"),
        (is_worked & is_rest, "rest_worked"),
        (is_worked & (worked < policy.absent_below_min), "absent"),
        (is_worked & (worked < policy.half_day_below_min), "half_day"),
        (is_worked, "present"),
        (known.on_full_leave & scheduled, "leave"),
        (is_rest & ~missing, "rest"),
        (missing, "incomplete"),
        (is_pending, "pending"),
        (scheduled, "absent"),
    )
    conditions, names = zip(*first_of, strict=True)
    return np.select(conditions, [STATUSES.index(name) for name in names], STATUSES.index("off"))
