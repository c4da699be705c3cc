"""The overtime pass for all people at once: as many minutes at a time as nothing changes (contract 12)."""

from dataclasses import dataclass, field

import numpy as np

from biometric_flow.policy.columns.arrays import BIG, Bools, Ints
from biometric_flow.policy.fields import weekday
from biometric_flow.policy.overtime import period_of
from biometric_flow.policy.rules import OVER_CAP, REGULAR, Ladder, Policy


@dataclass(frozen=True, slots=True)
class Days:
    """What the pass has to know; rows are people, columns are days from `first` on."""

    first: int
    worked: Ints
    scheduled: Ints
    is_holiday: Bools
    is_rest: Bools


@dataclass(slots=True)
class Pay:
    """Minutes by tier, of the same shape as the days; and what is not regular."""

    shape: tuple[int, int]
    tiers: dict[str, Ints] = field(default_factory=dict)

    def add(self, tier: str, day: int, minutes: Ints) -> None:
        """Book minutes of one day."""
        if minutes.any():
            if tier not in self.tiers:
                self.tiers[tier] = np.zeros(self.shape, np.int64)
            self.tiers[tier][:, day] += minutes

    @property
    def premium(self) -> Ints:
        """Minutes that are not regular."""
        return sum((minutes for tier, minutes in self.tiers.items() if tier != REGULAR), np.zeros(self.shape, np.int64))


def pay(days: Days, since: int, last: int, policy: Policy) -> Pay:
    """The pay of every day from `since`, the first day of an overtime period, to `last`."""
    counted = Pay(days.worked.shape)
    names = [REGULAR, *(tier for tier in policy.tiers if tier != REGULAR)]
    weekly = np.zeros(len(days.worked), np.int64)
    for index in range(since - days.first, last - days.first + 1):
        day = days.first + index
        if period_of(policy.overtime, day) == day:
            weekly = np.zeros(len(days.worked), np.int64)
        if days.worked[:, index].any():
            weekly = _Pass(days, index, policy, names).run(weekly, counted)
    return counted


class _Pass:
    """One day of all people."""

    def __init__(self, days: Days, index: int, policy: Policy, names: list[str]) -> None:
        self._rule, self._policy, self._names = policy.overtime, policy, names
        self._worth = np.array([policy.multiplier(name) for name in names])
        self._index = index
        self._total = days.worked[:, index]
        self._scheduled = days.scheduled[:, index]
        self._specials = self._special_ladders(days)
        self._has_daily = self._counts_daily()

    def run(self, weekly: Ints, pay: Pay) -> Ints:
        """Book the day in `pay`; the weekly counter after it."""
        number, premium = np.zeros_like(self._total), np.zeros_like(self._total)
        cap = self._rule.daily_cap_min
        while (number < self._total).any():
            tier, counts, lasts = self._choose(number, weekly)
            minutes = np.minimum(lasts, self._total - number)
            for place in np.unique(tier[minutes > 0]):
                its = np.where(tier == place, minutes, 0)
                if place and cap is not None:
                    within = np.clip(cap - premium, 0, its)
                    pay.add(OVER_CAP, self._index, its - within)
                    premium = premium + its
                    its = within
                pay.add(self._names[place], self._index, its)
            number, weekly = number + minutes, weekly + np.where(counts, minutes, 0)
        return weekly

    def _choose(self, number: Ints, weekly: Ints) -> tuple[Ints, Bools, Ints]:
        """By person the tier of the next minute, whether it moves the weekly counter, how long it stays so."""
        tier, lasts = np.full_like(number, -1), np.full_like(number, BIG)
        for ladder, chosen in self._specials:
            its, stays = self._reached(ladder, number)
            tier, lasts = np.where(chosen, its, tier), np.where(chosen, stays, lasts)
        is_special = tier >= 0
        its, stays = self._reached(self._rule.daily, number)
        its, stays = np.where(self._has_daily, its, -1), np.where(self._has_daily, stays, BIG)
        lasts = np.where(is_special, lasts, np.minimum(lasts, stays))
        tier = np.where(is_special, tier, its)
        of_week, until = self._reached(self._rule.weekly, weekly)
        by_week = (of_week >= 0) & (self._worth[of_week] > self._worth[np.maximum(tier, 0)])
        tier = np.maximum(np.where(by_week, of_week, tier), 0)
        counts = by_week | (tier == 0)
        if self._rule.premium_counts_weekly:
            counts |= is_special
        return tier, counts, np.where(counts, np.minimum(lasts, until), lasts)

    def _reached(self, ladder: Ladder, number: Ints) -> tuple[Ints, Ints]:
        """The last entry whose step is reached, -1 below all; and for how many minutes it stays so."""
        tier, lasts = np.full_like(number, -1), np.full_like(number, BIG)
        for step in ladder:
            after = self._scheduled if step.after is None else step.after
            reached = number >= after
            tier = np.where(reached, self._names.index(step.tier), tier)
            lasts = np.where(reached, lasts, np.minimum(lasts, after - number))
        return tier, lasts

    def _counts_daily(self) -> Bools:
        steps = [self._scheduled if step.after is None else step.after for step in self._rule.daily]
        if not steps:
            return np.zeros(len(self._total), np.bool_)
        beyond = self._total - np.minimum.reduce(np.broadcast_arrays(*steps, self._total * 0 + BIG))
        counts: Bools = (beyond <= 0) | (beyond >= self._rule.min_daily_ot_min)
        return counts

    def _special_ladders(self, days: Days) -> list[tuple[Ladder, Bools]]:
        """The ladders that replace the daily one, each with the people it is for today."""
        rule, index = self._rule, self._index
        day = days.first + index
        left = np.ones(len(self._total), np.bool_)
        found: list[tuple[Ladder, Bools]] = []
        for ladder, holds in (
            (rule.holiday, days.is_holiday[:, index]),
            (rule.rest, days.is_rest[:, index]),
            (rule.weekday.get(weekday(day), ()), left),
            (rule.seventh_day.tiers if rule.seventh_day else (), self._is_seventh(days, day)),
        ):
            if ladder:
                found.append((ladder, holds & left))
                left = left & ~holds
        return found

    def _is_seventh(self, days: Days, day: int) -> Bools:
        rule, index = self._rule, self._index
        nobody = np.zeros(len(self._total), np.bool_)
        if not rule.seventh_day or rule.period_days != 7 or (day - rule.anchor) % 7 != 6:
            return nobody
        week = days.worked[:, index - 6 : index + 1]
        exempt = rule.seventh_day.exempt_all_days_le
        found: Bools = np.asarray((week > 0).all(axis=1))
        return found if exempt is None else found & (week.max(axis=1) > exempt)
