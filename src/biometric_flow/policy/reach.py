"""Which workdays can change when punches change: what has to be evaluated again, and little beyond.

Attribution is one pass in time order, so nothing before a change feels it but the groups it may join. After it the pass
forgets: a punch that one shift alone claims, and clearly, goes there whatever happened before.
"""

from collections.abc import Iterable, Sequence

from biometric_flow.policy.attribution import CODED_MODES, IN_CODES, OUT_CODES, Group, is_nearer_end
from biometric_flow.policy.duplicates import KeptPunch
from biometric_flow.policy.engine import REACH, attribute
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.instants import Touch, touches
from biometric_flow.policy.overtime import period_of
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.schedules import Instance, assigned_shifts, instance
from biometric_flow.policy.zones import DAY, HomeZone, Span


def dates_that_can_change(given: Inputs, since: int, until: int) -> Span:
    """First and last day whose workday can differ when punches between two seconds (both included) came, went or moved.

    `given` is how things stand after the change; its range does not matter. It needs the punches until a quiet day
    after the change, as `evaluate` does. For a change of a day's plan ask from three days before it to three after.
    """
    zone, begins, ends = given.zone, since // 60, until // 60
    found, _ = touches(given)
    later = sorted((touch for touch in found if touch.second > until), key=lambda touch: touch.second)
    days = {zone.day(minute) for minute in (begins, ends, *(touch.second // 60 for touch in later))}
    frontier = _Walk(given, _instances(given, days), until).over(later)
    touched = [plan for plan in _instances(given, days) if plan.opens <= frontier and plan.closes >= begins]
    day = zone.day(begins) - bool(given.policy_on(zone.day(begins)).day_start)
    joined = [group.day for group in attribute(given) if _may_gain(group, begins, given)]
    first = min([day, *joined, *(plan.day for plan in touched)])
    last = max(_last_day(frontier, touched, given.policy_on(zone.day(frontier)), zone), first)
    last = max(last, _rested(frontier, later, given))
    return first, _end_of_period(given, last)


class _Walk:
    """The pass after the change, over punches of which some are known to go where they go in any case."""

    def __init__(self, given: Inputs, plans: Iterable[Instance], until: int) -> None:
        self._given = given
        self._groups = [Group(plan.day, plan) for plan in plans]
        self._second = until
        self._frontier = until // 60
        """The last minute at which anything can be different."""

    def over(self, later: Sequence[Touch]) -> int:
        """The minute after which nothing can be different."""
        for touch in later:
            minute = touch.second // 60
            policy = self._given.policy_on(self._given.zone.day(minute))
            claiming = [group for group in self._groups if group.plan and group.plan.claims(minute)]
            if self._is_quiet(minute, policy, claiming):
                break
            certain = self._certain(touch, policy, claiming)
            if certain:
                certain.take(KeptPunch(touch.id, minute, touch.code), "")
            else:
                self._frontier = minute
            self._second = touch.second
        return self._frontier

    def _is_quiet(self, minute: int, policy: Policy, claiming: Iterable[Group]) -> bool:
        zone, frontier = self._given.zone, self._frontier
        if minute - frontier <= max(policy.max_session_min, policy.new_shift_gap_min, policy.duplicates.window_min):
            return False
        is_other_date = zone.day(minute) - (zone.wall(minute) % DAY < policy.day_start) > zone.day(frontier)
        return is_other_date and all(group.plan and group.plan.opens > frontier for group in claiming)

    def _certain(self, touch: Touch, policy: Policy, claiming: Sequence[Group]) -> Group | None:
        """The group that takes the punch whatever was before; None when that depends."""
        if len(claiming) != 1 or touch.second - self._second < max(1, policy.duplicates.window_min * 60):
            return None
        only, minute, mode = claiming[0], touch.second // 60, policy.pairing.mode
        if only.plan is None or only.plan.opens <= self._frontier:
            return None
        is_coded = mode in CODED_MODES
        if is_coded and touch.code in OUT_CODES:
            is_certain = only.is_open(mode)
        elif self._given.schedule.mode == "auto":
            is_certain = bool(only.punches) or minute <= only.plan.start + only.plan.shift.detect_after_min
        else:
            is_in = is_coded and touch.code in IN_CODES
            is_certain = is_in or bool(only.punches) or not is_nearer_end(only.plan, minute)
        return only if is_certain else None


def _instances(given: Inputs, days: Iterable[int]) -> list[Instance]:
    """Every shift that may claim a punch of those days; in mode `auto` all that could be detected."""
    near = sorted({near for day in days for near in range(day - REACH, day + REACH + 1)})
    names = given.schedule.auto if given.schedule.mode == "auto" else None
    return [
        instance(given.shifts[name], day, given.zone, given.policy_on(day).window)
        for day in near
        for name in dict.fromkeys(assigned_shifts(given.schedule, day) if names is None else names)
    ]


def _may_gain(group: Group, begins: int, given: Inputs) -> bool:
    """Whether a punch at that minute or later may join a group of earlier punches, or may have left it."""
    policy = given.policy_on(given.zone.day(begins))
    reach = max(policy.max_session_min, policy.new_shift_gap_min, policy.duplicates.window_min)
    before = [punch.minute for punch in group.punches if punch.minute <= begins]
    return bool(before) and begins - before[-1] <= reach


def _last_day(frontier: int, touched: Iterable[Instance], policy: Policy, zone: HomeZone) -> int:
    last = max([zone.day(frontier), *(plan.day for plan in touched)])
    if policy.day_attribution == "shift_start":
        return last
    filled = max([frontier, *(plan.end for plan in touched)]) + policy.missing.cap_min
    return max(last, zone.day(filled) + 1)


def _rested(frontier: int, later: Iterable[Touch], given: Inputs) -> int:
    """The last day whose rest before it may have changed."""
    limit = given.policy_on(given.zone.day(frontier)).compliance.daily_rest_min
    if limit is None or not any(frontier < touch.second // 60 <= frontier + limit for touch in later):
        return -(1 << 40)
    return given.zone.day(frontier + limit) + 1


def _end_of_period(given: Inputs, last: int) -> int:
    """Hours of the week move the overtime of the days after them in the same period."""
    ends = [last]
    for since, policy in ((last, given.policy_on(last)), *((one.since, one.policy) for one in given.changes)):
        rule = policy.overtime
        begins = period_of(rule, max(last, since))
        if begins <= last and (rule.weekly or rule.seventh_day):
            ends.append(begins + rule.period_days - 1)
    return max(ends)
