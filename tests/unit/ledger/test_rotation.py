"""A key is handed over by the one before it, and by nobody else."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.errors import NoteRefused
from biometric_flow.ledger.note import Note, Signer
from biometric_flow.ledger.rotation import hand_over, next_key

ORIGIN = "biometric-flow/demo/cairo"
OLD, NEW, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))


def test_the_key_that_the_old_one_names_is_believed_next() -> None:
    note = hand_over(ORIGIN, OLD, NEW)
    assert next_key(str(note), Signer(ORIGIN, OLD).public) == Signer(ORIGIN, NEW).public


@pytest.mark.parametrize(
    "forge",
    [
        lambda: hand_over(ORIGIN, STRANGER, NEW),
        lambda: hand_over("biometric-flow/demo/leeds", OLD, NEW),
        lambda: hand_over(ORIGIN, OLD, OLD),
        lambda: Note(hand_over(ORIGIN, OLD, NEW).text, hand_over(ORIGIN, OLD, NEW).signatures[:1]),
        lambda: Note(hand_over(ORIGIN, OLD, NEW).text, hand_over(ORIGIN, OLD, NEW).signatures[1:]),
        lambda: Note(hand_over(ORIGIN, OLD, NEW).text + "more\n", hand_over(ORIGIN, OLD, NEW).signatures),
        lambda: Note(hand_over(ORIGIN, OLD, STRANGER).text, hand_over(ORIGIN, OLD, NEW).signatures),
    ],
    ids=["stranger", "other log", "same key", "new did not sign", "old did not sign", "extended", "other text"],
)
def test_a_key_that_was_not_handed_over_by_both_is_refused(forge: Callable[[], Note]) -> None:
    with pytest.raises(NoteRefused):
        next_key(str(forge()), Signer(ORIGIN, OLD).public)
