"""How the ends of pieces move, in which order, and what is told of it."""

from typing import Any

import pytest

from biometric_flow.policy.fields import Fields
from biometric_flow.policy.inputs import Shift
from biometric_flow.policy.pairing import Piece
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rounding import Ends, round_to
from biometric_flow.policy.rules import ClaimWindow, Grid
from biometric_flow.policy.schedules import instance
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import DAY, home_zone
from tests.unit.policy import slow

UTC_ZONE = home_zone("Etc/UTC")
TEN = 10 * DAY
OFFICE = instance(Shift("D", 540, 1020), 10, UTC_ZONE, ClaimWindow())


def moved(
    *pieces: tuple[int, int], with_plan: bool = True, **document: Any
) -> tuple[list[tuple[int, int]], list[Step]]:
    steps: list[Step] = []
    policy = read_policy(Fields(document, "policy", []))
    plan = OFFICE if with_plan else None
    ends = Ends(policy, UTC_ZONE, plan, (plan.start, plan.end) if plan else (0, 0), steps)
    found = ends.move([Piece(TEN + start, TEN + end) for start, end in pieces])
    return [(one.start - TEN, one.end - TEN) for one in found], steps


def test_a_piece_that_ends_before_it_starts_vanishes_and_says_how_much_it_was() -> None:
    rounding = {"in": {"mode": "up", "interval": 15}, "out": {"mode": "down", "interval": 15}}
    found, steps = moved((541, 550), (601, 660), rounding=rounding)
    assert found == [(615, 660)]
    assert Step("8.5 vanished", 9, 0) in steps
    assert moved((540, 540))[1] == [], "nothing was nothing before"


def test_snapping_takes_both_borders_of_its_window_and_only_the_outer_ends() -> None:
    snap = {"in_before": 20, "in_after": 10, "out_before": 10, "out_after": 20}
    for start, at in ((519, 519), (520, 540), (550, 540), (551, 551)):
        assert moved((start, 700), snap=snap)[0] == [(at, 700)]
    for end, at in ((1009, 1009), (1010, 1020), (1040, 1020), (1041, 1041)):
        assert moved((700, end), snap=snap)[0] == [(700, at)]
    assert moved((500, 535), (545, 1015), (1018, 1041), snap=snap)[0] == [(500, 535), (545, 1015), (1018, 1041)]
    assert moved((0, 5), with_plan=False, snap=snap)[0] == [(0, 5)]


def test_clamping_cuts_to_the_shift_and_needs_one() -> None:
    both = {"clamp_early_in": True, "clamp_late_out": True}
    assert moved((500, 1100), **both)[0] == [(540, 1020)]
    assert moved((560, 1000), **both)[0] == [(560, 1000)]
    assert moved((500, 1100), clamp_early_in=True)[0] == [(540, 1100)]
    assert moved((500, 1100), clamp_late_out=True)[0] == [(500, 1020)]
    assert moved((500, 1100), with_plan=False, **both)[0] == [(500, 1100)]


def test_only_outer_ends_are_rounded_when_the_policy_says_so() -> None:
    grid = {"mode": "nearest", "interval": 15}
    pieces = ((547, 601), (608, 1013))
    assert moved(*pieces, rounding={"in": grid, "out": grid})[0] == [(540, 600), (615, 1020)]
    assert moved(*pieces, rounding={"in": grid, "out": grid, "scope": "outer"})[0] == [(540, 601), (608, 1020)]


@pytest.mark.parametrize("mode", ["nearest", "up", "down"])
def test_the_grid_is_that_of_the_slow_calculator_whatever_is_forgiven(mode: str) -> None:
    for interval in (1, 2, 5, 6, 15, 60):
        for grace in (0, 1, 7, 20, 75):
            rule = {"mode": mode, "interval": interval, "grace": grace}
            for minute in (*range(130), 1439):
                assert round_to(Grid(mode, interval, grace), minute) == slow._grid(minute, rule)
