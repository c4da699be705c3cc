"""One group of punches from pairing to net minutes, with everything that was found on the way (contract 6-11)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from biometric_flow.policy.attribution import Group
from biometric_flow.policy.breaks import Run, merge_paid_gaps, minutes_of, owes_meal, take_breaks, union
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.irregularities import early_minutes, late_minutes
from biometric_flow.policy.missing import settle
from biometric_flow.policy.pairing import Paired, Piece, pair
from biometric_flow.policy.rounding import Ends
from biometric_flow.policy.schedules import Instance, middle
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import HomeZone, Span


@dataclass(slots=True)
class Worked:
    """What one group's punches amount to."""

    day: int
    plan: Instance | None
    has_punches: bool = False
    pieces: list[Piece] = field(default_factory=list)
    """As punched, with fills; what meals and rest are judged by."""
    runs: list[Run] = field(default_factory=list)
    gross: int = 0
    """From the first to the last minute as punched."""
    rounding: int = 0
    """What moving the ends added to (or took from) gross."""
    unpaid: int = 0
    late: int = 0
    early: int = 0
    owes_meal: bool = False
    first_in: int | None = None
    last_out: int | None = None
    irregularities: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)


def work_out(group: Group, given: Inputs, half_leave: str | None) -> Worked:
    """Pair a group, settle what is missing, move the ends, take the breaks. `half_leave`: which half, if any."""
    worked = Worked(group.day, group.plan)
    if not group.punches:
        return worked
    worked.has_punches = True
    _note_punches(group, worked.steps)
    policy = given.policy
    paired = pair(group.punches, policy.pairing)
    settle(group, paired, policy, given.as_of)
    worked.irregularities = paired.irregularities
    if group.plan is None:
        worked.irregularities.add("UNSCHEDULED")
    worked.pieces = sorted(paired.pieces, key=lambda piece: piece.start)
    _note_pieces(worked)
    final = _net(worked, given, half_leave)
    _punctuality(worked, paired, final, given, half_leave)
    worked.owes_meal = owes_meal(worked.pieces, policy.meal_penalty)
    return worked


def _net(worked: Worked, given: Inputs, half_leave: str | None) -> list[Piece]:
    policy, plan, steps = given.policy, worked.plan, worked.steps
    merged = merge_paid_gaps(worked.pieces, policy.breaks.paid_gap, steps)
    bounds = trimmed((plan.start, plan.end), half_leave) if plan else (0, 0)
    final = Ends(policy, given.zone, plan, bounds, steps).move(merged)
    runs = union(final)
    net = take_breaks(runs, policy.breaks, given.zone, steps)
    worked.runs, worked.unpaid = net.runs, net.unpaid
    worked.gross = _extent(union(worked.pieces))
    worked.rounding = _extent(runs) - worked.gross
    return final


def _extent(runs: Sequence[Run]) -> int:
    return runs[-1].end - runs[0].start if runs else 0


def trimmed(bounds: Span, half_leave: str | None) -> Span:
    """Start and end of the half that is left to work."""
    start, end = bounds
    if half_leave == "first_half":
        return middle(start, end), end
    if half_leave == "second_half":
        return start, middle(start, end)
    return bounds


def _punctuality(worked: Worked, paired: Paired, final: Sequence[Piece], given: Inputs, half_leave: str | None) -> None:
    outs = set(paired.outs)
    ins = [piece.start for piece in paired.pieces if not (piece.is_filled and piece.end in outs)]
    if paired.open_in is not None:
        ins.append(paired.open_in)
    worked.first_in = min(ins, default=None)
    worked.last_out = max(paired.outs, default=None)
    if worked.plan is None:
        return
    rule = given.policy.lateness
    came, left = worked.first_in, worked.last_out
    if rule.from_rounded and final:
        came = final[0].start if came is not None else None
        left = final[-1].end if left is not None else None
    due_in, due_out = trimmed((worked.plan.core_start, worked.plan.core_end), half_leave)
    if came is not None:
        worked.late = late_minutes(rule, due_in, came)
    if left is not None and "IN_PROGRESS" not in paired.irregularities:
        worked.early = early_minutes(rule, due_out, left)
    for name, minutes in (("11 late", worked.late), ("11 early_out", worked.early)):
        if minutes:
            worked.steps.append(Step(name, None, minutes))


def _note_punches(group: Group, steps: list[Step]) -> None:
    about = f"shift {group.plan.shift.id}" if group.plan else "unscheduled work"
    for punch, rule in zip(group.punches, group.rule, strict=True):
        steps.extend(punch.notes)
        steps.append(Step(rule, None, punch.minute, f"{punch.id} to {about}", True))


def _note_pieces(worked: Worked) -> None:
    for piece in worked.pieces:
        rule = "7 fill" if piece.is_filled else "6 session"
        worked.steps.append(Step(rule, piece.start, piece.end, "overtime key" if piece.is_overtime else "", True))
    for irregularity in sorted(worked.irregularities):
        worked.steps.append(Step("7 irregularity", None, None, irregularity))


def attributed(worked: Worked, mode: str, day_start: int, zone: HomeZone) -> list[tuple[int, list[Run]]]:
    """The net minutes by workday (contract 10). For `shift_end` and `majority` this re-dates the group itself."""
    if mode == "split":
        return _split(worked.runs, day_start, zone)
    if worked.runs and mode == "shift_end":
        _redate(worked, zone.day(worked.runs[-1].end - 1))
    elif worked.runs and mode == "majority":
        # The days are in order, and of equals `max` takes the first.
        _redate(worked, max(_split(worked.runs, 0, zone), key=lambda part: minutes_of(part[1]))[0])
    return [(worked.day, worked.runs)] if worked.runs else []


def _redate(worked: Worked, day: int) -> None:
    if day != worked.day:
        worked.steps.append(Step("10 day_attribution", worked.day, day, "day"))
        worked.day = day


def _split(runs: Sequence[Run], day_start: int, zone: HomeZone) -> list[tuple[int, list[Run]]]:
    days: dict[int, list[Run]] = {}
    for run in runs:
        for day, (start, end) in zone.by_day((run.start, run.end), day_start):
            days.setdefault(day, []).append(Run(start, end, run.is_overtime))
    return sorted(days.items())
