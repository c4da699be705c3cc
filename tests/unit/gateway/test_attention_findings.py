from typing import Any

import pytest

from biometric_flow.api.gateway import PlaceView, TerminalStatus
from biometric_flow.api.place import Finding
from biometric_flow.gateway.attention import attention
from tests.builders import MOMENT

PLACE = PlaceView.model_construct(id="cairo", name="Cairo", is_reporting=True)


def terminal(**more: Any) -> TerminalStatus:
    told: dict[str, Any] = {
        "key": "gate",
        "name": "Main gate",
        "host": "192.0.2.1",
        "port": 4370,
        "is_enabled": True,
        "state": "online",
        "state_since": MOMENT,
        "has_comm_key": True,
        "place": "cairo",
        "as_of": MOMENT,
        "is_stale": False,
    }
    return TerminalStatus.model_validate(told | more)


@pytest.mark.parametrize(("severity", "kind"), [("alarm", "terminal_alarm"), ("warning", "terminal_finding")])
def test_what_a_place_found_at_a_terminal_reaches_people(severity: Any, kind: str) -> None:
    finding = Finding(code="serial_changed", severity=severity, text="Another machine answers.", since=MOMENT)
    [line] = attention([PLACE], [terminal(findings=[finding])])
    assert (line.kind, line.terminal, line.since) == (kind, "gate", MOMENT)
    assert line.text == "Main gate at Cairo: Another machine answers."


def test_a_finding_with_a_line_of_its_own_is_said_once() -> None:
    late = Finding(code="clock_drift", severity="warning", text="Its clock is 2 minutes ahead.")
    assert [line.kind for line in attention([PLACE], [terminal(findings=[late], drift_ms=120_000)])] == ["clock_drift"]


def test_alarms_come_before_warnings() -> None:
    found = [
        Finding(code="firmware_changed", severity="warning", text="w"),
        Finding(code="comm_key_not_asked", severity="alarm", text="a"),
    ]
    assert [line.text[-1] for line in attention([PLACE], [terminal(findings=found)])] == ["a", "w"]
