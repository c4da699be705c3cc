"""Runs case files and tells each difference as a payroll clerk would read it."""

import json
from pathlib import Path

from biometric_flow.policy.cases import Case, read_cases
from biometric_flow.policy.differences import differences as told
from biometric_flow.policy.engine import Evaluation, evaluate

VECTORS = Path(__file__).parents[2] / "vectors" / "policy"


def cases_of(name: str) -> list[Case]:
    cases, unknown = read_cases(json.loads((VECTORS / name).read_text(encoding="utf-8")))
    assert unknown == []
    return cases


def differences(case: Case, result: Evaluation | None = None) -> list[str]:
    """One sentence for each thing that is not as expected."""
    return list(told(case, result or evaluate(case.given)))
