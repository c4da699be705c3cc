"""Envelopes open with their key, in their place, unaltered, and in no other way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.identity.envelope import (
    NONCE_BYTES,
    OVERHEAD,
    PLAINTEXT_MAX,
    Binding,
    KeyId,
    SealingKey,
    derive,
    key_id_of,
    row_name,
)
from biometric_flow.identity.errors import EnvelopeInvalid, EnvelopeRefused

KEY = SealingKey(KeyId(b"k" * 16), bytes(range(32)))
NAME = Binding("person", "name", row_name("GATE1", "ab12"))
HERE = NAME.associated("acme")
ENVELOPE = KEY.seal(HERE, "Amina حسن".encode(), b"n" * NONCE_BYTES)


def test_an_envelope_opens_where_it_was_sealed_and_names_its_key() -> None:
    assert KEY.unseal(HERE, ENVELOPE).decode() == "Amina حسن"
    assert key_id_of(ENVELOPE) == b"k" * 16
    assert len(ENVELOPE) == OVERHEAD + len("Amina حسن".encode())


@pytest.mark.parametrize(
    "elsewhere",
    [
        NAME.associated("umbrella"),
        NAME._replace(table="enrolment").associated("acme"),
        NAME._replace(column="pin").associated("acme"),
        NAME._replace(row=row_name("GATE2", "ab12")).associated("acme"),
        Binding("person", "nam", b"e" + NAME.row).associated("acme"),
    ],
    ids=["tenant", "table", "column", "row", "shifted"],
)
def test_an_envelope_that_was_moved_does_not_open(elsewhere: bytes) -> None:
    with pytest.raises(EnvelopeRefused):
        KEY.unseal(elsewhere, ENVELOPE)


def test_every_flipped_bit_is_found() -> None:
    for bit in range(8 * len(ENVELOPE)):
        altered = bytearray(ENVELOPE)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises((EnvelopeRefused, EnvelopeInvalid)):
            KEY.unseal(HERE, bytes(altered))


def test_another_key_of_the_same_name_does_not_open_it() -> None:
    with pytest.raises(EnvelopeRefused):
        SealingKey(KEY.id, bytes(32)).unseal(HERE, ENVELOPE)


@given(st.binary(max_size=200))
def test_rubbish_is_refused_with_a_declared_error(rubbish: bytes) -> None:
    with pytest.raises((EnvelopeInvalid, EnvelopeRefused)):
        KEY.unseal(HERE, rubbish)


def test_what_is_too_long_or_badly_numbered_is_not_sealed() -> None:
    assert KEY.unseal(b"", KEY.seal(b"", bytes(PLAINTEXT_MAX), b"n" * NONCE_BYTES)) == bytes(PLAINTEXT_MAX)
    with pytest.raises(EnvelopeInvalid, match="1048577"):
        KEY.seal(b"", bytes(PLAINTEXT_MAX + 1), b"n" * NONCE_BYTES)
    with pytest.raises(EnvelopeInvalid, match="nonce"):
        KEY.seal(b"", b"", b"n" * 8)
    with pytest.raises(EnvelopeInvalid, match="key"):
        SealingKey(KEY.id, bytes(16))


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_different_rows_never_have_the_same_name(one: list[bytes], other: list[bytes]) -> None:
    assert (row_name(*one) == row_name(*other)) == (one == other)


def test_keys_for_different_purposes_differ_and_follow_rfc_5869() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = bytes(range(32))
    assert derive(secret, b"one") == HKDF(SHA256(), 32, None, b"one").derive(secret)
    assert derive(secret, b"one") != derive(secret, b"two")
