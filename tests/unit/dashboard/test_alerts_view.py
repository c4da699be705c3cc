"""Alerts as the page and the bell show them."""

import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

import biometric_flow.gateway.alerts.signals as source
from biometric_flow.api.alerts import AlertView, Channel, QuietHours
from biometric_flow.dashboard.views.alerts import NAMES, alerts, bell

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)


def alert(**changes: Any) -> AlertView:
    values = {
        "id": UUID(int=1), "kind": "terminal_silent", "place": "cairo", "subject": "gate", "text": "Gate is offline",
        "is_urgent": True, "raised_at": NOW, "told_at": None, "acknowledged_at": None, "acknowledged_by": "",
        "resolved_at": None,
    }  # fmt: skip
    return AlertView.model_validate(values | changes)


def shown(found: list[AlertView], channels: list[Channel] | None = None, *, may: bool = True) -> dict[str, Any]:
    return alerts(found, channels, {"cairo": "Cairo"}, ["UTC"], "me", is_open=True, may_acknowledge=may)


def test_every_kind_of_alert_that_the_gateway_raises_has_a_name() -> None:
    text = Path(source.__file__).read_text("utf-8")
    raised = {kind for kind, _urgent in source.KINDS.values()} | set(re.findall(r'Signal\("([a-z_]+)"', text))
    assert raised | {"break_glass", "break_glass_overdue"} == set(NAMES)


def test_the_bell_counts_what_nobody_takes_care_of() -> None:
    found = [alert(), alert(acknowledged_at=NOW), alert(resolved_at=NOW), alert(kind="backlog")]
    assert bell(found) == {"count": 2, "label": "2 alerts wait for somebody"}
    assert bell([]) == {"count": 0, "label": "No alert waits for anybody"}


def test_an_alert_leads_to_its_terminal_and_is_taken_once() -> None:
    rows = shown([alert(), alert(acknowledged_at=NOW, acknowledged_by="me"), alert(resolved_at=NOW)])["sections"][0][
        "rows"
    ]
    assert rows[0]["cells"][0]["href"] == "/devices?id=cairo%2Fgate"
    assert [row["cells"][3]["badge"][1] for row in rows] == ["Urgent", "Taken care of", "Over"]
    assert rows[1]["cells"][3]["detail"] == "by you"
    assert [len(row["actions"]) for row in rows] == [1, 0, 0]
    assert shown([alert()], may=False)["sections"][0]["rows"][0]["actions"] == []


def test_channels_are_shown_to_who_may_see_them_with_their_state_and_never_their_address() -> None:
    quiet = QuietHours(begins=time(22), ends=time(6), zone="Africa/Cairo")
    channels = [
        Channel(name="keeper", service="mailtos", quiet=quiet, is_enabled=True, waiting=0, failure=""),
        Channel(name="chat", service="slack", quiet=None, is_enabled=True, waiting=3, failure="refused with 403"),
        Channel(name="sms", service="twilio", quiet=None, is_enabled=True, waiting=2, failure=""),
    ]
    assert len(shown([])["sections"]) == 1
    rows = shown([], channels)["sections"][1]["rows"]
    assert rows[0]["cells"][1]["text"] == "22:00-06:00 Africa/Cairo"
    assert [row["cells"][2]["badge"][1] for row in rows] == ["Works", "Fails", "2 messages wait"]
    assert [[one["name"] for one in row["actions"]] for row in rows] == [["test", "remove"]] * 3
