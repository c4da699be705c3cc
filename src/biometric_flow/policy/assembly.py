"""A day's parts into its workday: sums, leave, night, flags, status (contract 10, 11 and 13)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from biometric_flow.policy.breaks import Run, minutes_of
from biometric_flow.policy.inputs import Inputs, Leave
from biometric_flow.policy.irregularities import DayFacts, compliance_flags, status
from biometric_flow.policy.overtime import DayPay
from biometric_flow.policy.schedules import is_rest_day
from biometric_flow.policy.sessions import Worked
from biometric_flow.policy.trace import Step
from biometric_flow.policy.workdays import Workday


@dataclass(slots=True)
class DayParts:
    """What belongs to one day: its groups, its net minutes, and what happened to the day as a whole."""

    groups: list[Worked] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rounding: int = 0

    @property
    def planned(self) -> int:
        """Scheduled minutes of its shifts, holiday or not."""
        return sum(group.plan.scheduled for group in self.groups if group.plan)

    @property
    def first_in(self) -> int | None:
        """The day's first IN."""
        return min((group.first_in for group in self.groups if group.first_in is not None), default=None)

    @property
    def last_out(self) -> int | None:
        """The day's last OUT."""
        return max((group.last_out for group in self.groups if group.last_out is not None), default=None)


_NO_PAY = DayPay()


def assemble(given: Inputs, parts: Mapping[int, DayParts], pay: Mapping[int, DayPay]) -> list[Workday]:
    """The workdays of the range, in order."""
    short_rests = _short_rests(given, parts)
    leaves: dict[int, list[Leave]] = {}
    for leave in given.leaves:
        leaves.setdefault(leave.day, []).append(leave)
    return [
        _workday(
            given.on(day),
            day,
            parts.get(day) or DayParts(),
            pay.get(day, _NO_PAY),
            leaves.get(day, []) if day not in given.holidays else [],
            day in short_rests,
        )
        for day in range(given.first, given.last + 1)
    ]


def _workday(
    given: Inputs, day: int, parts: DayParts, pay: DayPay, leaves: list[Leave], has_short_rest: bool
) -> Workday:
    is_holiday = day in given.holidays
    worked = minutes_of(parts.runs)
    scheduled = 0 if is_holiday else parts.planned
    leave = sum(leave_minutes(one, scheduled) for one in leaves)
    facts = DayFacts(
        worked=worked,
        scheduled=scheduled,
        is_holiday=is_holiday,
        is_rest=is_rest_day(given.schedule, day),
        has_shift=any(group.plan for group in parts.groups),
        has_punches=any(group.has_punches for group in parts.groups),
        on_full_leave=any(one.kind == "full" for one in leaves),
        irregularities=set().union(*(group.irregularities for group in parts.groups)),
        closes=max((group.plan.closes for group in parts.groups if group.plan), default=None),
    )
    facts.irregularities |= _flags(given, parts, pay, facts, has_short_rest)
    approved, pending = _approved(given, day, pay)
    owes_meal = any(group.owes_meal for group in parts.groups)
    night = _night(given, parts)
    result = status(facts, given.policy, given.as_of)
    return Workday(
        day=day,
        status=result,
        worked=worked,
        pay=pay.tiers,
        scheduled=scheduled,
        leave=leave,
        short=max(0, scheduled - worked - leave),
        late=sum(group.late for group in parts.groups),
        early_out=sum(group.early for group in parts.groups),
        unpaid_break=sum(group.unpaid for group in parts.groups),
        night=night,
        meal_penalty=int(owes_meal),
        irregularities=tuple(sorted(facts.irregularities)),
        ot_approved=approved,
        ot_pending=pending,
        holiday_credit=parts.planned if is_holiday and given.policy.credits_holiday else 0,
        gross=sum(group.gross for group in parts.groups),
        rounding=sum(group.rounding for group in parts.groups) + parts.rounding,
        runs=tuple(parts.runs),
        pack=given.pack,
        trace=_trace(parts, pay, owes_meal, night, result),
    )


def leave_minutes(leave: Leave, scheduled: int) -> int:
    """How many of the scheduled minutes a leave covers; the halves of an odd day add up to the whole."""
    match leave.kind:
        case "full":
            return scheduled
        case "first_half":
            return scheduled // 2
        case "second_half":
            return scheduled - scheduled // 2
        case _:
            return leave.minutes


def _flags(given: Inputs, parts: DayParts, pay: DayPay, facts: DayFacts, has_short_rest: bool) -> set[str]:
    flags: set[str] = set()
    if pay.is_over_cap:
        flags.add("OT_CAP")
    if has_short_rest:
        flags.add("REST_SHORT")
    if facts.on_full_leave and facts.worked:
        flags.add("WORKED_ON_LEAVE")
    first_in = parts.first_in
    if first_in is not None:
        pieces = [piece for group in parts.groups for piece in group.pieces]
        flags |= compliance_flags(given.policy.compliance, pieces, first_in, parts.last_out)
    return flags


def _short_rests(given: Inputs, parts: Mapping[int, DayParts]) -> set[int]:
    """Days whose first IN is sooner after the last OUT of the worked day before than the rest that is due."""
    short: set[int] = set()
    left: int | None = None
    for day in sorted(parts):
        limit, came = given.policy_on(day).compliance.daily_rest_min, parts[day].first_in
        if limit is not None and came is not None and left is not None and came - left < limit:
            short.add(day)
        if any(group.pieces for group in parts[day].groups):
            left = parts[day].last_out
    return short


def _approved(given: Inputs, day: int, pay: DayPay) -> tuple[int, int]:
    if not given.policy.overtime.approval_required:
        return 0, 0
    approved = min(pay.premium, given.approved_minutes.get(day, 0))
    return approved, pay.premium - approved


def _night(given: Inputs, parts: DayParts) -> int:
    rule = given.policy.night
    if rule is None:
        return 0
    minutes = sum(
        end - start for run in parts.runs for start, end in given.zone.inside((run.start, run.end), rule.window)
    )
    return minutes if minutes >= rule.min_minutes else 0


def _trace(parts: DayParts, pay: DayPay, owes_meal: bool, night: int, result: str) -> tuple[Step, ...]:
    steps = [step for group in parts.groups for step in group.steps]
    steps += parts.steps
    if owes_meal:
        steps.append(Step("9.5 meal_penalty", None, 1))
    steps += pay.steps
    if night:
        steps.append(Step("13 night", None, night))
    steps.append(Step("11 status", None, result))
    return tuple(steps)
