"""How often a key may ask."""

from biometric_flow.gateway.traffic.rates import REMEMBERED, RateLimiter


def test_a_burst_is_let_through_and_then_the_rate_holds() -> None:
    limiter = RateLimiter(rate=10, burst=5)
    assert [limiter.take("a", 0) for _ in range(5)] == [0.0] * 5
    assert limiter.take("a", 0) == 0.1
    let_through = sum(limiter.take("a", moment / 1000) == 0 for moment in range(1, 10_001))
    assert 99 <= let_through <= 100


def test_keys_do_not_share_and_a_refusal_costs_nothing() -> None:
    limiter = RateLimiter(rate=1, burst=1)
    assert limiter.take("a", 0) == 0
    for _ in range(100):
        assert limiter.take("a", 0.5) > 0
    assert limiter.take("b", 0.5) == 0
    assert limiter.take("a", 1) == 0


def test_a_clock_that_steps_back_gives_nobody_more() -> None:
    limiter = RateLimiter(rate=1, burst=1)
    assert limiter.take("a", 100) == 0
    assert limiter.take("a", 50) > 0
    assert limiter.take("a", 50.5) > 0


def test_memory_is_bounded() -> None:
    limiter = RateLimiter(rate=1, burst=1)
    for number in range(REMEMBERED + 10):
        limiter.take(str(number), 0)
    assert len(limiter._buckets) == REMEMBERED
