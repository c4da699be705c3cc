"""An independent slow calculator: every minute by itself, wall clocks from datetime, rules straight from the document.

It knows unscheduled work of alternating punches that stays within its date, and day attribution `shift_start`.
"""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

Day = list[tuple[datetime, datetime]]
"""Ins and outs in UTC, in order, on whole minutes."""


def weeks(days: dict[str, Day], policy: dict[str, Any], zone: ZoneInfo) -> dict[str, dict[str, Any]]:
    """Worked, pay, break and night of every date (ISO); weeks begin on Monday."""
    counted, result = {}, {}
    for date, pairs in sorted(days.items()):
        monday = datetime.fromisoformat(date) - timedelta(datetime.fromisoformat(date).isoweekday() - 1)
        minutes, unpaid = _worked(pairs, policy, zone)
        pay, moved = _pay(minutes, policy, zone, counted.get(monday, 0))
        counted[monday] = counted.get(monday, 0) + moved
        result[date] = {"worked": len(minutes), "pay": pay, "break": unpaid, "night": _night(minutes, policy, zone)}
    return result


def _worked(pairs: Day, policy: dict[str, Any], zone: ZoneInfo) -> tuple[list[datetime], int]:
    gap = policy.get("breaks", {}).get("paid_gap")
    merged: list[list[datetime]] = []
    for start, end in pairs:
        if merged and gap and start - merged[-1][1] <= timedelta(minutes=gap["max_min"]):
            merged[-1][1] = end
        else:
            merged.append([start, end])
    rounding = policy.get("rounding", {})
    minutes: set[datetime] = set()
    for start, end in merged:
        first = _rounded(start, rounding.get("in"), zone)
        last = _rounded(end, rounding.get("out"), zone)
        while first < last:
            minutes.add(first)
            first += timedelta(minutes=1)
    if not minutes:
        return [], 0
    unpaid = int((max(minutes) - min(minutes)).total_seconds()) // 60 + 1 - len(minutes)
    gaps = unpaid
    for window in policy.get("breaks", {}).get("windows", ()):
        taken = {minute for minute in minutes if _inside(minute, window, zone)}
        minutes -= taken
        unpaid += len(taken)
    left = sorted(minutes)
    kept = _deducted(left, policy.get("breaks", {}).get("auto_deduct", ()), gaps)
    unpaid += len(left) - len(kept)
    return _total(kept, rounding.get("total")), unpaid


def _deducted(minutes: list[datetime], rules: Any, gaps: int) -> list[datetime]:
    applying = [rule for rule in rules if len(minutes) > rule["after_min"]]
    if not applying:
        return minutes
    rule = sorted(applying, key=lambda one: one["after_min"])[-1]
    amount = rule["deduct_min"]
    if rule["mode"] == "top_up":
        amount = max(0, amount - gaps)
    elif rule["mode"] == "unless_punched" and gaps:
        amount = 0
    amount = min(amount, len(minutes))
    numbers = list(range(rule["after_min"], len(minutes)))[:amount]
    before = rule["after_min"] - 1
    while len(numbers) < amount:
        numbers.append(before)
        before -= 1
    return [minute for number, minute in enumerate(minutes) if number not in set(numbers)]


def _total(minutes: list[datetime], rule: Any) -> list[datetime]:
    if not rule or not minutes:
        return minutes
    wanted = max(0, _grid(len(minutes), rule))
    while len(minutes) < wanted:
        minutes = [*minutes, minutes[-1] + timedelta(minutes=1)]
    return minutes[:wanted]


def _rounded(moment: datetime, rule: Any, zone: ZoneInfo) -> datetime:
    if not rule:
        return moment
    wall = moment.astimezone(zone)
    shown = wall.hour * 60 + wall.minute
    return moment + timedelta(minutes=_grid(shown, rule) - shown)


def _grid(minute: int, rule: Any) -> int:
    interval, grace = rule["interval"], rule.get("grace", 0)
    if rule["mode"] == "nearest":
        return floor(Fraction(2 * minute + interval, 2 * interval)) * interval
    if rule["mode"] == "down":
        return floor(Fraction(minute + grace, interval)) * interval
    return ceil(Fraction(minute - grace, interval)) * interval


def _pay(minutes: list[datetime], policy: dict[str, Any], zone: ZoneInfo, weekly: int) -> tuple[dict[str, int], int]:
    rule = policy.get("overtime", {})
    worth = {"regular": 1.0, **policy.get("tiers", {})}
    daily, moved, premium = rule.get("daily", []), 0, 0
    if daily and 0 < len(minutes) - min(step["after"] for step in daily) < rule.get("min_daily_ot_min", 0):
        daily = []
    pay: dict[str, int] = {}
    for number, minute in enumerate(minutes):
        of_day = ([step["tier"] for step in daily if number >= step["after"]] or ["regular"])[-1]
        of_week = ([step["tier"] for step in rule.get("weekly", []) if weekly + moved >= step["after"]] or ["regular"])[
            -1
        ]
        tier = of_week if worth[of_week] > worth[of_day] else of_day
        if tier == "regular" or worth[of_week] > worth[of_day]:
            moved += 1
        for remap in rule.get("window_remap", ()):
            if tier in remap["map"] and _inside(minute, remap, zone):
                tier = remap["map"][tier]
                break
        if tier != "regular":
            premium += 1
            if premium > rule.get("daily_cap_min", premium):
                tier = "over_cap"
        pay[tier] = pay.get(tier, 0) + 1
    return pay, moved


def _night(minutes: list[datetime], policy: dict[str, Any], zone: ZoneInfo) -> int:
    rule = policy.get("night")
    if not rule:
        return 0
    count = sum(_inside(minute, rule, zone) for minute in minutes)
    return count if count >= rule.get("min_minutes", 0) else 0


def _inside(moment: datetime, window: Any, zone: ZoneInfo) -> bool:
    shown = f"{moment.astimezone(UTC).astimezone(zone):%H:%M}"
    start, end = window["from"], window["to"]
    return start <= shown < end if start < end else shown >= start or shown < end
