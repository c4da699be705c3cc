"""Punches read twice, and the cut to whole minutes (contract 2.6 and 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from biometric_flow.policy.instants import Touch
from biometric_flow.policy.rules import Duplicates
from biometric_flow.policy.trace import Step


@dataclass(frozen=True, slots=True)
class KeptPunch:
    """A punch that counts, at its minute. `dropped` are the readings it stands for, and what was done to it."""

    id: str
    minute: int
    code: int
    notes: tuple[Step, ...] = ()


def keep(touches: Sequence[Touch], rule: Duplicates) -> list[KeptPunch]:
    """Drop what is the same record again or too soon after the last kept one; ties are in arrival order."""
    kept: list[Touch] = []
    notes: list[list[Step]] = []
    seen: set[tuple[int, int]] = set()
    last_of: dict[int | None, int] = {}
    window = rule.window_min * 60
    for touch in sorted(touches, key=lambda one: one.second):
        key = touch.code if rule.by_code else None
        last = last_of.get(key)
        same = (touch.second, touch.code) in seen
        if same or (last is not None and touch.second - last < window):
            reason = "3 duplicate.same" if same else "3 duplicate.window"
            notes[-1].append(Step(reason, touch.second // 60, None, touch.id, True))
            continue
        seen.add((touch.second, touch.code))
        last_of[key] = touch.second
        kept.append(touch)
        notes.append(list(touch.notes))
    return [
        KeptPunch(touch.id, touch.second // 60, touch.code, tuple(steps))
        for touch, steps in zip(kept, notes, strict=True)
    ]
