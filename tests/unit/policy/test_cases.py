"""The worked cases: punches in, workdays out, each with its source."""

import pytest

from biometric_flow.policy.cases import Case
from tests.unit.policy.payroll_clerk import VECTORS, cases_of, differences

ALL = [(path.name, case) for path in sorted(VECTORS.glob("*.json")) for case in cases_of(path.name)]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}:{case.id}") for name, case in ALL])
def test_a_case_comes_out_as_computed_by_hand(case: Case) -> None:
    told = differences(case)
    assert not told, f"{case.title} ({case.source})\n" + "\n".join(told)


def test_every_case_names_its_source_and_expects_something() -> None:
    for name, case in ALL:
        assert case.source, f"{name}: {case.id} has no source"
        assert case.expect.get("days") or case.expect.get("totals"), f"{name}: {case.id} expects nothing"
    assert len({case.id for _, case in ALL}) == len(ALL)
