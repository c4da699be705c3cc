from dataclasses import replace
from datetime import timedelta

import pytest

from biometric_flow.api.place import Capacity, Counters
from biometric_flow.place.findings import Facts, Incident, findings
from tests.builders import MOMENT

WELL = Facts(
    has_comm_key=True,
    asked_for_comm_key=True,
    drift=timedelta(seconds=3),
    capacity=Capacity(users=10, users_limit=100, punches=900, punches_limit=1000),
    counters=Counters(received=10, accepted=10),
)


def told(facts: Facts, *incidents: Incident) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in findings(facts, incidents)]


def test_a_terminal_that_is_well_has_no_findings() -> None:
    assert told(WELL) == []


@pytest.mark.parametrize(
    ("facts", "code", "severity"),
    [
        (replace(WELL, has_comm_key=False, asked_for_comm_key=False), "no_comm_key", "warning"),
        (replace(WELL, asked_for_comm_key=False), "comm_key_not_asked", "alarm"),
        (replace(WELL, drift=timedelta(seconds=-61)), "clock_drift", "warning"),
        (replace(WELL, capacity=Capacity(punches=901, punches_limit=1000)), "punches_nearly_full", "warning"),
        (replace(WELL, capacity=Capacity(users=100, users_limit=100)), "people_nearly_full", "alarm"),
        (replace(WELL, counters=Counters(received=2, accepted=1, quarantined=1)), "quarantine", "warning"),
    ],
)
def test_what_is_wrong_is_found(facts: Facts, code: str, severity: str) -> None:
    assert told(facts) == [(code, severity)]


def test_nothing_is_said_of_the_key_of_a_terminal_that_never_answered() -> None:
    assert told(replace(WELL, has_comm_key=False, asked_for_comm_key=None)) == []


def test_a_terminal_that_names_no_limits_is_not_full() -> None:
    assert told(replace(WELL, capacity=Capacity(users=9, punches=9))) == []


def test_alarms_come_first_and_incidents_keep_their_moment() -> None:
    changed = Incident("serial_changed", "another machine", MOMENT)
    found = findings(replace(WELL, drift=timedelta(hours=3)), [changed])
    assert [(one.code, one.since) for one in found] == [("serial_changed", MOMENT), ("clock_drift", None)]
    assert "3 hours ahead" in found[1].text
