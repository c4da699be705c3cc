"""What a case expects against what came out, each difference as a payroll clerk would read it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from biometric_flow.policy.cases import Case
from biometric_flow.policy.engine import Evaluation
from biometric_flow.policy.fields import date_text
from biometric_flow.policy.sentences import hours

_MINUTES: Final = (
    *("worked", "scheduled", "leave", "short", "late", "early_out", "break", "night", "ot_approved", "ot_pending"),
    "holiday_credit",
)


def differences(case: Case, result: Evaluation) -> Iterator[str]:
    """One line for each thing that is not as expected; only what the case names is compared."""
    rows = {date_text(day.day): day.row() for day in result.days}
    days, totals = case.expect.get("days", []), case.expect.get("totals", {})
    if not (isinstance(days, list) and all(isinstance(day, Mapping) for day in days) and isinstance(totals, Mapping)):
        yield f"{case.id}: expect: expected a list of days and an object of totals, came something else"
        return
    for expected in days:
        date = expected.get("date")
        row = rows.get(date)
        if row is None:
            yield f"{case.id}, {date}: expected a workday, the range has none"
            continue
        for name, value in expected.items():
            if name not in row:
                yield f"{case.id}, {date}: expected {name}, no workday has such a field"
            elif row[name] != value:
                yield f"{case.id}, {date}: {_sentence(name, value, row[name])}"
    for line in _sums(case.expect, result):
        yield f"{case.id}, {line}"


def _sums(expect: Mapping[str, Any], result: Evaluation) -> Iterator[str]:
    if "adjustments" in expect:
        came = [{"date": date_text(one.day), "delta": one.delta} for one in result.adjustments]
        if came != expect["adjustments"]:
            yield f"adjustments: expected {expect['adjustments']}, came {came}"
    totals: dict[str, Any] = {"worked": result.worked, "pay": result.pay}
    for name, value in expect.get("totals", {}).items():
        if totals.get(name) != value:
            yield f"total {_sentence(name, value, totals.get(name))}"


def _sentence(name: str, expected: Any, came: Any) -> str:
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        return (
            "; ".join(
                f"{tier}: expected {_shown(expected.get(tier, 0))}, came {_shown(came.get(tier, 0))}"
                for tier in dict.fromkeys([*expected, *came])
                if expected.get(tier, 0) != came.get(tier, 0)
            )
            or f"{name}: expected {expected}, came {came}"
        )
    if name in _MINUTES:
        return f"{name}: expected {_shown(expected)}, came {_shown(came)}"
    return f"{name}: expected {expected}, came {came}"


def _shown(minutes: object) -> str:
    return f"{hours(minutes)} ({minutes} min)" if isinstance(minutes, int) else repr(minutes)
