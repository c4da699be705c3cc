"""What a log and its witness say to each other: c2sp.org/tlog-witness, `add-checkpoint`. Pure.

A witness keeps one thing for each log: the last checkpoint that it cosigned. It cosigns another one only with a proof
that the log continued, so that a log which shows two histories has to do without its witnesses.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from biometric_flow.ledger.errors import LedgerError, NoteRefused
from biometric_flow.ledger.merkle import HASH_BYTES, verifies_consistency
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey, Signature

MAX_PROOF: Final = 63
"""Hashes in a consistency proof, as the specification bounds it."""
MAX_REQUEST: Final = 64 * 1024
MAX_ANSWER: Final = 16 * 1024
SIZE_TYPE: Final = "text/x.tlog.size"
"""Media type of the answer that tells how far the witness has seen a log."""


class WitnessRefused(LedgerError):
    """A witness does not cosign a checkpoint; `status` is its answer."""

    code = "ledger.witness_refused"

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(f"{why} ({status.value} {status.phrase})")
        self.status, self.why = status, why


class SeenFurther(WitnessRefused):
    """The witness has last cosigned another size than the request begins at."""

    def __init__(self, size: int) -> None:
        super().__init__(HTTPStatus.CONFLICT, f"the witness has cosigned this log up to {size}")
        self.size = size


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint, and the proof that it continues an older one of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.proof)
        return f"old {self.old}\n{hashes}\n{self.note}"

    @classmethod
    def parse(cls, body: str) -> "Submission":
        """Read a request's body. Raises WitnessRefused with 400 for anything that is none."""
        head, blank, note = body.partition("\n\n")
        first, *hashes = head.split("\n")
        number = first.removeprefix("old ")
        if not blank or number == first or not number.isascii() or not number.isdigit() or len(number) > 19:
            raise _bad("expected `old <size>`, hashes, an empty line and a checkpoint")
        if str(int(number)) != number or len(hashes) > MAX_PROOF:
            raise _bad(f"expected a size in its one spelling, and at most {MAX_PROOF} hashes")
        try:
            return cls(int(number), tuple(map(_hash, hashes)), Note.parse(note))
        except NoteRefused as error:
            raise _bad(str(error)) from None


def check(submission: Submission, seen: Checkpoint | None, trusted: Iterable[PublicKey]) -> Checkpoint:
    """What a witness that last cosigned `seen` of this log may cosign now. Raises WitnessRefused or SeenFurther."""
    try:
        shown = Checkpoint.parse(submission.note.text)
    except NoteRefused as error:
        raise _bad(str(error)) from None
    keys = [key for key in trusted if key.name == shown.origin]
    if not keys:
        raise WitnessRefused(HTTPStatus.NOT_FOUND, f"this witness does not know the log {shown.origin[:120]!r}")
    if not any(_has_signed(submission.note, key) for key in keys):
        raise WitnessRefused(HTTPStatus.FORBIDDEN, f"no key that is known of {shown.origin} has signed this checkpoint")
    if submission.old > shown.size:
        raise _bad(f"expected a checkpoint over at least {submission.old} leaves, got one over {shown.size}")
    done = seen.size if seen else 0
    if submission.old != done:
        raise SeenFurther(done)
    if seen and shown.size == done:
        if shown.root != seen.root:
            raise WitnessRefused(HTTPStatus.CONFLICT, f"two roots over {done} leaves: this log shows two histories")
        if submission.proof:
            raise WitnessRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "expected no proof for the same size")
        return shown
    if done == 0:
        if submission.proof:
            raise WitnessRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "expected no proof for the first checkpoint")
        return shown
    assert seen is not None
    if not verifies_consistency(done, shown.size, submission.proof, seen.root, shown.root):
        raise WitnessRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the proof does not lead from {done} leaves to {shown.size}: this log shows two histories",
        )
    return shown


def cosignatures(answer: str, note: Note, witness: PublicKey) -> Note:
    """The checkpoint with the witness's cosignature out of its answer. Raises NoteRefused."""
    lines = answer.removesuffix("\n").split("\n")
    if len(answer) > MAX_ANSWER or not answer.endswith("\n"):
        raise NoteRefused(f"expected lines of signatures of at most {MAX_ANSWER} characters from the witness")
    told = Note.parse(f"{note.text}\n" + "".join(f"{line}\n" for line in lines))
    mine = [one for one in told.signatures if (one.name, one.key_id) == (witness.name, witness.id)]
    cosigned = note.with_signature(_one(mine, witness))
    if not cosigned.verified_by(witness):
        raise NoteRefused(f"expected the time at which {witness.name} cosigned, got none")
    return cosigned


def seen_size(answer: str) -> int | None:
    """The size in a witness's answer of 409; None for an answer that tells none."""
    text = answer.removesuffix("\n")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None


def _one(found: Sequence[Signature], witness: PublicKey) -> Signature:
    if len(found) != 1:
        raise NoteRefused(f"expected one cosignature of {witness.name}+{witness.id.hex()}, got {len(found)}")
    return found[0]


def _has_signed(note: Note, key: PublicKey) -> bool:
    try:
        note.verified_by(key)
    except NoteRefused:
        return False
    return True


def _hash(coded: str) -> bytes:
    try:
        content = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != HASH_BYTES or base64.b64encode(content).decode() != coded:
        raise _bad(f"expected a hash in base64, got {coded[:60]!r}")
    return content


def _bad(why: str) -> WitnessRefused:
    return WitnessRefused(HTTPStatus.BAD_REQUEST, why)
