"""`evaluate_many`: the workdays of many people at once, for a whole month of a whole company, without their traces.

Ordinary days go through columns (`columns/`), everything else through `evaluate`. Both give the same rows.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from biometric_flow.policy.columns.arrays import BIG, Bools, Ints, Offsets, marked
from biometric_flow.policy.columns.days import Grid, calendar, columns, to_be_paid
from biometric_flow.policy.columns.groups import group, shifts_of
from biometric_flow.policy.columns.hours import work_out
from biometric_flow.policy.columns.pay import pay
from biometric_flow.policy.columns.plans import Plans
from biometric_flow.policy.columns.table import WorkdayTable, blank
from biometric_flow.policy.duplicates import keep
from biometric_flow.policy.engine import REACH, evaluate
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.instants import touches
from biometric_flow.policy.overtime import period_of
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.zones import DAY

_AT_ONCE: Final = 512
"""People; what is in work stays in the processor's cache."""
_FEW: Final = 8
"""Below so many people of one policy the columns are not worth their set-up."""
_STRAY_MAX: Final = 400
"""Days; somebody with punches further from the range would make the columns wide for all."""
_MARGIN: Final = REACH + 1
_SECONDS: Final = 1 << 34
"""More seconds than a timeline has."""


def evaluate_many(people: Sequence[Inputs]) -> WorkdayTable:
    """The workdays of all people; each row is what `evaluate` gives, its trace can be asked of `evaluate` any time."""
    table = blank([(given.first, given.last) for given in people])
    for cohort in _cohorts(people):
        policy = people[cohort[0]].policy
        fits = len(cohort) >= _FEW and covers(policy)
        ordinary = [number for number in cohort if fits and _is_ordinary(people[number])]
        for at in range(0, len(ordinary), _AT_ONCE):
            _evaluate_columns(people, ordinary[at : at + _AT_ONCE], table)
        done = set(ordinary)
        for number in cohort:
            if number not in done:
                table.put(number, evaluate(people[number]).days)
    return table


def covers(policy: Policy) -> bool:
    """Whether the columns know all rules of a policy."""
    return (
        policy.pairing.mode in ("alternating", "first_last")
        and not policy.rounding.total
        and not policy.breaks.windows
        and not policy.meal_penalty
        and not policy.lateness.from_rounded
        and not policy.overtime.window_remap
        and policy.missing.cap_min <= DAY
    )


def _is_ordinary(given: Inputs) -> bool:
    halves = any(leave.kind in ("first_half", "second_half") for leave in given.leaves)
    return given.schedule.mode != "auto" and not (given.periods or given.changes or halves)


def _cohorts(people: Sequence[Inputs]) -> Iterable[list[int]]:
    """People of one policy, zone, range and moment of knowing."""
    policies: list[Policy] = []
    by_identity: dict[int, int] = {}
    cohorts: dict[tuple[object, ...], list[int]] = {}
    for number, given in enumerate(people):
        which = by_identity.get(id(given.policy))
        if which is None:
            which = next((index for index, policy in enumerate(policies) if policy == given.policy), len(policies))
            if which == len(policies):
                policies.append(given.policy)
            by_identity[id(given.policy)] = which
        key = (which, id(given.zone), given.first, given.last, given.as_of)
        cohorts.setdefault(key, []).append(number)
    return cohorts.values()


def _evaluate_columns(people: Sequence[Inputs], numbers: Sequence[int], table: WorkdayTable) -> None:
    """Evaluate people of one cohort into the table, by the readable engine those whom the columns cannot judge."""
    ours = [people[number] for number in numbers]
    one = ours[0]
    policy, zone = one.policy, one.zone
    who, minute, strays = _kept(ours)
    seen = [int(minute.min()), int(minute.max())] if len(minute) else []
    span = min([zone.minute(one.first, 0), *seen]), max([zone.minute(one.last + 1, 0), *seen])
    since = period_of(policy.overtime, one.first)
    first, last = min(since, zone.day(span[0])) - _MARGIN, zone.day(span[1]) + _MARGIN
    clock = Offsets(zone, (span[0] - _MARGIN * DAY, span[1] + _MARGIN * DAY))
    grid = Grid(first, last - first + 1, len(numbers))
    plans_by_content = Plans((first, last))
    plans = [plans_by_content.of(given) for given in ours]
    shifts = shifts_of(plans)
    groups = group(who, minute, shifts, clock, policy, len(numbers))
    hours = work_out(groups, shifts, clock, policy, one.as_of)
    known = calendar(ours, plans, shifts, grid)
    days = to_be_paid(known, groups, hours, grid)
    paid = pay(days, since, one.last, policy)
    found = columns(known, groups, hours, days, paid, grid, policy, one.as_of)
    odd = groups.odd_one_out | strays
    rows, places = _rows(np.array(numbers, np.int64)[~odd], np.flatnonzero(~odd), one, grid, table)
    for name, values in found.items():
        table.column(name)[rows] = values[places]
    for tier, minutes in paid.tiers.items():
        table.tier(tier)[rows] = minutes.reshape(-1)[places]
    for index in np.flatnonzero(odd).tolist():
        table.put(numbers[index], evaluate(ours[index]).days)


def _rows(numbers: Ints, indices: Ints, one: Inputs, grid: Grid, table: WorkdayTable) -> tuple[Ints, Ints]:
    """The rows of people in the table, and their places in the grid."""
    days = np.arange(one.first, one.last + 1)
    rows = (table.starts[numbers][:, None] + days - one.first).reshape(-1)
    return rows, (indices[:, None] * grid.width + days - grid.first).reshape(-1)


def _kept(ours: Sequence[Inputs]) -> tuple[Ints, Ints, Bools]:
    """Person and minute of every punch that counts, in order; and who has punches too far from the range."""
    one = ours[0]
    given = [[] if _is_touched(person) else [punch.second or 0 for punch in person.punches] for person in ours]
    who = np.repeat(np.arange(len(ours)), [len(seconds) for seconds in given])
    second = np.array([at for seconds in given for at in seconds], np.int64)
    if one.as_of is not None:
        who, second = who[second <= one.as_of], second[second <= one.as_of]
    order = np.sort(who * _SECONDS + second)
    who, second = np.divmod(order, _SECONDS)
    close = np.diff(order) < max(1, one.policy.duplicates.window_min * 60)
    by_hand = marked(who[1:][close], len(ours)) | [_is_touched(person) for person in ours]
    who, minute = who[~by_hand[who]], second[~by_hand[who]] // 60
    more_who, more = [who], [minute]
    for number in np.flatnonzero(by_hand).tolist():
        kept = keep(touches(ours[number])[0], one.policy.duplicates)
        more.append(np.array([punch.minute for punch in kept], np.int64))
        more_who.append(np.full(len(kept), number))
    who, minute = np.divmod(np.sort(np.concatenate(more_who) * BIG + np.concatenate(more)), BIG)
    low, high = (one.first - _STRAY_MAX) * DAY, (one.last + _STRAY_MAX) * DAY
    strays = marked(who[(minute < low) | (minute > high)], len(ours))
    near = ~strays[who]
    return who[near], minute[near], strays


def _is_touched(given: Inputs) -> bool:
    """Whether the instants of the punches are to be found out first."""
    stamped = any(punch.second is None for punch in given.punches)
    return bool(given.corrections or given.clock_corrections or stamped)
