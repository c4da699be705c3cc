"""A place believes one key of its gateway: the configured one, or the first that it was shown."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.errors import NoteRefused
from biometric_flow.ledger.note import Cosigner, Signer
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.place.schema import open_database
from biometric_flow.place.store import Batch, PlaceStore
from biometric_flow.place.witnesses import check_cosigned, vouched_for
from tests.builders import GATE, MOMENT, punch
from tests.services.stores import opened_store

SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS, STRANGER = (
    Cosigner("biometric-flow-gateway", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2)
)


@pytest.fixture
def store(tmp_path: Path) -> PlaceStore:
    return opened_store(tmp_path / "place.sqlite3")[0]


def test_the_first_key_that_is_shown_stays_and_a_configured_one_takes_its_place(store: PlaceStore) -> None:
    assert store.witness_key(WITNESS.public, None, MOMENT) == WITNESS.public
    assert store.witness_key(STRANGER.public, None, MOMENT) == WITNESS.public
    assert store.witness_key(WITNESS.public, STRANGER.public, MOMENT) == STRANGER.public
    assert store.witnesses.believed() == STRANGER.public


def test_only_the_pinned_key_vouches_and_only_for_what_is_still_there(store: PlaceStore, tmp_path: Path) -> None:
    rows = [punch(instant=MOMENT + timedelta(minutes=n)) for n in range(300)]
    store.record([Batch(GATE, MOMENT, rows=rows)])
    signed = store.checkpoint(SIGNER, MOMENT)
    assert signed is not None
    connection = open_database(tmp_path / "place.sqlite3")
    tree = SqliteTree(connection)
    assert vouched_for(tree, SIGNER.public, WITNESS.public) == 0
    forged = signed.note.with_signature(STRANGER.cosign(signed.note.text, 1))
    with pytest.raises(NoteRefused, match="expected a signature by biometric-flow-gateway"):
        check_cosigned(signed, forged, SIGNER.public, WITNESS.public)
    store.keep_cosigned(signed.size, signed.note.with_signature(WITNESS.cosign(signed.note.text, 1)))
    assert vouched_for(tree, SIGNER.public, WITNESS.public) == 300
    with pytest.raises(NoteRefused):
        vouched_for(tree, SIGNER.public, STRANGER.public)
    connection.execute("UPDATE ledger_entry SET hash = zeroblob(32) WHERE sequence = 290")
    with pytest.raises(NoteRefused, match="the first 300 entries"):
        vouched_for(tree, SIGNER.public, WITNESS.public)
    connection.close()
