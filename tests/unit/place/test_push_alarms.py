"""Which events of a terminal that dials become findings."""

import pytest

from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.findings import INCIDENTS
from biometric_flow.place.push.alarms import TEXTS, incidents_of
from biometric_flow.place.push.tables import EventKind, TerminalEvent

TIME = "2026-03-02T08:00:00"


def event(kind: EventKind, code: int, detail: str = "") -> TerminalEvent:
    return TerminalEvent(TerminalSerial("PUSH0001"), kind, code, "", TIME, detail)


@pytest.mark.parametrize(
    ("happened", "codes"),
    [
        (event(EventKind.ALARM, 100, "door 1, number 7"), {"tamper"}),
        (event(EventKind.ALARM, 102, "door 1, number 7"), {"door_forced"}),
        (event(EventKind.ALARM, 103, "door 1, number 7"), {"duress"}),
        (event(EventKind.ALARM, 6005, "door 1, number 7"), {"alarm"}),
        (event(EventKind.ALARM, 0, "door 2: tamper, held open, mains"), {"tamper", "door_held_open", "power_failure"}),
        (event(EventKind.OPERATION, 3, "0, 54, 0, 0"), {"door_forced"}),
        (event(EventKind.OPERATION, 32), {"duress"}),
        (event(EventKind.OPERATION, 4), set()),
        (event(EventKind.REFUSED, 23, "door 1, number 7"), set()),
        (event(EventKind.DOOR, 8, "door 1, number 7"), set()),
    ],
)
def test_an_alarm_is_a_finding_and_what_happens_every_day_is_none(happened: TerminalEvent, codes: set[str]) -> None:
    assert set(incidents_of([happened])) == codes


def test_every_alarm_has_a_severity_and_a_text_that_says_where() -> None:
    assert set(TEXTS) <= set(INCIDENTS)
    text = incidents_of([event(EventKind.ALARM, 102, "door 3, number 7")])["door_forced"]
    assert text == f"A door was opened by force (door 3, {TIME})."
