"""Codes by the clock and recovery codes."""

from datetime import UTC, datetime, timedelta

import pytest

from biometric_flow.identity.factors import (
    STEP_SECONDS,
    is_digits,
    must_have_factor,
    new_factor_secret,
    new_recovery_codes,
    recovery_digest,
    spelled,
    step_of,
)

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1, the last six of its eight digits."""
    assert step_of(RFC_SECRET, code, datetime.fromtimestamp(seconds, UTC)) == seconds // STEP_SECONDS


def test_a_code_counts_one_step_before_and_after_its_own_and_no_longer() -> None:
    moment = datetime.fromtimestamp(1111111110, UTC)
    step = 1111111110 // STEP_SECONDS
    counts = {
        steps: step_of(RFC_SECRET, "050471", moment + timedelta(seconds=steps * STEP_SECONDS)) for steps in range(-3, 4)
    }
    assert counts == {-3: None, -2: None, -1: step, 0: step, 1: step, 2: None, 3: None}


@pytest.mark.parametrize("code", ["", "28708", "2870822", "２８７０８２", "287 082", "AAAA-BBBB", "\udc80"])
def test_what_is_no_code_is_of_no_step(code: str) -> None:
    assert step_of(RFC_SECRET, code, datetime.fromtimestamp(59, UTC)) is None
    assert is_digits(code) is False


def test_recovery_codes_are_long_different_and_forgive_how_they_are_typed() -> None:
    codes = [code for _ in range(20) for code in new_recovery_codes()]
    assert len(set(codes)) == 200
    assert all(len(code.replace("-", "")) == 16 for code in codes)
    assert recovery_digest(codes[0].lower().replace("-", " ")) == recovery_digest(codes[0])
    assert recovery_digest(codes[0]) != recovery_digest(codes[1])


def test_secrets_have_160_bits_and_are_never_alike() -> None:
    made = {new_factor_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(secret) for secret in made} == {20}
    assert "=" not in spelled(next(iter(made)))


def test_a_rule_asks_everybody_or_the_holders_of_its_roles() -> None:
    assert must_have_factor(True, (), ())
    assert must_have_factor(False, ("payroll", "auditor"), ("employee", "auditor"))
    assert not must_have_factor(False, ("payroll",), ("employee",))
