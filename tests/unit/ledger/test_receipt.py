"""A receipt proves its punch to a program that shares no code with us; altered in any way, it proves nothing."""

import ast
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from biometric_flow.ledger import verify_receipt
from biometric_flow.ledger.chain import EMPTY, Head, SealedEntry, seal
from biometric_flow.ledger.events import PunchRecorded
from biometric_flow.ledger.merkle import fold, hash_of, inclusion, tiles_of
from biometric_flow.ledger.note import Checkpoint, Cosigner, Signer
from biometric_flow.ledger.receipt import write_receipt
from biometric_flow.ledger.verify_receipt import Refused, verify
from biometric_flow.model.ids import PlaceId
from tests.builders import MOMENT, person, punch

KEY = bytes(range(32))
SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(KEY))
WITNESS = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.from_private_bytes(bytes(32)))
PLACE_KEY, GATEWAY_KEY = str(SIGNER.public), str(WITNESS.public)


def chain(count: int) -> list[SealedEntry]:
    entries, head = [], EMPTY
    for number in range(count):
        event = person("7") if number == 0 else PunchRecorded(punch("7", MOMENT, state=number))
        entry = seal(PlaceId("cairo"), head, "2026-11-22", event, KEY)
        entries.append(entry)
        head = Head(entry.sequence, entry.hash)
    return entries


ENTRIES = chain(40)


def receipt(index: int = 21, size: int = 40) -> str:
    hashes = [entry.hash for entry in ENTRIES[:size]]
    spans = inclusion(index, size)
    held = {(tile.level, tile.index): hashes for tile in tiles_of(spans, size)}
    note = SIGNER.sign(Checkpoint(SIGNER.public.name, size, fold(hashes)))
    note = note.with_signature(WITNESS.cosign(note.text, 1_800_000_000))
    return write_receipt(ENTRIES[index], [hash_of(span, held) for span in spans], note)


GOOD = receipt()


def test_a_receipt_tells_what_was_recorded_and_who_vouches_for_it() -> None:
    facts = verify(GOOD, PLACE_KEY, GATEWAY_KEY)
    assert facts["id"] == punch("7", MOMENT, state=21).id.hex()
    assert (facts["pin"], facts["local_time"], facts["sequence"]) == ("7", "2026-11-22T10:00:00", 22)
    assert (facts["log"], facts["log_size"]) == ("biometric-flow/demo/cairo", 40)
    assert datetime.fromtimestamp(facts["witnessed_at"], UTC).year == 2027


def test_every_entry_of_every_small_ledger_has_a_receipt_that_holds() -> None:
    for size in (1, 2, 3, 7, 8, 40):
        for index in range(size):
            assert verify(receipt(index, size), PLACE_KEY, None)["sequence"] == index + 1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_receipt_with_any_character_altered_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != GOOD[at]))
    with pytest.raises(Refused):
        verify(GOOD[:at] + letter + GOOD[at + 1 :], PLACE_KEY, GATEWAY_KEY)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 80), st.sampled_from(["", "\n", "A", "=", " "]))
def test_a_receipt_with_letters_missing_or_added_is_refused(at: int, count: int, instead: str) -> None:
    altered = GOOD[:at] + instead + GOOD[at + count :]
    if altered == GOOD:
        return
    with pytest.raises(Refused):
        verify(altered, PLACE_KEY, GATEWAY_KEY)


def test_parts_of_two_true_receipts_do_not_make_a_third() -> None:
    mine, other = GOOD.split("\n"), receipt(22).split("\n")
    for line in range(1, len(mine)):
        mixed = [*mine[:line], other[line], *mine[line + 1 :]]
        if mixed not in (mine, other):
            with pytest.raises(Refused):
                verify("\n".join(mixed), PLACE_KEY, GATEWAY_KEY)


def test_keys_of_others_prove_nothing() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    for place_key, gateway_key in (
        (str(Signer(SIGNER.public.name, stranger).public), GATEWAY_KEY),
        (str(Signer("biometric-flow/demo/leeds", Ed25519PrivateKey.from_private_bytes(KEY)).public), GATEWAY_KEY),
        (PLACE_KEY, str(Cosigner(WITNESS.public.name, stranger).public)),
        (GATEWAY_KEY, PLACE_KEY),
        (PLACE_KEY, ""),
        ("", GATEWAY_KEY),
        (PLACE_KEY[:-1], GATEWAY_KEY),
    ):
        with pytest.raises(Refused):
            verify(GOOD, place_key, gateway_key)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_records(content: bytes) -> None:
    try:
        verify_receipt._cbor(content)
    except Refused:
        return


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511))
def test_its_ed25519_agrees_with_the_library(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert verify_receipt._ed25519(public, message, signature)
    assert not verify_receipt._ed25519(public, message, bytes(flipped))
    assert not verify_receipt._ed25519(public, message + b"x", signature)


def test_the_verifier_needs_python_and_nothing_else() -> None:
    tree = ast.parse(Path(verify_receipt.__file__).read_text(encoding="utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} <= sys.stdlib_module_names


def test_the_programs_answer_is_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.tlog-proof"
    file.write_text(GOOD, encoding="utf-8")
    options = ["--place-key", PLACE_KEY, "--gateway-key", GATEWAY_KEY]
    assert verify_receipt.main([str(file), *options]) == 0
    assert "PROVED" in capsys.readouterr().out
    file.write_text(GOOD.replace("index 21", "index 20"), encoding="utf-8")
    assert verify_receipt.main([str(file), *options]) == 1
    assert "NOT PROVED" in capsys.readouterr().err
    assert verify_receipt.main([str(tmp_path / "absent"), *options]) == 1
