"""Pay periods and requests as pages: one primary step, what is in the way, and nobody deciding their own."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from biometric_flow.api.corrections import RecordedCorrection
from biometric_flow.api.hours import Completeness, Obstacle, PeriodView, Preview, RegularisationView
from biometric_flow.dashboard.views.periods import period
from biometric_flow.dashboard.views.requests import requests

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PERSON = UUID(int=7)


def pay_period(**changes: Any) -> PeriodView:
    values: dict[str, Any] = {
        "id": "2026-10", "from": date(2026, 10, 1), "to": date(2026, 10, 31), "approvers": 2, "status": "open",
        "approved_by": [], "locked_at": None, "version": 1,
    }  # fmt: skip
    return PeriodView.model_validate(values | changes)


def asked(**changes: Any) -> RegularisationView:
    values: dict[str, Any] = {
        "id": UUID(int=1), "person": PERSON, "date": date(2026, 10, 6), "operation": "add", "punch": None,
        "at": datetime(2026, 10, 6, 15, tzinfo=UTC), "state": 1, "minutes": None, "reason": "Forgot",
        "status": "requested",
        "requested_by": "other", "requested_at": NOW, "decided_by": None, "decided_at": None, "decision_reason": "",
    }  # fmt: skip
    return RegularisationView.model_validate(values | changes)


def names(view: dict[str, Any]) -> list[str]:
    return [action["name"] for action in view["actions"]]


def test_each_state_of_a_period_offers_its_own_next_step() -> None:
    complete = Completeness(is_complete=True, obstacles=[])

    assert names(period(pay_period(), complete)) == ["close"]
    assert names(period(pay_period(status="closed"), None)) == ["approve", "reopen"]
    assert names(period(pay_period(status="locked"), None)) == ["reopen"]


def test_files_are_offered_once_a_period_is_locked() -> None:
    assert period(pay_period(status="closed"), None)["files"] == []
    assert period(pay_period(status="locked"), None)["files"][0]["href"] == "/download/periods/2026-10/csv"


def test_closing_over_what_is_missing_asks_for_a_reason_and_says_how_much_is_missing() -> None:
    missing = Obstacle(kind="request", subject="3", text="3 requests wait")
    view = period(pay_period(), Completeness(is_complete=False, obstacles=[missing]))
    close = view["actions"][0]

    assert close["payload"] == {"force": True}
    assert close["dialog"]["fields"][0]["required"]
    assert "1 thing is in the way." in close["dialog"]["text"]
    assert view["obstacles"] == [{"text": "3 requests wait", "href": "/requests"}]


def test_reopening_needs_a_reason() -> None:
    reopen = period(pay_period(status="locked"), None)["actions"][0]

    assert reopen["dialog"]["fields"][0]["required"]


def test_ones_own_request_cannot_be_chosen_and_others_can() -> None:
    view = requests([asked(), asked(requested_by="me")], {}, "requested", False, "me", None)

    assert [row["select"]["why_not"] for row in view["rows"]] == ["", "Yours"]
    assert names(view) == ["preview", "approve", "reject"]
    assert "Add a punch at 2026-10-06 15:00 UTC" in view["rows"][0]["cells"][2]["text"]


def test_what_is_decided_offers_no_decision() -> None:
    view = requests([asked(status="approved")], {}, "approved", False, "me", None)

    assert names(view) == []
    assert view["rows"][0]["select"] is None


def test_an_approval_that_its_place_refused_to_record_is_shown_with_the_reason_until_it_is_taken_back() -> None:
    mark = RecordedCorrection(operation="add", place="cairo", entry=6, refused="erased", at=asked().requested_at)
    view = requests([asked(status=one, recorded=[mark]) for one in ("approved", "rejected")], {}, "", False, "", None)

    refused, taken_back = (row["cells"][-1] for row in view["rows"])
    assert refused["badge"] == ["■", "Not in the ledger", "bad"]
    assert refused["detail"] == "cairo cannot record it: the person was erased there."
    assert taken_back["badge"][1] == "Rejected"


def test_a_preview_says_how_hours_change_before_anything_is_decided() -> None:
    told = Preview(people=1, days=2, worked=-90, pay={"overtime": 30}, changes=[])
    view = requests([asked()], {}, "requested", False, "me", told)

    assert view["preview"]["text"] == "2 workdays change, worked −1:30, overtime +0:30"
