"""A workday's trace as sentences a person can check against their own memory."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from biometric_flow.policy.fields import EPOCH, date_text
from biometric_flow.policy.rules import REGULAR, Policy
from biometric_flow.policy.sentences import hours
from biometric_flow.policy.trace import Step
from biometric_flow.policy.workdays import Workday
from biometric_flow.policy.zones import HomeZone, clock_text

_WORDS: Final = {
    "2.2 drift": "The terminal's clock was wrong: punch {about} at {before} was really at {after}.",
    "2.3 direction": "Punch {about} was made at a door of one direction, so key {before} counts as {after}.",
    "2.4 correction.add": "Approved correction {about} added a punch at {after}.",
    "2.4 correction.void": "Punch {about} at {before} was voided by an approved correction.",
    "2.4 correction.replace": "Punch {about}, an approved correction: {before} became {after}.",
    "3 duplicate.same": "The record {about} at {before} was sent twice and counts once.",
    "3 duplicate.window": "Punch {about} at {before} came too soon after the one before and does not count.",
    "6 session": "Worked from {before} to {after}{about}.",
    "7 fill": "A punch is missing; by the policy work counts from {before} to {after}.",
    "7 irregularity": "Irregularity: {about}.",
    "8.2 snap.in": "The start {before} is near the start of the shift and counts as {after}.",
    "8.2 snap.out": "The end {before} is near the end of the shift and counts as {after}.",
    "8.3 rounding.in": "The start {before} was rounded to {after}.",
    "8.3 rounding.out": "The end {before} was rounded to {after}.",
    "8.4 clamp_early_in": "Time before the shift is not counted: {before} became {after}.",
    "8.4 clamp_late_out": "Time after the shift is not counted: {before} became {after}.",
    "8.5 vanished": "{before} of work vanished by rounding.",
    "8.7 rounding.total": "The day's {before} were rounded to {after}.",
    "9.1 paid_gap": "Of a break of {before}, {after} are paid.",
    "9.2 break.window": "Unpaid break time took {before} to {after}.",
    "9.3 auto_deduct": "The automatic break ({about}) took {before} to {after}.",
    "9.5 meal_penalty": "A meal was missed, too short or too late: one penalty.",
    "11 late": "{after} late.",
    "11 early_out": "Left {after} early.",
    "12.1 holiday": "{after} at {about}: it was a holiday.",
    "12.1 rest day": "{after} at {about}: it was a rest day.",
    "12.1 weekday": "{after} at {about}: by the day of the week.",
    "12.1 seventh day": "{after} at {about}: the seventh day worked in the week.",
    "12.2 daily": "{after} at {about}: beyond the hours of the day.",
    "12.3 overtime key": "{after} at {about}: begun with the overtime key.",
    "12.4 weekly": "{after} at {about}: beyond the hours of the week.",
    "12.7 daily cap": "{after} at {about}: beyond the daily cap.",
    "13 night": "{after} of it at night.",
    "11 status": "So the day is: {after}.",
}
_PLACED: Final = "Punch {punch} at {after} belongs to {whose}."
_ID: Final = re.compile(r"\b([0-9a-f]{8})(?:[0-9a-f]{56}|-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b")
"""Ids of punches and corrections; eight digits are enough to find one in a day, and can be read."""


def headline(day: Workday, policy: Policy) -> str:
    """Date, hours and tiers in one line."""
    when = date.fromordinal(day.day + EPOCH)
    parts = [
        f"{hours(minutes)} {tier}" + ("" if tier == REGULAR else f" ({policy.multiplier(tier):g}x)")
        for tier, minutes in day.pay.items()
    ]
    paid = f" ({', '.join(parts)})" if parts else ""
    return f"{when:%A} {date_text(day.day)}: {hours(day.worked)} worked{paid}, {day.status.replace('_', ' ')}"


def explain(day: Workday, zone: HomeZone) -> Iterator[str]:
    """One sentence per step of the trace, in the order it happened, each with rule and pack."""
    for step in day.trace:
        yield f"{sentence(step, zone)} [rule {step.rule}, {day.pack}]"


def sentence(step: Step, zone: HomeZone) -> str:
    """One step in words."""
    words = _WORDS.get(step.rule)
    if words is None:
        words = "It counts on {after} instead of {before}." if step.rule.startswith("10") else _PLACED
    short = _ID.sub(r"\1", step.about)
    about = f" ({short})" if step.rule == "6 session" and short else short
    punch, _to, whose = short.partition(" to ")
    before, after = _shown(step, step.before, zone), _shown(step, step.after, zone)
    return words.format(before=before, after=after, about=about, punch=punch, whose=whose)


def _shown(step: Step, value: int | str | None, zone: HomeZone) -> str:
    if value is None or isinstance(value, str):
        return str(value or "nothing").replace("_", " ")
    if step.is_time:
        return clock_text(zone.wall(value))
    if step.about == "day":
        return date_text(value)
    return str(value) if step.rule == "2.3 direction" else hours(value)
