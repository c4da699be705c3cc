"""Breaker, retry budget, pauses and shedding: state machines without a clock."""

from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.gateway.traffic.breaker import Breaker
from biometric_flow.gateway.traffic.retries import LONGEST_PAUSE, RetryBudget, pause
from biometric_flow.gateway.traffic.shedding import Shedder, urgency_of


def opened(first_wait: float = 5) -> Breaker:
    breaker = Breaker(3, first_wait)
    for _ in range(3):
        assert breaker.take(0) == 0
        breaker.failed(0)
    return breaker


def test_failures_open_it_and_no_call_goes_out_while_it_waits() -> None:
    breaker = opened()
    assert breaker.state(1) == "open"
    assert breaker.take(1) == 4


def test_one_call_tries_and_its_success_closes_it() -> None:
    breaker = opened()
    assert breaker.state(5) == "half_open"
    assert breaker.take(5) == 0
    assert breaker.take(5.1) > 0, "a second call went out while one tries"
    breaker.succeeded(5.2)
    assert breaker.state(5.2) == "closed"
    breaker.failed(5.3)
    assert breaker.take(5.3) == 0, "failures of before it opened still count"


def test_each_failed_try_doubles_the_wait_up_to_a_minute() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        now += breaker.take(now)
        assert breaker.take(now) == 0
        breaker.failed(now)
        waits.append(breaker.take(now))
    assert waits == [10, 20, 40, 60, 60, 60]


def test_a_try_whose_caller_left_lets_the_next_one_try() -> None:
    breaker = opened()
    assert breaker.take(5) == 0
    breaker.gave_up()
    assert breaker.take(5.1) == 0


def test_a_try_that_never_says_anything_does_not_hold_it_open_for_ever() -> None:
    breaker = opened()
    assert breaker.take(5) == 0
    assert breaker.take(65) == 0


def test_old_failures_and_few_among_many_do_not_open_it() -> None:
    breaker = Breaker(3, 5)
    for now in (0, 20, 40):
        breaker.failed(now)
    assert breaker.state(40) == "closed"
    busy = Breaker(3, 5)
    for number in range(20):
        (busy.failed if number % 4 == 0 else busy.succeeded)(number / 10)
    assert busy.state(2) == "closed"


def test_late_failures_of_calls_from_before_do_not_prolong_the_wait() -> None:
    breaker = opened()
    breaker.failed(1)
    assert breaker.take(5) == 0


@given(st.lists(st.tuples(st.sampled_from(["take", "ok", "bad", "left"]), st.floats(0, 100)), max_size=60))
def test_it_always_lets_a_call_out_in_the_end(steps: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(2, 1), 0.0
    for step, seconds in steps:
        now += seconds
        match step:
            case "take":
                breaker.take(now)
            case "ok":
                breaker.succeeded(now)
            case "bad":
                breaker.failed(now)
            case _:
                breaker.gave_up()
    assert breaker.take(now + 120) == 0


def test_when_all_fails_retries_are_a_tenth_of_the_calls() -> None:
    budget = RetryBudget()
    while budget.take():
        pass
    retried = 0
    for _ in range(1000):
        budget.called()
        retried += budget.take()
    assert 98 <= retried <= 100


@given(st.integers(1, 50), st.floats(0, 0.999))
def test_a_pause_is_spread_and_bounded(attempt: int, chance: float) -> None:
    assert 0.02 < pause(attempt, chance) <= LONGEST_PAUSE


def test_reads_are_let_go_first_then_uploads_and_sign_in_never() -> None:
    shedder = Shedder(2)
    assert [shedder.take("other") for _ in range(3)] == [True, True, False]
    assert [shedder.take("upload") for _ in range(2)] == [True, False]
    assert all(shedder.take("vital") for _ in range(100))
    for _ in range(102):
        shedder.done()
    assert shedder.take("other")


def test_what_is_vital_is_health_and_sign_in() -> None:
    assert urgency_of("GET", "/health") == urgency_of("POST", "/v1/auth/token") == "vital"
    assert urgency_of("POST", "/v1/places/cairo/entries") == "upload"
    assert urgency_of("GET", "/v1/punches") == urgency_of("GET", "/v1/places/cairo/terminals") == "other"
