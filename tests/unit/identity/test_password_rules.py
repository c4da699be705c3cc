"""Which passwords are taken."""

import pytest

from biometric_flow.identity.errors import PasswordWeak
from biometric_flow.identity.password_rules import check_password


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "zwölf Zeichen",
        "maroon-kettle-47-drift",
        "x" * 5 + "Lantern quay 9",
        "雨が降る前に洗濯物をしまう",
    ],
)
def test_a_sentence_of_ones_own_is_taken(password: str) -> None:
    check_password(password, ["amina@example.com", "Amina Hassan"])


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "elevenchars",
        "x" * 129,
        "Password2026!",
        "!!!Password!!!",
        "qwerty123456",
        "1q2w3e4r5t6y",
        "abcabcabcabc",
        "abcdefghijklmnop",
        "9876543210987",
        "aaaaaaaaaaaaaaaa",
        "202611222026",
        "Amina.Hassan1",
        "amina2026!!!",
    ],
)
def test_what_attackers_try_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordWeak):
        check_password(password, ["amina@example.com", "Amina Hassan"])


def test_a_refusal_never_repeats_the_password() -> None:
    with pytest.raises(PasswordWeak) as refused:
        check_password("Password2026!")
    assert "2026" not in str(refused.value)
