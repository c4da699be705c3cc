"""The worked cases: punches in, workdays out, each with its source."""

import json
from typing import Any

import pytest

from biometric_flow.policy.cases import read_cases
from tests.unit.policy.payroll_clerk import VECTORS, cases_of, differences

ALL = [(path.name, case) for path in sorted(VECTORS.glob("*.json")) for case in cases_of(path.name)]
DOCUMENTS = [
    pytest.param(body, id=f"{path.name}:{body['id']}")
    for path in sorted(VECTORS.glob("*.json"))
    for body in json.loads(path.read_text(encoding="utf-8"))["cases"]
]


@pytest.mark.parametrize("body", DOCUMENTS)
def test_a_case_comes_out_as_computed_by_hand(body: dict[str, Any]) -> None:
    (case,), _unknown = read_cases({"schema": 1, "cases": [body]})
    told = differences(case)
    assert not told, f"{case.title} ({case.source})\n" + "\n".join(told)


def test_every_case_names_its_source_and_expects_something() -> None:
    for name, case in ALL:
        assert case.source, f"{name}: {case.id} has no source"
        assert case.expect.get("days") or case.expect.get("totals"), f"{name}: {case.id} expects nothing"
    assert len({case.id for _, case in ALL}) == len(ALL)
