"""What a place publishes of its ledger: checkpoints that never contradict each other, tiles, receipts."""

import base64
import contextlib
import itertools
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.errors import CheckpointInconsistent, StorageUnavailable
from biometric_flow.ledger.merkle import fold, verifies_inclusion
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey, Signer
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.place.store import Batch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.builders import GATE, MOMENT, punch
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.stores import opened_store

PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 5)]
SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def many(count: int, first: int = 0) -> list[Any]:
    return [punch(instant=MOMENT + timedelta(minutes=number)) for number in range(first, first + count)]


@contextlib.asynccontextmanager
async def place_with_punches(folder: Path, count: int = 3) -> AsyncIterator[RunningPlace]:
    async with (
        SimulatedTerminal(users=PEOPLE, zone=ZoneInfo("Africa/Cairo")) as terminal,
        running_place(folder, [configured(terminal)]) as place,
    ):
        for number in range(count):
            await terminal.punch(str(1 + number % 4), state=number // 4)
        await until(lambda: _all_signed(place, count))
        yield place


async def _all_signed(place: RunningPlace, count: int) -> bool:
    if len(await place.punches()) < count:
        return False
    answer = await place.http.get("/v1/ledger/checkpoint")
    head = (await place.get("/health"))["head"]
    return answer.status_code == 200 and Checkpoint.parse(Note.parse(answer.text).text).size == head


async def test_a_checkpoint_over_all_entries_is_signed_after_a_burst(tmp_path: Path) -> None:
    async with place_with_punches(tmp_path) as place:
        key = PublicKey.parse((await place.http.get("/v1/ledger/key")).text)
        note = Note.parse((await place.http.get("/v1/ledger/checkpoint")).text)
        entries = (await place.get("/v1/ledger/entries"))["entries"]
    note.verified_by(key)
    leaves = [leaf_hash(base64.b64decode(entry["leaf"])) for entry in entries]
    assert Checkpoint.parse(note.text) == Checkpoint("biometric-flow/demo/cairo", len(leaves), fold(leaves))
    assert stat.S_IMODE((tmp_path / "ledger-key.pem").stat().st_mode) == 0o600


async def test_entries_of_the_last_moment_are_signed_at_the_end_and_the_key_stays(tmp_path: Path) -> None:
    async with (
        SimulatedTerminal(users=PEOPLE, zone=ZoneInfo("Africa/Cairo")) as terminal,
        running_place(tmp_path, [configured(terminal)], checkpoint_quiet_seconds=60) as place,
    ):
        await terminal.punch("1")
        await until(place.punches)
        head = (await place.get("/health"))["head"]
        first_key = (await place.http.get("/v1/ledger/key")).text
    async with running_place(tmp_path) as place:
        note = Note.parse((await place.http.get("/v1/ledger/checkpoint")).text)
        assert Checkpoint.parse(note.text).size >= head
        assert (await place.http.get("/v1/ledger/key")).text == first_key


async def test_a_receipt_proves_a_punch_offline(tmp_path: Path) -> None:
    async with place_with_punches(tmp_path, 6) as place:
        asked = (await place.punches())[3]
        receipt = (await place.http.get(f"/v1/punches/{asked['id']}/receipt")).text
        unknown = await place.http.get(f"/v1/punches/{'0' * 64}/receipt")
    proof, _, note = receipt.partition("\n\n")
    header, extra, index, *path = proof.split("\n")
    version, leaf, record, _opening = cbor2.loads(base64.b64decode(extra.removeprefix("extra ")))
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    assert (header, version) == ("c2sp.org/tlog-proof@v1", "biometric-flow/receipt/1")
    assert verifies_inclusion(
        leaf_hash(leaf),
        int(index.removeprefix("index ")),
        checkpoint.size,
        [base64.b64decode(one) for one in path],
        checkpoint.root,
    )
    assert cbor2.loads(record)["id"].hex() == asked["id"]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "punch.unknown")


async def test_a_receipt_waits_for_its_checkpoint(tmp_path: Path) -> None:
    async with (
        SimulatedTerminal(users=PEOPLE, zone=ZoneInfo("Africa/Cairo")) as terminal,
        running_place(tmp_path, [configured(terminal)], checkpoint_quiet_seconds=60) as place,
    ):
        await terminal.punch("1")
        await until(place.punches)
        early = await place.http.get(f"/v1/punches/{(await place.punches())[0]['id']}/receipt")
    assert (early.json()["code"], early.json()["retryable"]) == ("receipt.not_yet", True)


async def test_tiles_and_entry_bundles_rebuild_the_signed_root(tmp_path: Path) -> None:
    async with place_with_punches(tmp_path, 5) as place:
        size = Checkpoint.parse(Note.parse((await place.http.get("/v1/ledger/checkpoint")).text).text).size
        tile = (await place.http.get(f"/v1/ledger/tile/0/000.p/{size}")).content
        leaves = (await place.http.get(f"/v1/ledger/tile/entries/000.p/{size}")).content
        for path in ("0/000", f"0/000.p/{size + 1}", "0/001.p/1", "1/000.p/1", "0/00.p/1", "x", "0/000.p/0"):
            assert (await place.http.get(f"/v1/ledger/tile/{path}")).status_code == 404, path
    hashes = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    found, at = [], 0
    while at < len(leaves):
        length = int.from_bytes(leaves[at : at + 2], "big")
        found.append(leaf_hash(leaves[at + 2 : at + 2 + length]))
        at += 2 + length
    assert found == hashes
    assert len(hashes) == size


def test_a_tree_that_grows_in_steps_has_the_roots_of_one_made_at_once(tmp_path: Path) -> None:
    store, connection = opened_store(tmp_path / "place.sqlite3")
    tree = SqliteTree(connection)
    rows = iter(many(1_700))
    for size in (1, 254, 1, 1, 255, 300, 512, 376):
        store.record([Batch(GATE, MOMENT, rows=list(itertools.islice(rows, size)))])
        signed = store.checkpoint(SIGNER, NOW)
        assert signed is not None
        hashes = [row[0] for row in connection.execute("SELECT hash FROM ledger_entry ORDER BY sequence")]
        assert signed.root == fold(hashes)
        assert [tree.root(old.size) for old in tree.checkpoints()] == [old.root for old in tree.checkpoints()]
    assert store.checkpoint(SIGNER, NOW) is None
    connection.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger_entry SET hash = zeroblob(32) WHERE sequence = 290",
        "DELETE FROM ledger_entry WHERE sequence > 280",
        "DELETE FROM ledger_entry WHERE sequence > 280; DELETE FROM punch WHERE sequence > 280",
        "UPDATE ledger_node SET hash = zeroblob(32)",
        "DELETE FROM ledger_node",
    ],
)
def test_nothing_is_signed_that_contradicts_what_was_signed(tmp_path: Path, damage: str) -> None:
    store, connection = opened_store(tmp_path / "place.sqlite3")
    store.record([Batch(GATE, MOMENT, rows=many(300))])
    assert store.checkpoint(SIGNER, NOW) is not None
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.executescript(damage)
    with contextlib.suppress(StorageUnavailable):  # a place may refuse to go on at all
        store.record([Batch(GATE, MOMENT, rows=many(30, first=300))])
    with pytest.raises(CheckpointInconsistent):
        store.checkpoint(SIGNER, NOW)
    connection.close()
