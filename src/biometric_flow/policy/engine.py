"""`evaluate`: one person's punches, plan and policy in, workdays with their trace out. No clock, no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from biometric_flow.policy.assembly import DayParts, assemble
from biometric_flow.policy.attribution import Attribution, Group, detector
from biometric_flow.policy.breaks import Run, minutes_of
from biometric_flow.policy.duplicates import KeptPunch, keep
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.instants import Touch, touches
from biometric_flow.policy.locks import Adjustment, adjustments, locked_day
from biometric_flow.policy.overtime import DayPay, DayWork, pay_days, period_of
from biometric_flow.policy.rounding import round_to
from biometric_flow.policy.rules import Grid
from biometric_flow.policy.schedules import assigned_shifts, instance, is_rest_day
from biometric_flow.policy.sessions import Worked, attributed, work_out
from biometric_flow.policy.trace import Step
from biometric_flow.policy.workdays import Workday

REACH = 3
"""Days: a shift of at most one that begins within its day, and claims for one more, is no further from a punch."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The workdays of the range in order, what changed after locks, and the sums."""

    days: tuple[Workday, ...]
    adjustments: tuple[Adjustment, ...]

    @property
    def worked(self) -> int:
        """Worked minutes of the range."""
        return sum(day.worked for day in self.days)

    @property
    def pay(self) -> dict[str, int]:
        """Minutes of the range by tier."""
        total: dict[str, int] = {}
        for day in self.days:
            for tier, minutes in day.pay.items():
                total[tier] = total.get(tier, 0) + minutes
        return total


def evaluate(given: Inputs) -> Evaluation:
    """All workdays of the range. The order in which punches arrived changes nothing (but between equal instants)."""
    now = _workdays(given, None)
    if not given.periods:
        return Evaluation(tuple(now), ())
    then = {lock: _workdays(given, lock) for lock in {period.locked for period in given.periods}}
    shown: list[Workday] = []
    changed: list[Adjustment] = []
    for index, day in enumerate(now):
        lock = locked_day(given.periods, day.day)
        if lock is None:
            shown.append(day)
            continue
        shown.append(then[lock][index])
        changed.extend(adjustments(then[lock][index], day))
    return Evaluation(tuple(shown), tuple(changed))


def attribute(given: Inputs) -> list[Group]:
    """Which punches belong together, and to which shift; groups without punches too."""
    found, _ = touches(given)
    kept = _kept(found, given)
    return _groups(given, kept, _days(given, kept))


def _workdays(given: Inputs, known_at: int | None) -> list[Workday]:
    found, voided = touches(given, known_at)
    kept = _kept(found, given)
    days = _days(given, kept)
    half_leaves = {leave.day: leave.kind for leave in given.leaves if leave.kind in ("first_half", "second_half")}
    half_leaves = {day: kind for day, kind in half_leaves.items() if day not in given.holidays}
    worked = [work_out(group, given.on(group.day), half_leaves.get(group.day)) for group in _groups(given, kept, days)]
    parts = _by_day(given, worked, voided)
    pay = _pay(given, parts)
    return assemble(given, parts, pay)


def _kept(found: Sequence[Touch], given: Inputs) -> list[KeptPunch]:
    """The punches that count. Where the policy changes nothing is compared across the border of the day."""
    if not given.changes:
        return keep(found, given.policy.duplicates)
    versions: dict[int, list[Touch]] = {}
    for touch in sorted(found, key=lambda one: one.second):
        day = given.zone.day(touch.second // 60)
        versions.setdefault(sum(change.since <= day for change in given.changes), []).append(touch)
    rules = [given.policy, *(change.policy for change in given.changes)]
    return [punch for version in sorted(versions) for punch in keep(versions[version], rules[version].duplicates)]


def _days(given: Inputs, kept: Sequence[KeptPunch]) -> list[int]:
    """The days of the range and those whose shifts may claim a punch."""
    near = set(range(given.first, given.last + 1))
    for day in {given.zone.day(punch.minute) for punch in kept}:
        near.update(range(day - REACH, day + REACH + 1))
    return sorted(near)


def _groups(given: Inputs, kept: Iterable[KeptPunch], days: Iterable[int]) -> list[Group]:
    planned = [
        instance(given.shifts[name], day, given.zone, given.policy_on(day).window)
        for day in days
        for name in assigned_shifts(given.schedule, day)
    ]
    attribution = Attribution(given.zone, given.policy, planned)
    detect = None
    if given.schedule.mode == "auto":
        detect = detector(given.schedule, given.shifts, given.policy_on, given.zone)
    for punch in kept:
        if given.changes:
            attribution.follow(given.policy_on(given.zone.day(punch.minute)))
        if detect:
            attribution.place_detecting(punch, detect)
        else:
            attribution.place(punch)
    return attribution.groups


def _by_day(given: Inputs, all_worked: Iterable[Worked], voided: Iterable[Touch]) -> dict[int, DayParts]:
    parts: dict[int, DayParts] = {}
    for worked in all_worked:
        policy = given.policy_on(worked.day)
        for day, runs in attributed(worked, policy.day_attribution, policy.day_start, given.zone):
            parts.setdefault(day, DayParts()).runs.extend(runs)
        parts.setdefault(worked.day, DayParts()).groups.append(worked)
    for touch in voided:
        parts.setdefault(given.zone.day(touch.second // 60), DayParts()).steps.extend(touch.notes)
    for number, one in parts.items():
        one.runs.sort(key=lambda run: run.start)
        one.groups.sort(key=lambda worked: worked.first_in or worked.last_out or 0)
        _round_total(given.policy_on(number).rounding.total, one)
    return parts


def _round_total(grid: Grid | None, parts: DayParts) -> None:
    """Round the workday's minutes; they are cut from or appended to its end (contract 8.7)."""
    before = minutes_of(parts.runs)
    if not grid or not before:
        return
    change = max(0, round_to(grid, before)) - before
    if not change:
        return
    parts.steps.append(Step("8.7 rounding.total", before, before + change))
    parts.rounding = change
    if change > 0:
        last = parts.runs[-1]
        parts.runs[-1] = Run(last.start, last.end + change, last.is_overtime)
    while change < 0:
        last = parts.runs.pop()
        change += last.end - last.start
        if change > 0:
            parts.runs.append(Run(last.start, last.start + change, last.is_overtime))


def _pay(given: Inputs, parts: dict[int, DayParts]) -> dict[int, DayPay]:
    """The pay of the range; the days before it that share an overtime period with it count towards it."""
    starts = {given.first, *(change.since for change in given.changes if given.first < change.since <= given.last)}
    first = min(period_of(given.policy_on(day).overtime, day) for day in starts)
    days: list[DayWork] = []
    for day in sorted(parts):
        if first <= day <= given.last and parts[day].runs:
            is_holiday = day in given.holidays
            scheduled = 0 if is_holiday else parts[day].planned
            days.append(DayWork(day, parts[day].runs, scheduled, is_holiday, is_rest_day(given.schedule, day)))
    return pay_days(days, given.policy_on, given.zone)
