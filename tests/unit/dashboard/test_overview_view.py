from datetime import UTC, date, datetime
from typing import Any

import pytest
from dashboard_answers import NOW, kpis

from biometric_flow.api.gateway import Attention, PlaceFreshness, PlaceToday
from biometric_flow.dashboard.views.overview import (
    attention,
    missing_banner,
    places_table,
    shared_weekday,
    tiles,
    usual,
)


def tile(view: dict[str, Any], key: str) -> dict[str, Any]:
    return next(each for each in view["tiles"] if each["key"] == key)


def test_the_tiles_say_the_totals() -> None:
    view = tiles(kpis(), "Mondays")

    assert {each["key"]: each["value"] for each in view["tiles"]} == {
        "present": "31",
        "seen": "41",
        "punches": "1,204",
        "terminals": "6/6",
        "people": "52",
    }


@pytest.mark.parametrize(
    ("seen", "median", "weekday", "words"),
    [
        (32, 44.0, "Mondays", "12 fewer than usual Mondays"),
        (45, 44.0, "Mondays", "1 more than usual Mondays"),
        (44, 44.4, "Fridays", "the same as usual Fridays"),
        (32, 44.0, None, "12 fewer than usual by this time"),
        (32, None, "Mondays", "no history to compare with yet"),
    ],
)
def test_today_is_compared_with_the_usual_same_weekday_in_words(
    seen: int, median: float | None, weekday: str | None, words: str
) -> None:
    assert usual(kpis(seen_today=seen, usual_seen=median), weekday) == words


def test_the_weekday_is_named_only_when_it_is_the_same_everywhere() -> None:
    evening = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)

    assert shared_weekday(evening, ["Africa/Cairo", "Europe/Lisbon"]) == "Mondays"
    assert shared_weekday(evening, ["Africa/Cairo", "Asia/Dhaka"]) is None
    assert shared_weekday(evening, []) is None


def test_an_offline_terminal_is_said_with_shape_word_and_tone() -> None:
    offline = tile(tiles(kpis(terminals_online=4), None), "terminals")

    assert (offline["value"], offline["detail"], offline["tone"]) == ("4/6", "▲ 2 not online", "bad")


def test_a_silent_place_is_named_and_said_to_be_excluded() -> None:
    silent = PlaceFreshness(id="dhaka", name="Dhaka", is_reporting=False, as_of=NOW)
    never = PlaceFreshness(id="lisbon", name="Lisbon", is_reporting=False, as_of=None)

    first, second = missing_banner([silent, never])

    assert (first["name"], first["rest"]) == ("Dhaka", "Totals exclude it.")
    assert first["since"] == NOW.isoformat()
    assert (second["text"], second["since"]) == ("has never reported", None)


def test_at_most_seven_lines_ask_for_attention_in_the_given_order() -> None:
    rows = [Attention(kind="clock_drift", text=f"clock {n}", place="cairo") for n in range(9)]

    view = attention(rows)

    assert [row["text"] for row in view["rows"]] == [f"clock {n}" for n in range(7)]
    assert view["rows"][0]["href"] == "/devices?loc=cairo"


def test_a_place_without_people_has_no_share() -> None:
    row = PlaceToday(
        id="cairo",
        name="Cairo",
        zone="Africa/Cairo",
        local_date=date(2026, 11, 23),
        present=0,
        seen_today=0,
        people=0,
        punches_today=0,
        terminals_online=1,
        terminals_total=2,
        is_reporting=False,
        as_of=None,
        trend=[],
    )

    (line,) = places_table([row])["rows"]

    assert (line["share"], line["fresh"], line["terminals_tone"]) == (0, "Never heard", "bad")
