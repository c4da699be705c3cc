"""Requests that a place signs: what is believed, and everything that is not."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.identity.errors import KeyProofRefused, SignatureRefused
from biometric_flow.identity.place_requests import (
    WINDOW_SECONDS,
    check,
    check_proof,
    prove,
    read_head,
    sign_head,
    target_of,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
TARGET = "/v1/places/cairo/entries?log=1"
HEAD = sign_head(KEY, "demo", "cairo", "POST", TARGET, b"body", NOW, bytes(16))


def test_what_was_signed_is_believed_within_a_minute_either_way() -> None:
    for seconds in (-WINDOW_SECONDS, 0, WINDOW_SECONDS):
        check(read_head(HEAD), PUBLIC, "POST", TARGET, NOW + timedelta(seconds=seconds))
    for seconds in (-WINDOW_SECONDS - 1, WINDOW_SECONDS + 1):
        with pytest.raises(SignatureRefused, match="clock"):
            check(read_head(HEAD), PUBLIC, "POST", TARGET, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("method", "target"),
    [("PUT", TARGET), ("POST", TARGET.replace("cairo", "leeds")), ("POST", TARGET.replace("log=1", "log=2"))],
)
def test_a_signature_counts_for_its_own_request_only(method: str, target: str) -> None:
    with pytest.raises(SignatureRefused):
        check(read_head(HEAD), PUBLIC, method, target, NOW)


def test_another_key_and_no_key_are_refused_in_the_same_words() -> None:
    told = []
    for public in (Ed25519PrivateKey.generate().public_key(), None):
        with pytest.raises(SignatureRefused) as refused:
            check(read_head(HEAD), public, "POST", TARGET, NOW + timedelta(hours=1))
        told.append(str(refused.value))
    assert len(set(told)) == 1
    assert "clock" not in told[0]


@given(st.integers(len("Place 1."), len(HEAD) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_refused(at: int, character: str) -> None:
    """But for the last one of a base64 text, whose unused bits say nothing."""
    changed = HEAD[:at] + character + HEAD[at + 1 :]
    if changed == HEAD:
        return
    try:
        head = read_head(changed)
        check(head, PUBLIC, "POST", TARGET, NOW)
    except SignatureRefused:
        return
    assert head == read_head(HEAD)


@given(st.text(max_size=700))
def test_whatever_stands_in_the_header_is_read_or_refused(text: str) -> None:
    for header in (text, f"Place {text}", f"Place 1.demo.cairo.{text}"):
        with pytest.raises(SignatureRefused):
            check(read_head(header), PUBLIC, "POST", TARGET, NOW)


def test_a_proxy_may_serve_below_a_prefix() -> None:
    assert target_of("/company/bf/v1/places/cairo/link") == "/v1/places/cairo/link"
    assert target_of("/v1/places/cairo/position", "log=1") == "/v1/places/cairo/position?log=1"
    assert target_of("/health") == "/health"


def test_a_proof_counts_for_its_key_and_its_purpose() -> None:
    public = PUBLIC.public_bytes_raw()
    assert check_proof(public, prove(KEY, "demo/cairo"), "demo/cairo").public_bytes_raw() == public
    for key, purpose in ((public, "demo/leeds"), (bytes(31), "demo/cairo"), (bytes(range(32)), "demo/cairo")):
        with pytest.raises(KeyProofRefused):
            check_proof(key, prove(KEY, "demo/cairo"), purpose)
