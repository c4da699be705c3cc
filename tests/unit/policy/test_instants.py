"""What was known at a moment, and what a terminal's stamp means."""

from biometric_flow.policy.fields import Fields
from biometric_flow.policy.inputs import ClockCorrection, Correction, GivenPunch, Inputs, TerminalFacts
from biometric_flow.policy.instants import touches
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import home_zone

BERLIN = home_zone("Europe/Berlin")
PLAIN = read_policy(Fields({}, "policy", []))
AUTUMN = 1729987200
"""2024-10-27 00:00:00 UTC; an hour later Berlin repeats 02:00 to 03:00."""


def given(*punches: GivenPunch, **more: object) -> Inputs:
    return Inputs(BERLIN, 0, 30000, PLAIN, punches, **more)  # type: ignore[arg-type]


def ids(inputs: Inputs, known_at: int | None = None) -> list[tuple[str, int]]:
    return [(touch.id, touch.second) for touch in touches(inputs, known_at)[0]]


def test_what_came_or_was_approved_at_the_moment_of_the_lock_was_known() -> None:
    punches = [GivenPunch(name, 100, received=received) for name, received in (("a", 999), ("b", 1000), ("c", 1001))]
    assert [name for name, _ in ids(given(*punches), 1000)] == ["a", "b"]
    assert len(ids(given(*punches))) == 3
    corrections = tuple(
        Correction(number, f"c{approved}", "add", second=approved, approved=approved)
        for number, approved in enumerate((999, 1000, 1001))
    )
    assert [name for name, _ in ids(given(corrections=corrections), 1000)] == ["c999", "c1000"]
    bare = (Correction(1, "c", "add", second=5), Correction(2, "no", "add", second=6, is_approved=False))
    assert ids(given(corrections=bare), 1000) == [("c", 5)]


def test_a_punch_of_the_moment_that_is_asked_for_is_seen() -> None:
    assert ids(given(GivenPunch("a", 100), GivenPunch("b", 101), as_of=100)) == [("a", 100)]


def test_a_clock_is_corrected_from_its_first_second_until_before_its_last() -> None:
    rows = (ClockCorrection("t", 1000, 2000, 60), ClockCorrection("t", 1500, 3000, 10))
    seen = {
        at: ids(given(GivenPunch("a", at, terminal="t"), clock_corrections=rows))[0][1]
        for at in (999, 1000, 1999, 2000, 2999, 3000)
    }
    assert seen == {999: 999, 1000: 940, 1999: 1939, 2000: 1990, 2999: 2989, 3000: 3000}
    assert ids(given(GivenPunch("a", 1000, terminal="other"), clock_corrections=rows)) == [("a", 1000)]


def test_an_hour_that_comes_twice_is_told_apart_by_the_order_of_the_terminal() -> None:
    wall = AUTUMN + 2 * 3600 + 1800
    first, second = wall - 7200, wall - 3600
    berlin = {"t": TerminalFacts(BERLIN)}

    def stamped(name: str, at: int, sequence: int, terminal: str = "t") -> GivenPunch:
        return GivenPunch(name, None, at, terminal=terminal, sequence=sequence)

    twice = given(stamped("a", wall, 1), stamped("b", wall - 60, 2), terminals=berlin)
    assert ids(twice) == [("a", first), ("b", second - 60)]
    again = given(stamped("b", wall - 60, 2), stamped("a", wall, 1), terminals=berlin)
    assert ids(again) == [("b", second - 60), ("a", first)], "the order of arrival is another matter"
    same = given(stamped("a", wall, 1), stamped("b", wall, 2), terminals=berlin)
    assert ids(same) == [("a", first), ("b", first)], "not before the one before it"
    apart = given(stamped("a", wall, 1), stamped("b", wall - 60, 2, "other"), terminals=berlin)
    assert ids(apart) == [("a", first), ("b", first - 60)], "each terminal has an order of its own"
