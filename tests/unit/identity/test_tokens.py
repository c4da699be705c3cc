"""Access tokens and opaque secrets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from biometric_flow.identity.errors import TokenRefused
from biometric_flow.identity.tokens import AccessTokens, digest, new_secret

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TOKENS = AccessTokens(OKPKey.generate_key("Ed25519"), "issuer", "audience", timedelta(minutes=10))
TOKEN = TOKENS.issue("account", "demo", "auditor", NOW)


def test_a_token_says_what_was_put_in() -> None:
    claims = TOKENS.verify(TOKEN, NOW + timedelta(minutes=9, seconds=59))
    assert (claims.account, claims.tenant, claims.session) == ("account", "demo", "auditor")
    assert claims.expires_at == NOW + timedelta(minutes=10)


def test_a_token_ends_after_its_lifetime_and_is_not_valid_before_it_began() -> None:
    for moment in (NOW + timedelta(minutes=10), NOW - timedelta(minutes=5)):
        with pytest.raises(TokenRefused):
            TOKENS.verify(TOKEN, moment)


def test_no_two_tokens_are_alike() -> None:
    assert TOKENS.verify(TOKENS.issue("a", "b", "c", NOW), NOW) != TOKENS.verify(TOKENS.issue("a", "b", "c", NOW), NOW)


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_refused(at: int, character: str) -> None:
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    if changed != TOKEN:
        with pytest.raises(TokenRefused):
            TOKENS.verify(changed, NOW)


@given(st.text(max_size=300))
def test_rubbish_is_refused_with_one_error(text: str) -> None:
    with pytest.raises(TokenRefused):
        TOKENS.verify(text, NOW)


def test_opaque_secrets_are_long_and_different() -> None:
    first, second = new_secret("bfr"), new_secret("bfr")
    assert first.startswith("bfr_")
    assert len(first) >= 47
    assert digest(first) != digest(second)
    assert len(digest(first)) == 32
