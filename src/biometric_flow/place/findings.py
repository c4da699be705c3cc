"""What is wrong with a terminal, as far as its place can tell: pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from biometric_flow.api.place import Capacity, Counters, Finding, Severity

DRIFT_LIMIT: Final = timedelta(seconds=60)
"""A clock that is further off writes punches into the wrong minute."""

FULL_RATIO: Final = 0.9
"""A terminal that is fuller than this needs room before it refuses or forgets."""

INCIDENTS: Final[dict[str, Severity]] = {
    "serial_changed": "alarm",
    "tamper": "alarm",
    "duress": "alarm",
    "door_forced": "alarm",
    "alarm": "alarm",
    "misoperation": "warning",
    "anti_passback": "warning",
    "generation_started": "warning",
    "firmware_changed": "alarm",
    "platform_changed": "alarm",
    "mac_changed": "alarm",
    "clock_reset": "warning",
    "clock_jumped": "warning",
    "clock_not_corrected": "warning",
    "door_held_open": "warning",
    "power_failure": "warning",
    "templates_left": "warning",
}
"""What happens once and stays until a person has seen it: code -> severity."""

_ORDER: Final[dict[Severity, int]] = {"alarm": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened to a terminal."""

    code: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What findings are made of."""

    has_comm_key: bool
    asked_for_comm_key: bool | None
    """Whether the terminal wanted a key at the last connect, None before the first."""
    drift: timedelta | None
    capacity: Capacity
    counters: Counters


def findings(facts: Facts, incidents: Iterable[Incident]) -> list[Finding]:
    """Everything that needs a person, most urgent first."""
    found = [
        *_comm_key(facts),
        *_clock(facts.drift),
        *_room(facts.capacity),
        *_quarantine(facts.counters),
        *(
            Finding(code=one.code, severity=INCIDENTS.get(one.code, "warning"), text=one.text, since=one.at)
            for one in incidents
        ),
    ]
    return sorted(found, key=lambda one: _ORDER[one.severity])


def _comm_key(facts: Facts) -> Iterator[Finding]:
    """Security-design D3: no key is a finding, a key that nobody asks for an alarm."""
    if facts.asked_for_comm_key is None:
        return
    if not facts.has_comm_key:
        text = (
            "It has no communication key: anyone on its network can read and change it. "
            "The job set_comm_key gives it one."
        )
        yield Finding(code="no_comm_key", severity="warning", text=text)
    elif not facts.asked_for_comm_key:
        text = (
            "A communication key is configured, but the terminal does not ask for it: it was reset or exchanged, "
            "or something else answers in its place. Check the terminal, then set the key on it."
        )
        yield Finding(code="comm_key_not_asked", severity="alarm", text=text)


def _clock(drift: timedelta | None) -> Iterator[Finding]:
    if drift is None or abs(drift) <= DRIFT_LIMIT:
        return
    way = "ahead" if drift > timedelta() else "behind"
    yield Finding(code="clock_drift", severity="warning", text=f"Its clock is {duration(abs(drift))} {way}.")


def _room(capacity: Capacity) -> Iterator[Finding]:
    for what, used, limit in (
        ("punches", capacity.punches, capacity.punches_limit),
        ("people", capacity.users, capacity.users_limit),
        ("fingers", capacity.fingers, capacity.fingers_limit),
        ("faces", capacity.faces, capacity.faces_limit),
    ):
        if limit and used > FULL_RATIO * limit:
            text = f"It holds {used} of {limit} {what}."
            severity: Severity = "alarm" if used >= limit else "warning"
            yield Finding(code=f"{what}_nearly_full", severity=severity, text=text)


def _quarantine(counters: Counters) -> Iterator[Finding]:
    if counters.quarantined:
        text = f"{counters.quarantined} of its rows could not become punches and were put aside."
        yield Finding(code="quarantine", severity="warning", text=text)


def duration(length: timedelta) -> str:
    """A positive length in words a person reads at a glance."""
    seconds = round(length.total_seconds())
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
