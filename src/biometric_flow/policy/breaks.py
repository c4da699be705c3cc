"""What is not worked between the first and the last minute, paid gaps, meals (contract 8.6 and 9)."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from biometric_flow.policy.pairing import Piece
from biometric_flow.policy.rules import AutoDeduct, Breaks, MealRule, PaidGap
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import HomeZone


@dataclass(frozen=True, slots=True)
class Run:
    """Worked minutes without a hole, from `start` (included) to `end` (not included)."""

    start: int
    end: int
    is_overtime: bool = False


@dataclass(frozen=True, slots=True)
class Net:
    """The worked minutes of a group after all breaks, and where the others went."""

    runs: list[Run]
    gaps: int
    in_windows: int
    deducted: int

    @property
    def unpaid(self) -> int:
        """Contract 9.4."""
        return self.gaps + self.in_windows + self.deducted


def merge_paid_gaps(pieces: Sequence[Piece], rule: PaidGap | None, steps: list[Step]) -> list[Piece]:
    """Short gaps become work (contract 9.1)."""
    merged: list[Piece] = []
    for piece in pieces:
        gap = piece.start - merged[-1].end if rule and merged else 0
        if rule is None or not merged or gap < 0 or (gap > rule.max_min and not rule.is_credit):
            merged.append(piece)
            continue
        if gap:
            steps.append(Step("9.1 paid_gap", gap, min(gap, rule.max_min)))
        last = merged[-1]
        if gap <= rule.max_min and last.is_overtime == piece.is_overtime:
            merged[-1] = replace(last, end=piece.end, is_filled=last.is_filled or piece.is_filled)
        else:
            merged[-1] = replace(last, end=last.end + min(gap, rule.max_min))
            merged.append(piece)
    return merged


def union(pieces: Iterable[Piece]) -> list[Run]:
    """The pieces as runs in time order; a minute that is in two counts once (contract 8.6), as overtime if one is."""
    runs: list[Run] = []
    for piece in sorted(pieces, key=lambda one: one.start):
        start = piece.start
        if runs and start < runs[-1].end:
            start = runs[-1].end
            if piece.is_overtime and not runs[-1].is_overtime:
                last = runs.pop()
                runs.extend(
                    run
                    for run in (
                        Run(last.start, piece.start),
                        Run(piece.start, min(piece.end, last.end), True),
                        Run(piece.end, last.end),
                    )
                    if run.start < run.end
                )
        if start < piece.end:
            runs.append(Run(start, piece.end, piece.is_overtime))
    return runs


def minutes_of(runs: Iterable[Run]) -> int:
    """How many minutes."""
    return sum(run.end - run.start for run in runs)


def take_breaks(runs: list[Run], rule: Breaks, zone: HomeZone, steps: list[Step]) -> Net:
    """Remove unpaid windows and automatic deductions from the runs (contract 9.2 and 9.3)."""
    gaps = (runs[-1].end - runs[0].start - minutes_of(runs)) if runs else 0
    in_windows = deducted = 0
    if rule.windows:
        before = minutes_of(runs)
        runs = _outside(runs, rule, zone)
        in_windows = before - minutes_of(runs)
        if in_windows:
            steps.append(Step("9.2 break.window", before, before - in_windows))
    gross = minutes_of(runs)
    chosen = _deduction(rule.auto_deduct, gross)
    if chosen:
        deducted = min(gross, _amount(chosen, gross, gaps))
    if chosen and deducted:
        first = min(chosen.after_min, gross - deducted)
        runs = without(runs, first, first + deducted)
        steps.append(Step("9.3 auto_deduct", gross, gross - deducted, f"{chosen.mode}, over {chosen.after_min} min"))
    return Net(runs, gaps, in_windows, deducted)


def without(runs: Iterable[Run], first: int, last: int) -> list[Run]:
    """The runs less the worked minutes number `first` (from 0, included) to `last` (not included)."""
    left: list[Run] = []
    number = 0
    for run in runs:
        length = run.end - run.start
        low, high = max(first - number, 0), min(last - number, length)
        number += length
        if low >= high:
            left.append(run)
            continue
        if low > 0:
            left.append(replace(run, end=run.start + low))
        if high < length:
            left.append(replace(run, start=run.start + high))
    return left


def _outside(runs: Iterable[Run], rule: Breaks, zone: HomeZone) -> list[Run]:
    left = list(runs)
    for window in rule.windows:
        parts: list[Run] = []
        for run in left:
            at = run.start
            for start, end in zone.inside((run.start, run.end), window):
                if at < start:
                    parts.append(replace(run, start=at, end=start))
                at = end
            if at < run.end:
                parts.append(replace(run, start=at))
        left = parts
    return left


def _deduction(rules: Iterable[AutoDeduct], gross: int) -> AutoDeduct | None:
    reached = [rule for rule in rules if gross > rule.after_min or (rule.is_inclusive and gross == rule.after_min)]
    return max(reached, key=lambda rule: rule.after_min, default=None)


def _amount(rule: AutoDeduct, gross: int, gaps: int) -> int:
    if rule.mode == "unless_punched" and gaps:
        return 0
    amount = max(0, rule.deduct_min - gaps) if rule.mode == "top_up" else rule.deduct_min
    return min(amount, gross - rule.after_min) if rule.is_floored else amount


def owes_meal(pieces: Sequence[Piece], rules: Sequence[MealRule]) -> bool:
    """Whether a meal was missed, too short or too late; by the actual punches (contract 9.5)."""
    if not rules or not pieces:
        return False
    runs = union(pieces)
    total = minutes_of(runs)
    gaps: list[tuple[int, int]] = []
    worked = 0
    for run, following in itertools.pairwise(runs):
        worked += run.end - run.start
        gaps.append((worked, following.start - run.end))
    for number, rule in enumerate(rules):
        if total <= rule.if_work_over_min:
            continue
        if rule.is_waived and rule.waive_if_total_le is not None and total <= rule.waive_if_total_le:
            continue
        meals = [after for after, length in gaps if length >= rule.min_meal_min]
        if len(meals) <= number or meals[number] > rule.start_within_work_min:
            return True
    return False
