"""What a witness cosigns, and what it says of what it does not (c2sp.org/tlog-witness)."""

from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.errors import NoteRefused
from biometric_flow.ledger.merkle import Span, consistency, fold
from biometric_flow.ledger.note import Checkpoint, Cosigner, Note, Signer
from biometric_flow.ledger.witnessing import (
    SeenFurther,
    Submission,
    WitnessRefused,
    check,
    cosignatures,
    seen_size,
)

LOG = Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Cosigner("auditor.example.org", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
LEAVES = [leaf_hash(bytes([number])) for number in range(20)]
FORKED = [*LEAVES[:3], leaf_hash(b"another"), *LEAVES[4:]]


def note(size: int, leaves: list[bytes] = LEAVES, signer: Signer = LOG) -> Note:
    return signer.sign(Checkpoint(signer.public.name, size, fold(leaves[:size])))


def seen(size: int) -> Checkpoint:
    return Checkpoint.parse(note(size).text)


def proof(old: int, new: int, leaves: list[bytes] = LEAVES) -> tuple[bytes, ...]:
    def of(span: Span) -> bytes:
        return fold(leaves[span.begin : span.end])

    return tuple(of(span) for span in consistency(old, new))


def status(submission: Submission, last: Checkpoint | None) -> HTTPStatus:
    with pytest.raises(WitnessRefused) as caught:
        check(submission, last, [LOG.public])
    return caught.value.status


def test_a_log_that_continues_is_cosigned_from_its_first_checkpoint_on() -> None:
    assert check(Submission(0, (), note(5)), None, [LOG.public]).size == 5
    assert check(Submission(5, proof(5, 20), note(20)), seen(5), [LOG.public]).size == 20
    assert check(Submission(20, (), note(20)), seen(20), [LOG.public]).size == 20


def test_a_second_history_is_not_cosigned() -> None:
    assert status(Submission(5, proof(5, 20, FORKED), note(20, FORKED)), seen(5)) == 422
    assert status(Submission(5, proof(5, 20), note(20, FORKED)), seen(5)) == 422
    assert status(Submission(20, (), note(20, FORKED)), seen(20)) == 409
    assert status(Submission(5, (), note(20)), seen(5)) == 422


def test_whoever_begins_elsewhere_is_told_how_far_the_witness_has_seen_the_log() -> None:
    for old in (0, 3, 7):
        with pytest.raises(SeenFurther) as caught:
            check(Submission(old, (), note(20)), seen(5), [LOG.public])
        assert caught.value.size == 5
    assert status(Submission(5, (), note(4)), seen(5)) == 400


def test_only_logs_and_keys_that_the_witness_knows_are_cosigned() -> None:
    assert status(Submission(0, (), note(5, signer=STRANGER)), None) == 403
    other = Signer("example.org/other", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    assert status(Submission(0, (), note(5, signer=other)), None) == 404


def test_a_request_reads_back_and_anything_else_is_refused() -> None:
    whole = Submission(5, proof(5, 20), note(20))
    assert Submission.parse(str(whole)) == whole
    assert Submission.parse(str(Submission(0, (), note(1)))) == Submission(0, (), note(1))
    text = str(whole)
    for broken in (
        "",
        text.replace("old 5", "old 05"),
        text.replace("old 5", "old -5"),
        text.replace("old 5", "new 5"),
        text.replace("\n\n", "\n", 1),
        text.replace("old 5\n", "old 5\nAAAA\n"),
        text.replace("old 5\n", "old 5\n" + text.split("\n")[1] * 1 + "=\n"),
        "old 5\n" + (text.split("\n")[1] + "\n") * 64 + "\n" + str(note(20)),
        text[:-1],
    ):
        with pytest.raises(WitnessRefused) as caught:
            Submission.parse(broken)
        assert caught.value.status == HTTPStatus.BAD_REQUEST


def test_an_answer_counts_only_when_the_expected_witness_signed_this_checkpoint() -> None:
    shown = note(5)
    line = WITNESS.cosign(shown.text, 1_800_000_000).line()
    assert cosignatures(line, shown, WITNESS.public).verified_by(WITNESS.public) == 1_800_000_000
    stranger = Cosigner("auditor.example.org", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    for answer in (
        "",
        "ok\n",
        line[:-1],
        line * 2,
        stranger.cosign(shown.text, 1).line(),
        WITNESS.cosign(note(6).text, 1).line(),
        WITNESS.cosign(shown.text, 0).line(),
        line * 200,
    ):
        with pytest.raises(NoteRefused):
            cosignatures(answer, shown, WITNESS.public)
    assert (seen_size("12\n"), seen_size("two histories\n"), seen_size("")) == (12, None, None)
