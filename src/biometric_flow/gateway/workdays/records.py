"""Workdays as stored documents and back: pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from biometric_flow.policy.breaks import Run
from biometric_flow.policy.fields import EPOCH
from biometric_flow.policy.trace import Step
from biometric_flow.policy.workdays import Workday


def to_body(day: Workday) -> dict[str, Any]:
    """All of a workday, its trace included, as JSON."""
    return {
        **day.row(),
        "gross": day.gross,
        "rounding": day.rounding,
        "pack": day.pack,
        "runs": [[run.start, run.end, run.is_overtime] for run in day.runs],
        "trace": [[step.rule, step.before, step.after, step.about, step.is_time] for step in day.trace],
    }


def to_workday(body: Mapping[str, Any]) -> Workday:
    """The workday that a body was made of."""
    same = ("status", "worked", "pay", "scheduled", "leave", "short", "late", "early_out", "night", "meal_penalty")
    more = ("ot_approved", "ot_pending", "holiday_credit", "gross", "rounding", "pack")
    return Workday(
        day=date.fromisoformat(body["date"]).toordinal() - EPOCH,
        unpaid_break=body["break"],
        irregularities=tuple(body["exceptions"]),
        runs=tuple(Run(*run) for run in body["runs"]),
        trace=tuple(Step(*step) for step in body["trace"]),
        **{name: body[name] for name in (*same, *more)},
    )


def digest(body: Mapping[str, Any]) -> bytes:
    """SHA-256 over one spelling of a body: equal workdays have equal digests."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


def to_date(day: int) -> date:
    """A day number as a date."""
    return date.fromordinal(day + EPOCH)


def to_day(day: date) -> int:
    """A date as a day number."""
    return day.toordinal() - EPOCH


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, int]:
    """Worked minutes and tiers, after minus before; nothing where there is no difference (contract 14)."""
    old, new = before or {}, after or {}
    delta = {"worked": new.get("worked", 0) - old.get("worked", 0)}
    old_pay, new_pay = old.get("pay", {}), new.get("pay", {})
    delta |= {tier: new_pay.get(tier, 0) - old_pay.get(tier, 0) for tier in dict.fromkeys([*new_pay, *old_pay])}
    return {name: minutes for name, minutes in delta.items() if minutes}
