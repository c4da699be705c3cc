"""Which events of a terminal need a person: tamper, forced doors, duress, power. Pure."""

from collections.abc import Iterable
from typing import Final

from biometric_flow.place.push.tables import EventKind, TerminalEvent

_STATES: Final = {
    "forced open": "door_forced",
    "tamper": "tamper",
    "reader tamper": "tamper",
    "duress password": "duress",
    "duress finger": "duress",
    "held open": "door_held_open",
    "mains": "power_failure",
    "battery": "power_failure",
}
"""The alarms of a door's state -> code of the incident."""

_EVENTS: Final = {100: "tamper", 101: "duress", 102: "door_forced", 103: "duress"}
"""Numbers of door events that name their cause; the others from 100 to 199 are alarms all the same."""

_REASONS: Final = {"54": "door_forced", "55": "tamper", "58": "misoperation"}
"""Reasons of the operation `alarm` of a time clock (zk-push-protocol 9)."""
_ALARM: Final = 3
_DURESS: Final = 32

TEXTS: Final = {
    "tamper": "Somebody opens it or takes it off the wall",
    "door_forced": "A door was opened by force",
    "door_held_open": "A door is held open",
    "duress": "Somebody was made to open under duress",
    "power_failure": "Its mains or battery failed",
    "alarm": "It raised an alarm",
    "misoperation": "Somebody tried to get in again and again",
}


def incidents_of(events: Iterable[TerminalEvent]) -> dict[str, str]:
    """Code -> text of what happened, the newest of each code."""
    found: dict[str, str] = {}
    for event in events:
        for code in _codes(event):
            found[code] = f"{TEXTS[code]} ({_where(event)})."
    return found


def _codes(event: TerminalEvent) -> list[str]:
    if event.kind is EventKind.ALARM:
        if event.code:
            return [_EVENTS.get(event.code, "alarm")]
        alarms = event.detail.partition(": ")[2].split(", ")
        return [_STATES.get(alarm, "alarm") for alarm in alarms]
    if event.kind is EventKind.OPERATION and event.code == _DURESS:
        return ["duress"]
    if event.kind is EventKind.OPERATION and event.code == _ALARM:
        reasons = [_REASONS[part] for part in event.detail.split(", ") if part in _REASONS]
        return reasons[:1]
    return []


def _where(event: TerminalEvent) -> str:
    door = event.detail.partition(",")[0].partition(":")[0]
    return f"{door}, {event.local_time}" if event.code and door.startswith("door") else door or event.local_time
