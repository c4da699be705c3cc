import pytest
from dashboard_answers import terminal

from biometric_flow.dashboard.views.devices import STATES, device, devices, drift, used
from biometric_flow.model.terminal import TerminalState

PLACES = {"cairo": "Cairo head office", "dhaka": "Dhaka plant"}


def names(view: dict[str, object]) -> list[str]:
    rows = view["rows"]
    assert isinstance(rows, list)
    return [row["name"] for row in rows]


def test_every_state_has_a_shape_and_a_word_of_its_own_colour_apart() -> None:
    assert set(STATES) == set(TerminalState)
    assert len({word for _, word, _ in STATES.values()}) == len(STATES)


def test_the_most_urgent_terminals_come_first() -> None:
    view = devices(
        [terminal(name="a"), terminal(name="b", state="offline"), terminal(name="c", state="late")], PLACES, [], ""
    )

    assert names(view) == ["b", "c", "a"]


def test_states_and_text_narrow_the_list_and_the_count_says_so() -> None:
    terminals = [
        terminal(name="Gate", serial="AAAA1"),
        terminal(name="Canteen", serial="BBBB2", state="offline"),
        terminal(name="Store", serial="BBBB3", state="offline"),
    ]

    view = devices(terminals, PLACES, ["offline"], " bbbb2 ")

    assert names(view) == ["Canteen"]
    assert view["count"] == "1 of 3 terminals"


def test_an_empty_list_says_whether_a_filter_or_a_missing_terminal_is_the_reason() -> None:
    assert devices([terminal()], PLACES, [], "nothing like it")["empty"]["title"] == "No terminal matches."
    assert devices([], PLACES, [], "")["empty"]["title"] == "No terminals yet."


def test_a_silent_place_makes_the_state_doubtful_instead_of_green() -> None:
    card = device(terminal(is_stale=True), PLACES)

    assert (card["shape"], card["word"], card["tone"]) == ("○", "Unknown, was Online", "unknown")
    assert card["stale"]


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (None, "not measured"),
        (400, "none"),
        (-45_000, "45 s behind"),
        (61_000, "61 s ahead"),
        (7_200_000, "120 min ahead"),
    ],
)
def test_drift_is_said_in_words(milliseconds: int | None, words: str) -> None:
    assert drift(milliseconds) == words


def test_a_clock_more_than_thirty_seconds_off_is_marked() -> None:
    def tone(milliseconds: int) -> str:
        facts = device(terminal(drift_ms=milliseconds), PLACES)["main"]
        return next(tone for label, _, tone in facts if label == "Clock drift")

    assert (tone(29_000), tone(-31_000)) == ("", "warn")


def test_capacity_is_a_share_only_where_the_terminal_gave_a_limit() -> None:
    assert used(50, 3000) == ("50 (2 %)", "")
    assert used(95_000, 100_000) == ("95,000 (95 %)", "warn")
    assert used(50, 0) == ("50", "")
