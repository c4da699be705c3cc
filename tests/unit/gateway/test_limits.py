"""How often a sign-in may fail."""

from biometric_flow.gateway.traffic.limits import REMEMBERED, FailureLimiter


def test_five_failures_are_free_and_then_the_wait_doubles() -> None:
    limiter = FailureLimiter(free=5, first_wait=2, longest=300)
    now, waits = 0.0, []
    for _ in range(14):
        limiter.failed("a", now)
        waits.append(limiter.wait("a", now))
        now += waits[-1]
    assert waits == [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_wait_runs_out_by_itself() -> None:
    limiter = FailureLimiter(free=1)
    limiter.failed("a", 100)
    assert limiter.wait("a", 101) == 1
    assert limiter.wait("a", 102) == 0


def test_a_success_and_a_long_rest_forget() -> None:
    limiter = FailureLimiter(free=2, first_wait=2, longest=10)
    limiter.failed("a", 0)
    limiter.succeeded("a")
    limiter.failed("a", 1)
    assert limiter.wait("a", 1) == 0
    limiter.failed("a", 1000)
    assert limiter.wait("a", 1000) == 0


def test_keys_do_not_touch_each_other() -> None:
    limiter = FailureLimiter(free=1)
    limiter.failed("a", 0)
    assert limiter.wait("b", 0) == 0


def test_memory_is_bounded_and_the_quietest_is_forgotten_first() -> None:
    limiter = FailureLimiter(free=1)
    for number in range(REMEMBERED + 1):
        limiter.failed(str(number), 0)
    assert limiter.wait("0", 0) == 0
    assert limiter.wait("1", 0) > 0
