"""The page of one terminal: what it may be told, with what consequence, and what became of it."""

import re
from datetime import UTC, datetime

import pytest
from dashboard_answers import terminal as answered

from biometric_flow.api.jobs import JobView
from biometric_flow.api.place import Finding
from biometric_flow.dashboard.views.terminal import NEEDED, OPERATE, ORDERS, SEEN, STATES, body, is_given, terminal
from biometric_flow.identity import job_kinds

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def everything(_permission: str) -> bool:
    return True


def nothing(_permission: str) -> bool:
    return False


def job(**changes: object) -> JobView:
    values: dict[str, object] = {
        "number": 1, "terminal": "gate", "order": {"kind": "restart"}, "state": "sent", "created_at": NOW,
        "expires_at": NOW, "changed_at": NOW,
    }  # fmt: skip
    return JobView.model_validate(values | changes)


def test_an_order_is_said_to_have_worked_only_once_the_terminal_confirmed_it() -> None:
    view = terminal(answered(), {}, [job(state=state) for state in STATES], "", everything)

    words = [row[2]["badge"] for row in view["jobs"]["rows"]]
    assert [tone for _shape, _word, tone in words] == ["unknown", "warn", "ok", "bad", "bad"]
    assert words[1][1] == "Sent, not confirmed yet"


def test_every_button_says_what_will_happen_and_what_disturbs_people_asks_first() -> None:
    one = answered()
    actions = {each["name"]: each for each in terminal(answered(has_comm_key=True), {}, [], "", everything)["actions"]}

    assert set(actions) == set(ORDERS) - {"set_comm_key"}, "it has a key"
    bare = terminal(answered(has_comm_key=False), {}, [], "", everything)["actions"]
    assert {each["name"] for each in bare} == set(ORDERS)
    assert all(one.name in each["title"] for each in actions.values())
    assert {name for name, each in actions.items() if each["dialog"]} == {"restart", "unlock", "clear_log"}
    assert re.fullmatch(actions["clear_log"]["dialog"]["fields"][0]["pattern"], one.name)


def test_clearing_needs_the_name_of_the_terminal_typed_and_nothing_unknown_is_ordered() -> None:
    one = answered()

    assert is_given({"name": "sync_time"}, one)
    assert is_given({"name": "clear_log", "typed": f" {one.name} "}, one)
    assert not is_given({"name": "clear_log", "typed": "another"}, one)
    assert not is_given({"name": "clear_log"}, one)
    assert not is_given({"name": "clear_all", "typed": one.name}, one)
    assert not is_given({}, one)


def test_only_orders_that_the_account_may_give_are_shown() -> None:
    assert {kind: NEEDED.get(kind, OPERATE) for kind in ORDERS} == {kind: job_kinds.NEEDED[kind] for kind in ORDERS}

    view = terminal(answered(has_comm_key=False), {}, [], "", lambda one: one in (OPERATE, "door:open"))

    assert {each["name"] for each in view["actions"]} == {"sync_time", "pull_again", "restart", "unlock"}
    assert not view["no_actions"]


@pytest.mark.parametrize("kind", ORDERS)
def test_every_order_is_one_that_a_place_understands(kind: str) -> None:
    assert job(order=body(kind)).order.kind == kind


def test_without_the_right_there_are_no_buttons_and_whom_to_ask_is_said() -> None:
    view = terminal(answered(), {}, None, "The place cannot be asked right now (place.unreachable).", nothing)

    assert view["actions"] == []
    assert "administrator" in view["no_actions"]
    assert view["jobs"]["count"] == "The place cannot be asked right now (place.unreachable)."


def test_what_happened_once_can_be_seen_and_what_lasts_cannot_be_wished_away() -> None:
    happened = Finding(code="tamper", severity="alarm", text="The case was opened", since=NOW)
    lasts = Finding(code="no_comm_key", severity="warning", text="It has no communication key")
    one = answered(findings=[happened, lasts])

    first, second = terminal(one, {}, [], "", everything)["findings"]
    (seen,) = first["actions"]
    assert (seen["name"], seen["payload"], seen["label"]) == (
        SEEN,
        {"code": "tamper"},
        "I have seen it: The case was opened",
    )
    assert second["actions"] == []
    assert [each["actions"] for each in terminal(one, {}, [], "", nothing)["findings"]] == [[], []]
