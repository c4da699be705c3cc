"""From what terminals and people wrote to true instants in order (contract 2.1-2.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from biometric_flow.policy.inputs import NO_KEY, ClockCorrection, Correction, GivenPunch, Inputs, TerminalFacts
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import HomeZone

_DIRECTIONS: Final = {"in": 0, "out": 1}


@dataclass(frozen=True, slots=True)
class Touch:
    """A punch at its true second, with what was done to get there."""

    id: str
    second: int
    code: int
    notes: tuple[Step, ...] = ()


def touches(given: Inputs, known_at: int | None = None) -> tuple[list[Touch], list[Touch]]:
    """All punches that count, in arrival order, and those that were voided.

    With `known_at` only what was known at that second (contract 14).
    """
    stamped = resolve_stamps(given.punches, given.terminals, given.zone)
    found = [
        _true(punch, second, given)
        for punch, second in zip(given.punches, stamped, strict=True)
        if known_at is None or punch.received is None or punch.received <= known_at
    ]
    voided: list[Touch] = []
    if given.corrections:
        found, voided = _corrected(found, given.corrections, known_at)
    if given.as_of is not None:
        found = [touch for touch in found if touch.second <= given.as_of]
    return found, voided


def resolve_stamps(punches: Sequence[GivenPunch], terminals: Mapping[str, TerminalFacts], home: HomeZone) -> list[int]:
    """The instant of every punch, in the order given. A terminal's own stamps are taken in its sequence order."""
    seconds = [punch.second or 0 for punch in punches]
    if all(punch.wall_second is None for punch in punches):
        return seconds
    order = sorted(
        range(len(punches)),
        key=lambda index: index if (sequence := punches[index].sequence) is None else sequence,
    )
    last: dict[str | None, int] = {}
    for index in order:
        punch = punches[index]
        if punch.wall_second is not None:
            facts = terminals.get(punch.terminal or "")
            options = (facts.zone if facts else home).candidates(punch.wall_second)
            before = last.get(punch.terminal)
            seconds[index] = next((one for one in options if before is None or one >= before), options[-1])
        last[punch.terminal] = seconds[index]
    return seconds


def _true(punch: GivenPunch, second: int, given: Inputs) -> Touch:
    notes: tuple[Step, ...] = ()
    code = punch.code
    if punch.terminal is not None:
        offset = _drift(punch.terminal, second, given.clock_corrections)
        if offset:
            notes += (Step("2.2 drift", second // 60, (second - offset) // 60, punch.id, True),)
            second -= offset
        facts = given.terminals.get(punch.terminal)
        if facts and facts.direction:
            code = _DIRECTIONS[facts.direction]
            if code != punch.code:
                notes += (Step("2.3 direction", punch.code, code, punch.id),)
    return Touch(punch.id, second, code, notes)


def _drift(terminal: str, second: int, corrections: Sequence[ClockCorrection]) -> int:
    for row in corrections:
        if row.terminal == terminal and row.since <= second < row.until:
            return row.offset
    return 0


def _corrected(
    found: Sequence[Touch], corrections: Sequence[Correction], known_at: int | None
) -> tuple[list[Touch], list[Touch]]:
    by_id: dict[str, list[Touch]] = {}
    voided: list[Touch] = []
    for touch in found:
        by_id.setdefault(touch.id, []).append(touch)
    for correction in sorted(corrections, key=lambda one: one.sequence):
        late = known_at is not None and correction.approved is not None and correction.approved > known_at
        if correction.is_approved and not late:
            _apply(correction, by_id, voided)
    return [touch for touches_of_one in by_id.values() for touch in touches_of_one], voided


def _apply(correction: Correction, by_id: dict[str, list[Touch]], voided: list[Touch]) -> None:
    match correction.op:
        case "add":
            assert correction.second is not None
            note = Step("2.4 correction.add", None, correction.second // 60, correction.id, True)
            code = NO_KEY if correction.code is None else correction.code
            by_id.setdefault(correction.id, []).append(Touch(correction.id, correction.second, code, (note,)))
        case "void":
            for touch in by_id.pop(correction.punch or "", ()):
                note = Step("2.4 correction.void", touch.second // 60, None, f"{touch.id} by {correction.id}", True)
                voided.append(replace(touch, notes=(*touch.notes, note)))
        case _:
            target = correction.punch or ""
            if target in by_id:
                by_id[target] = [_replaced(touch, correction) for touch in by_id[target]]


def _replaced(touch: Touch, correction: Correction) -> Touch:
    second = touch.second if correction.second is None else correction.second
    code = touch.code if correction.code is None else correction.code
    note = Step("2.4 correction.replace", touch.second // 60, second // 60, f"{touch.id} by {correction.id}", True)
    return replace(touch, second=second, code=code, notes=(*touch.notes, note))
