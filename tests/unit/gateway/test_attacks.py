"""Failed sign-ins are counted for a while, and for the tenant that they are about."""

from biometric_flow.gateway.traffic.attacks import REMEMBERED, WINDOW, Attacks


def test_failures_count_for_their_tenant_and_those_of_nobody_for_all() -> None:
    attacks = Attacks()
    attacks.failed("demo", 0)
    attacks.failed("", 1)
    assert (attacks.count("demo", 2), attacks.count("other", 2)) == (2, 1)
    assert (attacks.count("demo", WINDOW), attacks.count("demo", WINDOW + 1)) == (1, 0)


def test_memory_is_bounded() -> None:
    attacks = Attacks()
    for _ in range(3 * REMEMBERED):
        attacks.failed("demo", 0)
    assert attacks.count("demo", 1) == REMEMBERED
