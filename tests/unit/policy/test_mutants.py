"""Mutants of the policy, by module: most of what could be wrong is noticed."""

import pytest

from tests.unit.policy.mutants import MODULES, survivors

SAMPLE = 25
"""Mutants of each module, always the same."""


@pytest.mark.drill
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("module", MODULES)
def test_a_mutant_is_noticed(module: str) -> None:
    count, alive = survivors(module, SAMPLE)
    told = f"{module}: {count - len(alive)} of {count} noticed\n  " + "\n  ".join(alive)
    print(told)
    assert len(alive) <= count * 0.4, told


@pytest.mark.drill
def test_the_policy_as_it_is_is_not_noticed() -> None:
    assert survivors("rules", 0) == (0, [])
