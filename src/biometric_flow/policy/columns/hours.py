"""From the punches of all groups to net minutes and what was found on the way (contract 6 to 11)."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from biometric_flow.policy.columns.arrays import (
    BIG,
    NEVER,
    Bools,
    Ints,
    Offsets,
    first_of_each,
    inside,
    last_of_each,
    summed,
    without_overlap,
)
from biometric_flow.policy.columns.groups import Groups, Shifts
from biometric_flow.policy.rounding import round_to
from biometric_flow.policy.rules import AutoDeduct, Grid, Policy
from biometric_flow.policy.zones import DAY


@dataclass(frozen=True, slots=True)
class Pieces:
    """Work as punched, with fills, by group and start."""

    group: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class Hours:
    """What every group amounts to."""

    pieces: Pieces
    worked: Ints
    gross: Ints
    rounding: Ints
    unpaid: Ints
    night: Ints
    late: Ints
    early: Ints
    first_in: Ints
    last_out: Ints
    """NEVER where there is none."""
    in_progress: Bools
    missing_in: Bools
    missing_out: Bools


@dataclass(frozen=True, slots=True)
class _Ends:
    """Who is still inside, or forgot to punch."""

    last: Ints
    has_open: Bools
    in_progress: Bools
    missing_in: Bools
    missing_out: Bools


def work_out(groups: Groups, shifts: Shifts, clock: Offsets, policy: Policy, as_of: int | None) -> Hours:
    """The hours of all groups; people whom only the readable engine can judge are marked in `groups`."""
    ends = _ends(groups, shifts, policy, as_of)
    pieces = _pieces(groups, shifts, policy, ends)
    size = len(groups.person)
    gross = _extent(pieces.group, pieces.start, pieces.end, size)
    runs = Pieces(*without_overlap(*_moved(_merged(pieces, policy), groups, shifts, clock, policy)))
    _look_at_borders(runs, groups, clock, policy)
    length = runs.end - runs.start
    total = summed(runs.group, length, size)
    extent = _extent(runs.group, runs.start, runs.end, size)
    after, deducted = _deducted(policy.breaks.auto_deduct, total, extent - total)
    first_in = np.where(ends.missing_in, NEVER, groups.minute[groups.first])
    last_out = _last_out(groups, policy, ends)
    late, early = _punctuality(groups, shifts, policy, first_in, last_out)
    return Hours(
        pieces=pieces,
        worked=total - deducted,
        gross=gross,
        rounding=extent - gross,
        unpaid=extent - total + deducted,
        night=_night(runs, groups, clock, policy, after, deducted),
        late=late,
        early=np.where(ends.in_progress, 0, early),
        first_in=first_in,
        last_out=last_out,
        in_progress=ends.in_progress,
        missing_in=ends.missing_in,
        missing_out=ends.missing_out,
    )


def _ends(groups: Groups, shifts: Shifts, policy: Policy, as_of: int | None) -> _Ends:
    last = groups.minute[groups.first + groups.count - 1]
    has_open = groups.count % 2 == 1
    if policy.pairing.mode == "first_last":
        has_open = groups.count == 1
    start, end = shifts.start[groups.shift], shifts.end[groups.shift]
    closes = np.where(groups.is_planned, shifts.closes[groups.shift], last + policy.max_session_min)
    in_progress = has_open & (closes * 60 >= as_of) if as_of is not None else np.zeros_like(has_open)
    nearer_end = np.abs(last - end) < np.abs(last - start)
    missing_in = has_open & ~in_progress & (groups.count == 1) & groups.is_planned & nearer_end
    return _Ends(last, has_open, in_progress, missing_in, has_open & ~in_progress & ~missing_in)


def _pieces(groups: Groups, shifts: Shifts, policy: Policy, ends: _Ends) -> Pieces:
    if policy.pairing.mode == "first_last":
        closed = np.flatnonzero(groups.count > 1)
        parts = [(closed, groups.minute[groups.first[closed]], ends.last[closed])]
    else:
        position = np.arange(len(groups.minute)) - groups.first[groups.of_punch]
        came = np.flatnonzero((position % 2 == 0) & (position + 1 < groups.count[groups.of_punch]))
        parts = [(groups.of_punch[came], groups.minute[came], groups.minute[came + 1])]
    start, end = shifts.start[groups.shift], shifts.end[groups.shift]
    if policy.missing.into == "shift_start":
        filled = np.flatnonzero(ends.missing_in & (start < ends.last))
        parts.append((filled, start[filled], ends.last[filled]))
    if policy.missing.out != "exception":
        is_cap = policy.missing.out == "cap"
        until = ends.last + policy.missing.cap_min if is_cap else np.where(groups.is_planned, end, NEVER)
        filled = np.flatnonzero(ends.missing_out & (until > ends.last))
        parts.append((filled, ends.last[filled], until[filled]))
    if len(parts) == 1:
        return Pieces(*parts[0])
    group, start, end = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(group * BIG + start, kind="stable")
    return Pieces(group[order], start[order], end[order])


def _merged(pieces: Pieces, policy: Policy) -> Pieces:
    rule = policy.breaks.paid_gap
    if rule is None or not len(pieces.group):
        return pieces
    begins = first_of_each(pieces.group)
    gap = np.diff(pieces.end, prepend=0)
    gap[1:] = pieces.start[1:] - pieces.end[:-1]
    begins |= gap > rule.max_min
    closes = np.append(begins[1:], True)
    end = pieces.end
    if rule.is_credit:
        end = end + np.where(last_of_each(pieces.group), 0, rule.max_min)
    return Pieces(pieces.group[begins], pieces.start[begins], end[closes])


def _moved(pieces: Pieces, groups: Groups, shifts: Shifts, clock: Offsets, policy: Policy) -> tuple[Ints, Ints, Ints]:
    """The pieces with snapped, rounded and clamped ends (contract 8.2 to 8.5)."""
    of, start, end = pieces.group, pieces.start, pieces.end
    shift, is_planned = groups.shift[of], groups.is_planned[of]
    opens, closes = shifts.start[shift], shifts.end[shift]
    is_first, is_last = first_of_each(of), last_of_each(of)
    everywhere = np.full(len(of), not policy.rounding.is_outer)
    at = _rounded(policy.rounding.into, start, is_first | everywhere, clock)
    until = _rounded(policy.rounding.out, end, is_last | everywhere, clock)
    if snap := policy.snap:
        snaps = is_planned & ~shifts.is_flexible[shift]
        near = is_first & snaps & (opens - snap.in_before <= start) & (start <= opens + snap.in_after)
        at = np.where(near, opens, at)
        near = is_last & snaps & (closes - snap.out_before <= end) & (end <= closes + snap.out_after)
        until = np.where(near, closes, until)
    if policy.clamp_early_in:
        at = np.where(is_planned, np.maximum(at, opens), at)
    if policy.clamp_late_out:
        until = np.where(is_planned, np.minimum(until, closes), until)
    kept = at < until
    of, at, until = of[kept], at[kept], until[kept]
    turned = ~first_of_each(of)
    turned[1:] &= at[1:] < at[:-1]
    groups.odd_one_out[groups.person[of[turned]]] = True
    return of, at, until


def _rounded(grid: Grid | None, minutes: Ints, chosen: Bools, clock: Offsets) -> Ints:
    if grid is None:
        return minutes
    shown = clock.wall(minutes) % DAY
    return np.where(chosen, minutes + cast(Ints, round_to(grid, cast(int, shown))) - shown, minutes)


def _look_at_borders(runs: Pieces, groups: Groups, clock: Offsets, policy: Policy) -> None:
    """Minutes of another day than the group's, a clock that changes in a night: the readable engine decides."""
    if policy.day_attribution != "shift_start":
        begins = policy.day_start if policy.day_attribution == "split" else 0
        day = groups.day[runs.group]
        leaves = (clock.wall(runs.start) - begins) // DAY != day
        leaves |= (clock.wall(runs.end - 1) - begins) // DAY != day
        groups.odd_one_out[groups.person[runs.group[leaves]]] = True
    if policy.night:
        length = runs.end - runs.start
        changes = (clock.wall(runs.end - 1) - clock.wall(runs.start) != length - 1) | (length > DAY)
        groups.odd_one_out[groups.person[runs.group[changes]]] = True


def _extent(of: Ints, start: Ints, end: Ints, size: int) -> Ints:
    """From the first to the last minute of every group."""
    real = start < end
    of, start, end = of[real], start[real], end[real]
    extent = np.zeros(size, np.int64)
    extent[of[last_of_each(of)]] = end[last_of_each(of)] - start[first_of_each(of)]
    return extent


def _deducted(rules: tuple[AutoDeduct, ...], gross: Ints, gaps: Ints) -> tuple[Ints, Ints]:
    """After how many minutes the automatic break begins, and how long it is (contract 9.3)."""
    after, amount = np.full(len(gross), -1, np.int64), np.zeros(len(gross), np.int64)
    for rule in rules:
        reached = (gross >= rule.after_min if rule.is_inclusive else gross > rule.after_min) & (rule.after_min > after)
        its = np.full(len(gross), rule.deduct_min)
        if rule.mode == "top_up":
            its = np.maximum(0, rule.deduct_min - gaps)
        if rule.is_floored:
            its = np.minimum(its, gross - rule.after_min)
        if rule.mode == "unless_punched":
            its = np.where(gaps > 0, 0, its)
        after, amount = np.where(reached, rule.after_min, after), np.where(reached, its, amount)
    amount = np.minimum(gross, amount)
    return np.minimum(after, gross - amount), amount


def _night(runs: Pieces, groups: Groups, clock: Offsets, policy: Policy, after: Ints, deducted: Ints) -> Ints:
    """Night minutes without those that the automatic break took."""
    size = len(groups.person)
    if policy.night is None:
        return np.zeros(size, np.int64)
    length, of = runs.end - runs.start, runs.group
    before = np.cumsum(length) - length
    begins = first_of_each(of)
    before -= np.maximum.accumulate(np.where(begins, before, 0))
    low = np.clip(after[of] - before, 0, length)
    high = np.clip(after[of] + deducted[of] - before, 0, length)
    wall, window = clock.wall(runs.start), policy.night.window
    minutes = inside(wall, wall + length, window) - inside(wall + low, wall + high, window)
    return summed(of, minutes, size)


def _last_out(groups: Groups, policy: Policy, ends: _Ends) -> Ints:
    before = groups.minute[groups.first + np.maximum(groups.count - 2, 0)]
    left = np.where(ends.has_open, np.where(groups.count > 1, before, NEVER), ends.last)
    if policy.pairing.mode == "first_last":
        left = np.where(groups.count > 1, ends.last, NEVER)
    return np.where(ends.missing_in, ends.last, left)


def _punctuality(groups: Groups, shifts: Shifts, policy: Policy, first_in: Ints, last_out: Ints) -> tuple[Ints, Ints]:
    rule = policy.lateness
    late = first_in - shifts.due_in[groups.shift]
    early = shifts.due_out[groups.shift] - last_out
    late = np.where(groups.is_planned & (first_in != NEVER) & (late > rule.grace_in_min), late, 0)
    early = np.where(groups.is_planned & (last_out != NEVER) & (early > rule.grace_out_min), early, 0)
    if rule.counts_excess:
        late, early = np.maximum(late - rule.grace_in_min, 0), np.maximum(early - rule.grace_out_min, 0)
    return late, early
