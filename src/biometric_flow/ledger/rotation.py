"""A place's next signing key: a note in which the old key names the new one, and the new one agrees."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.errors import KeyTextInvalid, NoteRefused
from biometric_flow.ledger.note import KeyKind, Note, PublicKey, Signer

HEADER: Final = "biometric-flow/key-change/1"


def hand_over(origin: str, old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> Note:
    """The note that makes `new` the key of a log. Both sign it, so that nobody is given a key that is not theirs."""
    before, after = Signer(origin, old), Signer(origin, new)
    text = f"{HEADER}\n{before.public}\n{after.public}\n"
    return Note(text, (before.signed(text), after.signed(text)))


def next_key(note: str, believed: PublicKey) -> PublicKey:
    """The key that follows the one believed so far. Raises NoteRefused unless that one and the new one signed."""
    shown = Note.parse(note)
    lines = shown.text.split("\n")
    if len(lines) != 4 or lines[0] != HEADER or lines[1] != str(believed):
        raise NoteRefused(f"expected a change of the key {believed}, got another note")
    try:
        key = PublicKey.parse(lines[2])
    except KeyTextInvalid as error:
        raise NoteRefused(str(error)) from error
    if key.name != believed.name or key.kind is not KeyKind.NOTE or key.raw == believed.raw:
        raise NoteRefused(f"expected another key of {believed.name} that signs notes, got {lines[2][:200]}")
    shown.verified_by(believed)
    shown.verified_by(key)
    return key
