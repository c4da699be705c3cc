"""From dated assignments to the rules of each day, and from punches to workdays, one overtime period at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.inputs import (
    Assignment,
    ClockCorrection,
    Correction,
    GivenPunch,
    Inputs,
    Leave,
    PolicyChange,
    Schedule,
    Shift,
)
from biometric_flow.policy.overtime import period_of
from biometric_flow.policy.packs import PolicyPack, pack_in_force
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.schedules import assigned_shifts
from biometric_flow.policy.workdays import Workday
from biometric_flow.policy.zones import HomeZone

MARGIN: Final = 4
"""Days of punches seen on both sides of what is computed; the engine lets no shift claim a punch further than three."""

_NEAR: Final = MARGIN * 2
"""Days around what is computed whose plan matters: a shift of four days off may claim a punch of four days off."""

FAR: Final = 84_000
"""A day beyond all plans (2199), for what has no end."""

PLAIN: Final = "plain v1"
"""The label of workdays for which nobody assigned a policy pack: punches are paired, nothing else."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """From `first` to `last` (days, both included) a person has this schedule, calendar and family of packs."""

    first: int
    last: int
    schedule: str | None = None
    calendar: str | None = None
    pack: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a person from `first` to `last` (days, both included)."""

    first: int
    last: int
    label: str
    policy: Policy
    schedule: Schedule
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What assignments name: parsed, by id."""

    shifts: dict[str, Shift] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    calendars: Mapping[str, dict[int, str]] = field(default_factory=dict)
    packs: Sequence[PolicyPack] = ()
    clocks: tuple[ClockCorrection, ...] = ()
    """What terminals' clocks were off; of two for one moment the first holds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides a person's workdays beside the punches. `rules` are in order and do not overlap."""

    zone: HomeZone
    rules: tuple[Rules, ...]
    shifts: dict[str, Shift] = field(default_factory=dict)
    holidays: dict[int, str] = field(default_factory=dict)
    leaves: tuple[Leave, ...] = ()
    corrections: tuple[Correction, ...] = ()
    approved_minutes: dict[int, int] = field(default_factory=dict)
    clocks: tuple[ClockCorrection, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """Days that are always computed together: an overtime period, cut where other rules begin."""

    first: int
    last: int
    begins: int
    """The first day of the overtime period, which may lie before other rules began to hold."""
    rules: Rules


def rules_of(
    first: int, last: int, assigned: Sequence[Assigned], roster: Sequence[Assignment], known: Catalogue
) -> tuple[Rules, ...]:
    """The rules of each day from `first` to `last`: of assignments that overlap, the one that begins last holds."""
    packs = [pack for pack in known.packs if any(pack.id == one.pack for one in assigned)]
    borders = {first, last + 1}
    for one in assigned:
        borders.update((one.first, one.last + 1))
    for pack in packs:
        borders.update((pack.valid_from, FAR if pack.valid_to is None else pack.valid_to + 1))
    days = sorted(day for day in borders if first <= day <= last + 1)
    return tuple(_rules(day, until - 1, assigned, roster, known, packs) for day, until in pairwise(days))


def holidays_of(rules: Iterable[Rules], known: Catalogue) -> dict[int, str]:
    """The holidays of the calendars, each on the days on which it is the person's."""
    return {
        day: name
        for one in rules
        for day, name in known.calendars.get(one.calendar or "", {}).items()
        if one.first <= day <= one.last
    }


def units(plan: Plan, first: int, last: int) -> Iterator[Unit]:
    """The units that hold a day from `first` to `last`, in order; each whole, also where it reaches beyond."""
    for rules in plan.rules:
        day = max(first, rules.first)
        while day <= min(last, rules.last):
            begins = period_of(rules.policy.overtime, day)
            ends = begins + rules.policy.overtime.period_days - 1
            unit = Unit(max(begins, rules.first), min(ends, rules.last), begins, rules)
            yield unit
            day = unit.last + 1


def workdays(plan: Plan, unit: Unit, punches: Iterable[GivenPunch], as_of: int) -> Iterator[Workday]:
    """The workdays of a unit up to the day of `as_of` (seconds), each from the punches within `MARGIN` days of it only.

    So what one unit amounts to is the same whether it is computed alone, with others or again.
    """
    given = inputs_of(plan, unit, punches, as_of)
    if given is not None:
        yield from evaluate(given).days


def inputs_of(plan: Plan, unit: Unit, punches: Iterable[GivenPunch], as_of: int) -> Inputs | None:
    """What decides the workdays of a unit, and nothing else; None as long as it has not begun at `as_of`."""
    last = min(unit.last, plan.zone.day(as_of // 60))
    if last < unit.first:
        return None
    opens, closes = seen(plan, unit)
    around = [one for one in plan.rules if one.last >= unit.begins - MARGIN and one.first <= unit.last + MARGIN]
    return Inputs(
        zone=plan.zone,
        first=unit.first,
        last=last,
        policy=around[0].policy,
        changes=tuple(PolicyChange(one.first, one.policy, one.label) for one in around[1:]),
        punches=tuple(one for one in punches if one.second is not None and opens <= one.second < closes),
        shifts=plan.shifts,
        schedule=_schedule(unit, around),
        holidays=plan.holidays,
        leaves=plan.leaves,
        clock_corrections=plan.clocks,
        corrections=tuple(
            one for one in plan.corrections if one.op != "add" or one.second is None or opens <= one.second < closes
        ),
        approved_minutes=plan.approved_minutes,
        as_of=as_of,
        pack=around[0].label,
    )


def seen(plan: Plan, unit: Unit) -> tuple[int, int]:
    """The first second whose punches a unit sees, and the one behind the last."""
    return plan.zone.minute(unit.begins - MARGIN, 0) * 60, plan.zone.minute(unit.last + MARGIN + 1, 0) * 60


def _schedule(unit: Unit, around: Sequence[Rules]) -> Schedule:
    """The schedule of a unit; where it meets other plans of fixed days, those hold on their own days."""
    mine = unit.rules.schedule
    if mine.mode != "assigned":
        return mine
    others = [one for one in around if one.schedule.mode == "assigned" and one.schedule != mine]
    rows = [
        Assignment(day, day, assigned_shifts(one.schedule, day))
        for one in others
        for day in range(max(one.first, unit.begins - _NEAR), min(one.last, unit.last + _NEAR) + 1)
    ]
    return replace(mine, assignments=(*mine.assignments, *rows))


def _rules(
    day: int,
    last: int,
    assigned: Iterable[Assigned],
    roster: Sequence[Assignment],
    known: Catalogue,
    packs: Sequence[PolicyPack],
) -> Rules:
    holding = [one for one in assigned if one.first <= day <= one.last]
    one = max(holding, key=lambda found: found.first, default=Assigned(day, last))
    pack = pack_in_force((pack for pack in packs if pack.id == one.pack), day)
    return Rules(
        first=day,
        last=last,
        label=pack.label if pack else PLAIN,
        policy=pack.policy if pack else Policy(),
        schedule=_rostered(known.schedules.get(one.schedule or "", Schedule()), roster, day, last),
        calendar=one.calendar,
    )


def _rostered(schedule: Schedule, roster: Sequence[Assignment], first: int, last: int) -> Schedule:
    """The schedule with a person's own days on top; with none below, those days are all there is."""
    near = tuple(row for row in roster if row.first <= last + _NEAR and row.last >= first - _NEAR)
    if not near or schedule.mode == "auto":
        return schedule
    return replace(schedule, mode="assigned", assignments=(*schedule.assignments, *near))
