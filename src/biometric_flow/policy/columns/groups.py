"""Which shift a punch belongs to, where one shift alone claims it or none, and nobody is left inside (contract 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biometric_flow.policy.columns.arrays import (
    BIG,
    Bools,
    Ints,
    Offsets,
    first_of_each,
    marked,
    most_before,
)
from biometric_flow.policy.columns.plans import Plan
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.zones import DAY


@dataclass(frozen=True, slots=True)
class Shifts:
    """The shifts of all people, one after the other; within a person by the beginning of the claim."""

    person: Ints
    day: Ints
    start: Ints
    end: Ints
    opens: Ints
    closes: Ints
    due_in: Ints
    due_out: Ints
    scheduled: Ints
    is_flexible: Bools


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of all people in order of time, and the minutes of their punches."""

    person: Ints
    day: Ints
    shift: Ints
    """Index of its shift; for unscheduled work the last, empty one."""
    is_planned: Bools
    count: Ints
    minute: Ints
    """Of every punch."""
    of_punch: Ints
    """The group of every punch."""
    first: Ints
    """Index of the first punch."""
    odd_one_out: Bools
    """By person: whether a rule decides that only the readable engine knows."""


def shifts_of(plans: Sequence[Plan]) -> Shifts:
    """The shifts of people with these plans; an empty one stands at the end for work without a shift."""
    lengths = [len(plan.rows) for plan in plans]
    rows = np.concatenate([*(plan.rows for plan in plans), np.zeros((1, 9), np.int64)])
    person = np.append(np.repeat(np.arange(len(plans)), lengths), len(plans))
    day, start, end, opens, closes, due_in, due_out, scheduled, flexible = rows.T
    return Shifts(person, day, start, end, opens, closes, due_in, due_out, scheduled, flexible > 0)


def group(who: Ints, minute: Ints, shifts: Shifts, clock: Offsets, policy: Policy, people: int) -> Groups:
    """Groups of kept punches, which are in order of person and time."""
    here = who * BIG + minute
    latest = np.searchsorted(shifts.person[:-1] * BIG + shifts.opens[:-1], here, "right") - 1
    claims = (latest >= 0) & (shifts.person[latest] == who) & (shifts.closes[latest] >= minute)
    closing = most_before(shifts.person * BIG + shifts.closes)
    several = (latest >= 0) & (closing[latest] >= here)

    wall = clock.wall(minute)
    day = wall // DAY - (wall % DAY < policy.day_start)
    none = len(shifts.person) - 1
    key = np.where(claims, latest, none + who * BIG + day)
    begins = first_of_each(key)
    first = np.flatnonzero(begins)
    of_punch = np.cumsum(begins) - 1
    planned = claims[first]
    groups = Groups(
        person=who[first],
        day=np.where(planned, shifts.day[latest[first]], day[first]),
        shift=np.where(planned, latest[first], none),
        is_planned=planned,
        count=np.diff(np.append(first, len(who))),
        minute=minute,
        of_punch=of_punch,
        first=first,
        odd_one_out=marked(who[several], people),
    )
    _look_for_open_doors(groups, shifts, policy)
    _, index, times = np.unique(key[first], return_index=True, return_counts=True)
    groups.odd_one_out[groups.person[index[times > 1]]] = True
    return groups


def _look_for_open_doors(groups: Groups, shifts: Shifts, policy: Policy) -> None:
    """Somebody who may still be inside, or a stretch that may go on, is for the readable engine."""
    last = groups.minute[groups.first + groups.count - 1]
    here = groups.person * BIG
    open_until = most_before(np.where(groups.count % 2 == 1, here + last, -1))
    stretch = most_before(np.where(groups.is_planned, -1, here + last))

    came = groups.minute[groups.first]
    start, end = shifts.start[groups.shift], shifts.end[groups.shift]
    nearer_end = np.abs(came - end) < np.abs(came - start)
    asks = ~groups.is_planned | nearer_end
    unclear = asks & (open_until >= here + came - policy.max_session_min)
    unclear |= ~groups.is_planned & (stretch >= here + came - policy.new_shift_gap_min)
    groups.odd_one_out[groups.person[unclear]] = True

    position = np.arange(len(groups.minute)) - groups.first[groups.of_punch]
    gap = np.diff(groups.minute, prepend=0)
    of = groups.of_punch
    unclear = ~groups.is_planned[of] & (position % 2 == 1) & (gap > policy.max_session_min)
    groups.odd_one_out[groups.person[of[unclear]]] = True
