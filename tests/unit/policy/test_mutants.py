"""Mutants of the policy: most of what could be wrong is noticed. The aim is nine of ten (ADR 113)."""

from collections import Counter

import pytest

from tests.unit.policy.equivalent import EQUIVALENT
from tests.unit.policy.mutants import MODULES, mutants_of, sample, survivors

SAMPLE, SEED = 300, 1
"""Mutants of all modules together, always the same; the whole is `python -m tests.unit.policy.mutants`."""


@pytest.mark.drill
@pytest.mark.timeout(7200)
def test_most_mutants_are_noticed() -> None:
    chosen = sample(MODULES, SAMPLE, SEED)
    alive = survivors(chosen)
    counts, left = Counter(one.module for one in chosen), Counter(one.module for one in alive)
    told = "\n".join([f"{len(chosen) - len(alive)} of {len(chosen)}", *(f"{one.module} {one.told}" for one in alive)])
    print(told)
    assert len(alive) <= len(chosen) * 0.1, told
    assert all(left[name] <= count * 0.4 for name, count in counts.items()), told


def test_every_mutant_that_is_called_equivalent_is_there() -> None:
    there = set()
    for name in {module for module, _, _ in EQUIVALENT}:
        there |= {(name, one.source, one.told.partition(": ")[2].replace("  ->  ", " -> ")) for one in mutants_of(name)}
    assert set(EQUIVALENT) <= there
