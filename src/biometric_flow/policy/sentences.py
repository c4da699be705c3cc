"""Every rule of a policy as one plain sentence, made from the numbers themselves."""

from collections.abc import Iterator

from biometric_flow.policy.rules import REGULAR, AutoDeduct, Grid, Ladder, MealRule, Policy
from biometric_flow.policy.zones import clock_text

_PAIRING = {
    "alternating": "Punches alternate: in, out, in, out.",
    "first_last": "Work lasts from the first punch to the last, whatever is between.",
    "state": "The keys decide: check-in, check-out, breaks and overtime as pressed.",
    "state_first_last": "Work lasts from the first check-in to the last check-out.",
    "hybrid": "The keys decide where they make sense; otherwise punches alternate.",
}
_ATTRIBUTION = {
    "shift_start": "Work counts on the day on which the shift starts.",
    "split": "Every minute counts on its own day.",
    "shift_end": "Work counts on the day of its last minute.",
    "majority": "Work counts on the day that has most of its minutes.",
}
_MISSING_OUT = {
    "exception": "A missing check-out is reported and counts nothing.",
    "shift_end": "A missing check-out is taken to be the end of the shift, and reported.",
}


def hours(minutes: int) -> str:
    """Minutes as H:MM."""
    sign = "-" if minutes < 0 else ""
    return f"{sign}{abs(minutes) // 60}:{abs(minutes) % 60:02d}"


def sentences(policy: Policy) -> Iterator[tuple[str, str]]:
    """Field path and sentence, in the order in which the rules are applied."""
    yield "duplicate", _duplicates(policy)
    yield "pairing.mode", _PAIRING[policy.pairing.mode]
    missing = policy.missing
    yield (
        "missing.out",
        _MISSING_OUT.get(missing.out)
        or f"A missing check-out is taken to be {hours(missing.cap_min)} after the check-in.",
    )
    if missing.into == "shift_start":
        yield "missing.in", "A missing check-in is taken to be the start of the shift, and reported."
    if policy.snap:
        yield "snap", _snap(policy)
    yield from _roundings(policy)
    if policy.clamp_early_in:
        yield "clamp_early_in", "Time before the shift starts is not counted."
    if policy.clamp_late_out:
        yield "clamp_late_out", "Time after the shift ends is not counted."
    yield from _breaks(policy)
    yield "day_attribution", _ATTRIBUTION[policy.day_attribution]
    if policy.day_start:
        yield "day_start", f"A day begins at {clock_text(policy.day_start)}."
    yield from _punctuality(policy)
    yield from _overtime(policy)
    yield from _watched(policy)


def _duplicates(policy: Policy) -> str:
    rule = policy.duplicates
    if not rule.window_min:
        return "Only the very same record counts as read twice."
    same = " with the same key" if rule.by_code else ""
    return f"A punch{same} less than {rule.window_min} min after the last one that counted is dropped as read twice."


def _snap(policy: Policy) -> str:
    snap = policy.snap
    assert snap is not None
    return (
        f"A check-in from {snap.in_before} min before to {snap.in_after} min after the start counts as the start; a"
        f" check-out from {snap.out_before} min before to {snap.out_after} min after the end counts as the end."
    )


def _roundings(policy: Policy) -> Iterator[tuple[str, str]]:
    rounding = policy.rounding
    which = "The first check-in and the last check-out" if rounding.is_outer else "Every check-in and check-out"
    if rounding.into and rounding.into == rounding.out:
        yield "rounding.in", f"{which} is rounded {_grid(rounding.into)}."
    else:
        if rounding.into:
            yield "rounding.in", f"The time of a check-in is rounded {_grid(rounding.into)}."
        if rounding.out:
            yield "rounding.out", f"The time of a check-out is rounded {_grid(rounding.out)}."
    if rounding.total:
        yield "rounding.total", f"The minutes of a day are rounded {_grid(rounding.total)}."


def _grid(grid: Grid) -> str:
    way = {"nearest": "to the nearest", "up": "up to the next", "down": "down to the last"}[grid.mode]
    forgiven = f", {grid.grace} min forgiven" if grid.grace and grid.mode != "nearest" else ""
    return f"{way} {grid.interval} minutes{forgiven}"


def _breaks(policy: Policy) -> Iterator[tuple[str, str]]:
    gap = policy.breaks.paid_gap
    if gap and gap.is_credit:
        yield "breaks.paid_gap", f"The first {gap.max_min} min of every break are paid."
    elif gap:
        yield "breaks.paid_gap", f"A break of at most {gap.max_min} min is paid; a longer one is not."
    for index, (start, end) in enumerate(policy.breaks.windows):
        yield f"breaks.windows[{index}]", f"From {clock_text(start)} to {clock_text(end)} nothing is paid."
    for index, rule in enumerate(policy.breaks.auto_deduct):
        yield f"breaks.auto_deduct[{index}]", _deduct(rule)
    for index, meal in enumerate(policy.meal_penalty):
        yield f"meal_penalty[{index}]", _meal(index + 1, meal)


def _deduct(rule: AutoDeduct) -> str:
    reach = "From" if rule.is_inclusive else "Over"
    how = {
        "always": f"{rule.deduct_min} min are deducted as a break",
        "top_up": f"breaks are topped up to {rule.deduct_min} min",
        "unless_punched": f"{rule.deduct_min} min are deducted if no break was punched",
    }[rule.mode]
    floored = f", but never below {hours(rule.after_min)}" if rule.is_floored else ""
    return f"{reach} {hours(rule.after_min)} of work {how}{floored}."


def _meal(number: int, rule: MealRule) -> str:
    waived = ""
    if rule.is_waived and rule.waive_if_total_le is not None:
        waived = f" It is waived up to {hours(rule.waive_if_total_le)} of work."
    return (
        f"Over {hours(rule.if_work_over_min)} of work, meal {number} of at least {rule.min_meal_min} min must begin"
        f" within {hours(rule.start_within_work_min)} of work, or a penalty is owed.{waived}"
    )


def _punctuality(policy: Policy) -> Iterator[tuple[str, str]]:
    rule = policy.lateness
    counted = "only the minutes beyond count" if rule.counts_excess else "then all minutes count"
    late, early = f"up to {rule.grace_in_min} min late", f"up to {rule.grace_out_min} min early"
    words = f"Coming {late} is on time; {counted}." if rule.grace_in_min else "Every minute after the start is late."
    yield "grace_in_min", words
    words = (
        f"Leaving {early} is forgiven; {counted}." if rule.grace_out_min else "Every minute before the end is early."
    )
    yield "grace_out_min", words
    if policy.absent_below_min:
        yield "thresholds.absent_below_min", f"Less than {hours(policy.absent_below_min)} of work is an absence."
    if policy.half_day_below_min:
        yield "thresholds.half_day_below_min", f"Less than {hours(policy.half_day_below_min)} of work is half a day."


def _overtime(policy: Policy) -> Iterator[tuple[str, str]]:
    rule = policy.overtime
    yield from _ladder("overtime.daily", "of a day", rule.daily, policy)
    yield from _ladder("overtime.weekly", "of a week" if rule.period_days == 7 else "of a period", rule.weekly, policy)
    yield from _ladder("overtime.day_tiers.holiday", "of a holiday", rule.holiday, policy)
    yield from _ladder("overtime.day_tiers.rest", "of a rest day", rule.rest, policy)
    for number, ladder in sorted(rule.weekday.items()):
        yield from _ladder(f"overtime.day_tiers.weekday.{number}", f"of weekday {number}", ladder, policy)
    if rule.seventh_day:
        yield from _ladder("overtime.seventh_day.tiers", "of the seventh day worked", rule.seventh_day.tiers, policy)
    if policy.pairing.ot_code_tier:
        yield "pairing.ot_code_tier", f"Work begun with the overtime key is at least {policy.pairing.ot_code_tier}."
    for index, remap in enumerate(rule.window_remap):
        start, end = map(clock_text, remap.window)
        for before, after in remap.map.items():
            yield (
                f"overtime.window_remap[{index}]",
                f"From {start} to {end} {before} is paid as {_tier(after, policy)}.",
            )
    if rule.min_daily_ot_min:
        yield "overtime.min_daily_ot_min", f"Daily overtime under {rule.min_daily_ot_min} min is no overtime."
    if rule.daily_cap_min is not None:
        yield "overtime.daily_cap_min", f"Overtime beyond {hours(rule.daily_cap_min)} a day is shown as over the cap."
    if rule.approval_required:
        yield "overtime.approval_required", "Overtime waits for approval; it is never removed."


def _ladder(path: str, of: str, ladder: Ladder, policy: Policy) -> Iterator[tuple[str, str]]:
    for index, step in enumerate(ladder):
        after = "the scheduled hours" if step.after is None else hours(step.after)
        yield f"{path}[{index}]", f"Work {of} after {after} is paid as {_tier(step.tier, policy)}."


def _tier(tier: str, policy: Policy) -> str:
    return tier if tier == REGULAR else f"{tier} ({policy.multiplier(tier):g} times)"


def _watched(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.night:
        start, end = map(clock_text, policy.night.window)
        least = f", if at least {policy.night.min_minutes} min" if policy.night.min_minutes else ""
        yield "night", f"Work from {start} to {end} is night work{least}."
    rule = policy.compliance
    if rule.daily_rest_min is not None:
        yield (
            "compliance.daily_rest_min",
            f"Less than {hours(rule.daily_rest_min)} of rest between two days is reported.",
        )
    if rule.max_span_min is not None:
        yield "compliance.max_span_min", f"More than {hours(rule.max_span_min)} from first in to last out is reported."
    if rule.max_consecutive_min is not None:
        longest = hours(rule.max_consecutive_min)
        words = f"More than {longest} in a row without a break of {rule.break_min_len} min is reported."
        yield "compliance.max_consecutive_min", words
    if policy.credits_holiday:
        yield "holiday.credit", "A holiday is credited with the minutes that were scheduled."
