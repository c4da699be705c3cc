"""What the gateway says in English sentences is said in Arabic; whatever it says otherwise is shown as it came."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from dashboard_answers import terminal

from biometric_flow.api.gateway import PlaceView
from biometric_flow.dashboard.look import ARABIC, Look, look, made_for
from biometric_flow.dashboard.said import LENGTH_MAX, SENTENCES, said
from biometric_flow.gateway.attention import attention
from biometric_flow.gateway.pay import completeness
from biometric_flow.model.terminal import TerminalState
from biometric_flow.policy import explain

ARABIC_LETTERS = re.compile("[\u0600-\u06ff]")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _reading_arabic() -> object:
    before = look()
    made_for(Look(ARABIC))
    yield
    made_for(before)


def place(**changes: object) -> PlaceView:
    values: dict[str, object] = {
        "id": "cairo", "name": "Cairo plant", "zone": "Africa/Cairo", "position": 1, "head": 5, "last_report": NOW,
        "is_reporting": True, "terminals_online": 1, "terminals_total": 1, "people": 1, "punches": 1,
    }  # fmt: skip
    return PlaceView.model_validate(values | changes)


def test_every_sentence_of_an_explained_day_is_known() -> None:
    kept = set(SENTENCES)
    for words in (*explain._WORDS.values(), explain._PLACED):
        either = {words} if words != "Worked from {before} to {after}{about}." else {
            "Worked from {before} to {after}.", "Worked from {before} to {after} ({about})."
        }  # fmt: skip
        assert either <= kept, words


def test_what_needs_attention_is_said_in_arabic_with_its_names_and_numbers() -> None:
    found = attention(
        [place()],
        [
            terminal(state=TerminalState.OFFLINE, reason="no answer", drift_ms=0),
            terminal(key="b", name="Back gate", drift_ms=-75_000, has_comm_key=False, last_contact=NOW),
        ],
    )
    texts = [said(row.text) for row in found]

    assert len(texts) >= 3
    for text in texts:
        assert ARABIC_LETTERS.search(text), text
    assert any("75" in text and "متأخرة" in text for text in texts)
    assert said("Dhaka does not report; its numbers are left out of the totals").startswith("لا يرسل Dhaka")


def test_what_keeps_a_period_open_is_said_in_arabic() -> None:
    today = date(2026, 11, 23)
    silent = place(is_reporting=False, last_report=NOW - timedelta(days=40))
    found = [
        *completeness.of_places([silent, place()], [terminal(last_contact=None)], date(2026, 10, 1), today),
        *completeness.of_days(3, {"MISSING_OUT": 2}, 4, today, NOW),
    ]

    assert len(found) >= 5
    for one in found:
        assert ARABIC_LETTERS.search(said(one.text)), one.text
    assert said("2 workdays have MISSING_OUT") == "أيام عمل عددها 2 فيها: حركة الانصراف ناقصة"


def test_places_of_a_sentence_are_said_too_a_day_a_status_a_sentence_within_a_sentence() -> None:
    told = said("So the day is: half day. [rule 11 status, plain v1]")
    assert told == "وعليه فاليوم: نصف يوم. [القاعدة 11 status, plain v1]"
    assert said("Sunday 2026-11-22: 9:00 worked (9:00 regular), present") == (
        "الأحد 22 نوفمبر 2026: ساعات العمل 9:00 (9:00 regular)، حاضر"
    )


def test_another_sentence_and_a_very_long_one_are_shown_as_they_came() -> None:
    assert said("Somebody wrote this.") == "Somebody wrote this."
    long = "Left " + "x" * LENGTH_MAX + " early."
    assert said(long) == long
    made_for(Look())
    assert said("made") == "made"
