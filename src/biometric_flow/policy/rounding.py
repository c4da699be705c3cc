"""Moving the ends of pieces: snapping, rounding, clamping (contract 8). The punches themselves never change."""

from collections.abc import Sequence

from biometric_flow.policy.pairing import Piece
from biometric_flow.policy.rules import Grid, Policy
from biometric_flow.policy.schedules import Instance
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import DAY, HomeZone, Span


def round_to(grid: Grid, minute: int) -> int:
    """A minute of the day, or an amount of minutes, on the grid (contract 8.3). Ties of `nearest` go up."""
    interval = grid.interval
    if grid.mode == "nearest":
        return (2 * minute + interval) // (2 * interval) * interval
    if grid.mode == "down":
        return (minute + grid.grace) // interval * interval
    return -((grid.grace - minute) // interval) * interval


class Ends:
    """How the ends of one group's pieces move. `bounds` are start and end of its shift, trimmed by a half-day leave."""

    def __init__(self, policy: Policy, zone: HomeZone, plan: Instance | None, bounds: Span, steps: list[Step]) -> None:
        self._policy = policy
        self._zone = zone
        self._plan = plan
        self._bounds = bounds
        self._snap = policy.snap if plan and not plan.shift.is_flexible else None
        self._steps = steps

    def move(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces with their final ends; one that ends before it starts is gone."""
        moved: list[Piece] = []
        for index, piece in enumerate(pieces):
            start = self._start(piece.start, index == 0)
            end = self._end(piece.end, index == len(pieces) - 1)
            if start < end:
                moved.append(Piece(start, end, piece.is_overtime, piece.is_filled))
            elif piece.start < piece.end:
                self._steps.append(Step("8.5 vanished", piece.end - piece.start, 0))
        return moved

    def _start(self, minute: int, is_first: bool) -> int:
        snap, target = self._snap, self._bounds[0]
        if is_first and snap and target - snap.in_before <= minute <= target + snap.in_after:
            at = self._note("8.2 snap.in", minute, target)
        else:
            at = self._round("8.3 rounding.in", self._policy.rounding.into, minute, is_first)
        if self._policy.clamp_early_in and self._plan:
            at = self._note("8.4 clamp_early_in", at, max(at, self._plan.start))
        return at

    def _end(self, minute: int, is_last: bool) -> int:
        snap, target = self._snap, self._bounds[1]
        if is_last and snap and target - snap.out_before <= minute <= target + snap.out_after:
            at = self._note("8.2 snap.out", minute, target)
        else:
            at = self._round("8.3 rounding.out", self._policy.rounding.out, minute, is_last)
        if self._policy.clamp_late_out and self._plan:
            at = self._note("8.4 clamp_late_out", at, min(at, self._plan.end))
        return at

    def _round(self, rule: str, grid: Grid | None, minute: int, is_outer: bool) -> int:
        if not grid or (self._policy.rounding.is_outer and not is_outer):
            return minute
        shown = self._zone.wall(minute) % DAY
        return self._note(rule, minute, minute + round_to(grid, shown) - shown)

    def _note(self, rule: str, before: int, after: int) -> int:
        if before != after:
            self._steps.append(Step(rule, before, after, is_time=True))
        return after
