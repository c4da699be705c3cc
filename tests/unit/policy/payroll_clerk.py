"""Runs case files and tells each difference as a payroll clerk would read it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from biometric_flow.policy.cases import Case, read_cases
from biometric_flow.policy.engine import Evaluation, evaluate
from biometric_flow.policy.fields import date_text

VECTORS = Path(__file__).parents[2] / "vectors" / "policy"
MINUTES = ("worked", "scheduled", "leave", "short", "late", "early_out", "break", "night", "ot_approved", "ot_pending")


def cases_of(name: str) -> list[Case]:
    cases, unknown = read_cases(json.loads((VECTORS / name).read_text(encoding="utf-8")))
    assert unknown == []
    return cases


def differences(case: Case, result: Evaluation | None = None) -> list[str]:
    """One sentence for each thing that is not as expected."""
    result = result or evaluate(case.given)
    rows = {date_text(day.day): day.row() for day in result.days}
    told = [
        f"{case.id}, {expected['date']}: {_sentence(name, expected[name], rows[expected['date']][name])}"
        for expected in case.expect.get("days", ())
        for name in expected
        if rows[expected["date"]][name] != expected[name]
    ]
    told.extend(f"{case.id}, {line}" for line in _sums(case.expect, result))
    return told


def _sums(expect: Mapping[str, Any], result: Evaluation) -> Iterator[str]:
    if "adjustments" in expect:
        came = [{"date": date_text(one.day), "delta": one.delta} for one in result.adjustments]
        if came != expect["adjustments"]:
            yield f"adjustments: expected {expect['adjustments']}, came {came}"
    totals = {"worked": result.worked, "pay": result.pay}
    for name, value in expect.get("totals", {}).items():
        if totals[name] != value:
            yield f"total {_sentence(name, value, totals[name])}"


def _sentence(name: str, expected: Any, came: Any) -> str:
    if name == "pay":
        tiers = dict.fromkeys([*expected, *came])
        return "; ".join(
            f"{tier}: expected {_hours(expected.get(tier, 0))}, came {_hours(came.get(tier, 0))}"
            for tier in tiers
            if expected.get(tier, 0) != came.get(tier, 0)
        )
    if name in MINUTES:
        return f"{name}: expected {_hours(expected)}, came {_hours(came)}"
    return f"{name}: expected {expected}, came {came}"


def _hours(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d} ({minutes} min)"
