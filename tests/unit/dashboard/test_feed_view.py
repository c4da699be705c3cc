from datetime import UTC, datetime

import pytest
from dashboard_answers import punch

from biometric_flow.dashboard.views.feed import feed, feed_row


def test_a_row_says_who_where_when_and_how() -> None:
    row = feed_row(punch(), "Cairo head office")

    assert (row["time"], row["zone"], row["name"], row["pin"]) == ("11:30:05", "Cairo", "Amina Hassan", "17")
    assert (row["place_name"], row["terminal"]) == ("Cairo head office", "Main gate")
    assert (row["arrow"], row["word"], row["icon"], row["method"]) == ("→", "Check in", "fingerprint", "Fingerprint")


@pytest.mark.parametrize(
    ("state", "direction", "word"),
    [(1, "out", "Check out"), (2, "out", "Break start"), (3, "in", "Break end"), (255, "none", "Punch")],
)
def test_the_direction_follows_the_key_pressed(state: int, direction: str, word: str) -> None:
    row = feed_row(punch(state=state), "Cairo")

    assert (row["direction"], row["word"]) == (direction, word)


def test_an_unknown_verify_number_is_shown_as_that_number() -> None:
    assert feed_row(punch(verify=9), "Cairo")["method"] == "Method 9"


def test_card_is_recognised_under_both_of_its_numbers() -> None:
    assert {feed_row(punch(verify=number), "Cairo")["method"] for number in (2, 4)} == {"Card"}


def test_a_person_without_a_name_is_shown_by_number() -> None:
    assert feed_row(punch(name=""), "Cairo")["name"] == "Person 17"


def test_a_punch_that_came_much_later_than_the_touch_is_marked() -> None:
    late = punch(received_at=datetime(2026, 11, 23, 9, 40, tzinfo=UTC))

    assert feed_row(late, "Cairo")["badge"] == "Delivered late"
    assert feed_row(punch(), "Cairo")["badge"] == ""


def test_a_name_that_looks_like_markup_is_passed_on_unchanged() -> None:
    name = "<img src=x onerror=alert(1)>"

    assert feed_row(punch(name=name), "Cairo")["name"] == name


def test_the_feed_keeps_the_order_it_is_given() -> None:
    view = feed([punch(position=2), punch(position=1)], {"cairo": "Cairo head office"}, ["cairo"], 12.5)

    assert [row["position"] for row in view["rows"]] == [2, 1]
    assert view["rows"][0]["place_name"] == "Cairo head office"
    assert "{n}" in view["show_new"]
