"""Which tier every worked minute belongs to: one pass in time order, a run of equal minutes at a time (contract 12)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from biometric_flow.policy.breaks import Run, minutes_of
from biometric_flow.policy.fields import weekday
from biometric_flow.policy.rules import OVER_CAP, REGULAR, Ladder, Overtime, Policy
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import HomeZone


@dataclass(frozen=True, slots=True)
class DayWork:
    """The net worked minutes of one workday, in time order, and what kind of day it is."""

    day: int
    runs: Sequence[Run]
    scheduled: int
    is_holiday: bool
    is_rest: bool


@dataclass(slots=True)
class DayPay:
    """How a workday's minutes are paid."""

    tiers: dict[str, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    is_over_cap: bool = False

    @property
    def premium(self) -> int:
        """Minutes that are not regular."""
        return sum(minutes for tier, minutes in self.tiers.items() if tier != REGULAR)


@dataclass(frozen=True, slots=True)
class _Choice:
    tier: str
    counts: bool
    """Whether the minutes move the weekly counter."""
    lasts: int
    """For how many more minutes nothing changes."""
    reason: str


_FOREVER = 1 << 40


def period_of(rule: Overtime, day: int) -> int:
    """The first day of the overtime period of a day."""
    return day - (day - rule.anchor) % rule.period_days


def pay_days(days: Sequence[DayWork], policy_on: Callable[[int], Policy], zone: HomeZone) -> dict[int, DayPay]:
    """The pay of days in order, each by the policy in force on it.

    The counter of a period has the minutes of its earlier days as their own policy counted them.
    """
    counted: dict[int, int] = {}
    paid: dict[int, DayPay] = {}
    period, weekly = _FOREVER, 0
    of_period: list[DayWork] = []
    for work in days:
        policy = policy_on(work.day)
        if (first := period_of(policy.overtime, work.day)) != period:
            period, weekly = first, sum(minutes for day, minutes in counted.items() if day >= first)
            of_period = [one for one in days if first <= one.day < work.day]
        of_period.append(work)
        special, reason = _special(work, of_period, policy)
        after, paid[work.day] = _Pass(policy, zone, work, minutes_of(work.runs), special, reason).run(weekly)
        counted[work.day], weekly = after - weekly, after
    return paid


def _special(work: DayWork, days: Sequence[DayWork], policy: Policy) -> tuple[Ladder, str]:
    rule = policy.overtime
    if work.is_holiday and rule.holiday:
        return rule.holiday, "12.1 holiday"
    if work.is_rest and rule.rest:
        return rule.rest, "12.1 rest day"
    if ladder := rule.weekday.get(weekday(work.day), ()):
        return ladder, "12.1 weekday"
    if rule.seventh_day and _is_seventh(work, days, rule):
        return rule.seventh_day.tiers, "12.1 seventh day"
    return (), ""


def _is_seventh(work: DayWork, days: Iterable[DayWork], rule: Overtime) -> bool:
    if rule.period_days != 7 or (work.day - rule.anchor) % 7 != 6 or not rule.seventh_day:
        return False
    totals = [minutes_of(one.runs) for one in days]
    if len(totals) < 7 or not all(totals):
        return False
    exempt = rule.seventh_day.exempt_all_days_le
    return exempt is None or max(totals) > exempt


class _Pass:
    """One workday's pass."""

    def __init__(self, policy: Policy, zone: HomeZone, work: DayWork, total: int, special: Ladder, reason: str) -> None:
        self._policy = policy
        self._rule = policy.overtime
        self._zone = zone
        self._work = work
        self._special = _in_minutes(special, work.scheduled)
        self._special_reason = reason
        self._daily = self._daily_steps(total)
        self._weekly = _in_minutes(self._rule.weekly, work.scheduled)
        self._pay = DayPay()
        self._premium = 0

    def run(self, weekly: int) -> tuple[int, DayPay]:
        """The counter after the day, and its pay."""
        number = 0
        for run in self._work.runs:
            at = run.start
            while at < run.end:
                choice = self._choose(number, weekly, run.is_overtime)
                minutes = min(choice.lasts, run.end - at)
                self._book(choice, at, at + minutes)
                number += minutes
                at += minutes
                weekly += minutes if choice.counts else 0
        return weekly, self._pay

    def _daily_steps(self, total: int) -> list[tuple[int, str]]:
        steps = _in_minutes(self._rule.daily, self._work.scheduled)
        if steps and 0 < total - min(after for after, _ in steps) < self._rule.min_daily_ot_min:
            return []
        return steps

    def _choose(self, number: int, weekly: int, is_overtime: bool) -> _Choice:
        """The tier of minute `number` of the day when the weekly counter stands at `weekly`."""
        value = self._policy.multiplier
        tier, lasts = _reached(self._special, number)
        reason, is_special = self._special_reason, tier is not None
        if tier is None:
            tier, until = _reached(self._daily, number)
            lasts, reason = min(lasts, until), "12.2 daily"
        coded = self._policy.pairing.ot_code_tier
        if is_overtime and coded and value(coded) > value(tier or REGULAR):
            tier, reason, is_special = coded, "12.3 overtime key", False
        of_week, until = _reached(self._weekly, weekly)
        if of_week is not None and value(of_week) > value(tier or REGULAR):
            return _Choice(of_week, True, min(lasts, until), "12.4 weekly")
        if tier is None or tier == REGULAR:
            return _Choice(REGULAR, True, min(lasts, until), reason if tier else "")
        counts = is_special and self._rule.premium_counts_weekly
        return _Choice(tier, counts, min(lasts, until) if counts else lasts, reason)

    def _book(self, choice: _Choice, start: int, end: int) -> None:
        for tier, first, last in self._remapped(choice.tier, start, end):
            cap = self._rule.daily_cap_min
            within = last - first
            if tier != REGULAR and cap is not None:
                within = max(0, min(within, cap - self._premium))
            if tier != REGULAR:
                self._premium += last - first
            self._add(tier, within, choice.reason)
            if within < last - first:
                self._pay.is_over_cap = True
                self._add(OVER_CAP, last - first - within, "12.7 daily cap")

    def _remapped(self, tier: str, start: int, end: int) -> list[tuple[str, int, int]]:
        """The minutes with the names that the wall clock gives their tier; the first window that knows it decides."""
        left = [(start, end)]
        named: list[tuple[str, int, int]] = []
        for remap in self._rule.window_remap:
            if tier not in remap.map:
                continue
            outside: list[tuple[int, int]] = []
            for span in left:
                at = span[0]
                for first, last in self._zone.inside(span, remap.window):
                    if at < first:
                        outside.append((at, first))
                    named.append((remap.map[tier], first, last))
                    at = last
                if at < span[1]:
                    outside.append((at, span[1]))
            left = outside
        named.extend((tier, first, last) for first, last in left)
        return sorted(named, key=lambda part: part[1])

    def _add(self, tier: str, minutes: int, reason: str) -> None:
        if minutes:
            self._pay.tiers[tier] = self._pay.tiers.get(tier, 0) + minutes
            if reason:
                self._pay.steps.append(Step(reason, None, minutes, tier))


def _in_minutes(ladder: Ladder, scheduled: int) -> list[tuple[int, str]]:
    return [(scheduled if step.after is None else step.after, step.tier) for step in ladder]


def _reached(steps: Sequence[tuple[int, str]], number: int) -> tuple[str | None, int]:
    """The last entry whose step is reached, None below all; and for how many minutes it stays so."""
    tier, lasts = None, _FOREVER
    for after, name in steps:
        if number >= after:
            tier = name
        else:
            lasts = min(lasts, after - number)
    return tier, lasts
