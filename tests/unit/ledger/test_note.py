"""Signed notes and cosignatures, with the examples of the C2SP documents."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.ledger.errors import KeyTextInvalid, NoteRefused
from biometric_flow.ledger.note import Checkpoint, Cosigner, KeyKind, Note, PublicKey, Signer

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("biometric-flow/demo/cairo", PRIVATE)
WITNESS = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.from_private_bytes(bytes(32)))
CHECKPOINT = Checkpoint("biometric-flow/demo/cairo", 4711, bytes(range(32)))
SIGNED = SIGNER.sign(CHECKPOINT)
COSIGNED = SIGNED.with_signature(WITNESS.cosign(SIGNED.text, 1_800_000_000))

C2SP_EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
GO_CHECKSUM_DATABASE = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def test_the_example_of_the_cosignature_document_is_read_and_written_back() -> None:
    note = Note.parse(C2SP_EXAMPLE)
    assert str(note) == C2SP_EXAMPLE
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == note.text
    witness = note.signatures[1]
    assert (witness.name, int.from_bytes(witness.content[:8], "big")) == ("witness.example.com/w1", 1679315147)


def test_a_key_that_others_published_is_read_and_its_id_recomputed() -> None:
    key = PublicKey.parse(GO_CHECKSUM_DATABASE)
    assert (key.name, key.kind, str(key)) == ("sum.golang.org", KeyKind.NOTE, GO_CHECKSUM_DATABASE)


def test_a_signed_and_cosigned_checkpoint_verifies_after_travelling_as_text() -> None:
    note = Note.parse(str(COSIGNED))
    assert note.verified_by(PublicKey.parse(str(SIGNER.public))) is None
    assert note.verified_by(PublicKey.parse(str(WITNESS.public))) == 1_800_000_000
    assert Checkpoint.parse(note.text) == CHECKPOINT


def test_a_new_cosignature_replaces_the_old_one() -> None:
    again = COSIGNED.with_signature(WITNESS.cosign(SIGNED.text, 1_900_000_000))
    assert len(again.signatures) == 2
    assert again.verified_by(WITNESS.public) == 1_900_000_000


def test_a_log_signature_is_no_cosignature_and_another_name_no_signature() -> None:
    for key in (
        PublicKey(SIGNER.public.name, KeyKind.COSIGNATURE, SIGNER.public.raw),
        PublicKey("biometric-flow/demo/leeds", KeyKind.NOTE, SIGNER.public.raw),
        WITNESS.public,
    ):
        with pytest.raises(NoteRefused, match="there is none"):
            SIGNED.verified_by(key)


def read_and_verify(text: str) -> None:
    note = Note.parse(text)
    note.verified_by(SIGNER.public)
    note.verified_by(WITNESS.public)


@given(st.data())
def test_any_altered_character_of_a_cosigned_checkpoint_is_refused(data: st.DataObject) -> None:
    letters = list(str(COSIGNED))
    at = data.draw(st.integers(0, len(letters) - 1))
    letters[at] = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != letters[at]))
    with pytest.raises(NoteRefused):
        read_and_verify("".join(letters))


@given(st.text(max_size=200))
def test_no_text_breaks_the_readers(text: str) -> None:
    for read, error in ((Note.parse, NoteRefused), (Checkpoint.parse, NoteRefused), (PublicKey.parse, KeyTextInvalid)):
        with pytest.raises(error):
            read(text)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000+" + str(SIGNER.public).rsplit("+", 1)[1],
        GO_CHECKSUM_DATABASE[:-1],
        GO_CHECKSUM_DATABASE.replace("sum.", "sun."),
        "a b+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ],
)
def test_a_mistyped_key_is_refused(vkey: str) -> None:
    with pytest.raises(KeyTextInvalid):
        PublicKey.parse(vkey)


@pytest.mark.parametrize("size", ["-1", "01", "1e3", "", " 1", "1" * 30])
def test_a_size_that_is_no_plain_number_is_refused(size: str) -> None:
    with pytest.raises(NoteRefused):
        Checkpoint.parse(f"origin\n{size}\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n")
