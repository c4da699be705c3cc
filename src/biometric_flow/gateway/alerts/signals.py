"""What is wrong right now, as signals: pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from biometric_flow.api.gateway import Attention, PlaceView
from biometric_flow.gateway.alerts.machine import Signal
from biometric_flow.gateway.pathless import pathless
from biometric_flow.identity.break_glass import REVIEWED_WITHIN

BACKLOG: Final = 1000
"""Entries that a place has and the gateway has not."""
SILENCE: Final = timedelta(minutes=2)
"""Silent places and terminals are told once they were silent for so long: a restart is none."""

KINDS: Final = {
    "checkpoint_refused": ("chain_broken", True),
    "witness_refused": ("chain_broken", True),
    "witness_silent": ("witness_silent", False),
    "place_silent": ("place_silent", True),
    "terminal_offline": ("terminal_silent", True),
    "terminal_blocked": ("terminal_blocked", False),
    "terminal_alarm": ("terminal_alarm", True),
    "clock_drift": ("clock_drift", False),
}
"""Line of what needs a person -> kind of alert, and whether it wakes somebody. Other lines can wait for the page."""
_SILENT: Final = ("place_silent", "terminal_offline")


@dataclass(frozen=True, slots=True)
class Process:
    """What this process itself knows to be wrong."""

    open_breakers: frozenset[str] = frozenset()
    """Places that are left alone after failures."""
    failed_sign_ins: int = 0
    is_attacked: bool = False
    is_backup_overdue: bool = False
    backup_failure: str = ""


@dataclass(frozen=True, slots=True)
class OpenedSeal:
    """A use of the sealed role that nobody has reviewed yet."""

    id: str
    account: str
    """E-mail addresses of who uses it, and of who opened it."""
    by: str
    ends_at: datetime


def signals(
    lines: Iterable[Attention],
    places: Sequence[PlaceView],
    process: Process,
    now: datetime,
    seals: Iterable[OpenedSeal] = (),
) -> list[Signal]:
    """Everything that is wrong, most urgent first as the lines are."""
    found = [_of_seal(one, now) for one in seals]
    found += [_of_line(line) for line in lines if line.kind in KINDS and _is_old_enough(line, now)]
    for place in places:
        behind = (place.head or 0) - place.position
        if behind > BACKLOG:
            text = f"{behind} entries of {place.name} have not reached the gateway"
            found.append(Signal("backlog", place.id, "", text))
        if place.id in process.open_breakers:
            text = f"{place.name} failed too often and is left alone for a while; questions to it are refused"
            found.append(Signal("breaker_open", place.id, "", text))
    if process.is_attacked:
        text = f"{process.failed_sign_ins} sign-ins failed within five minutes: somebody may be guessing passwords"
        found.append(Signal("sign_in_attack", "", "", text, is_urgent=True))
    if process.is_backup_overdue:
        reason = f": {pathless(process.backup_failure)[:200]}" if process.backup_failure else ""
        found.append(Signal("backup_overdue", "", "", f"The gateway's backup is overdue{reason}", is_urgent=True))
    return found


def _of_seal(one: OpenedSeal, now: datetime) -> Signal:
    """Until it was reviewed: what is over before anybody was told would never be told."""
    who = f"{one.account}, let in by {one.by}"
    if now < one.ends_at:
        text = f"Break-glass is open until {one.ends_at:%H:%M} UTC: {who}; everything they do is in the audit trail"
        return Signal("break_glass", "", one.id, text, is_urgent=True)
    due = one.ends_at + REVIEWED_WITHIN
    is_late = now >= due
    text = f"Break-glass was used by {who}; its review {'was' if is_late else 'is'} due by {due:%Y-%m-%d %H:%M} UTC"
    return Signal("break_glass_overdue" if is_late else "break_glass", "", one.id, text, is_urgent=True)


def _of_line(line: Attention) -> Signal:
    kind, is_urgent = KINDS[line.kind]
    return Signal(kind, line.place, line.terminal or "", line.text, is_urgent)


def _is_old_enough(line: Attention, now: datetime) -> bool:
    return line.kind not in _SILENT or line.since is None or now - line.since >= SILENCE
