"""The gateway as witness: what it cosigns, what it logs, and what no thief of a place's disk or key gets past it."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.clients import GatewayProblem
from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.decisions import KeyChanged
from biometric_flow.ledger.merkle import fold
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey, Signature, Signer
from biometric_flow.ledger.rotation import hand_over
from tests.builders import MOMENT
from tests.services.gateways import RunningGateway, TestDatabase, running_gateway, touches
from tests.services.ledgers import OTHER_KEY, PLACE_KEY, SignedChain


async def refusal(attempt: object) -> GatewayProblem:
    with pytest.raises(GatewayProblem) as caught:
        await attempt  # type: ignore[misc]
    return caught.value


async def text(gateway: RunningGateway, path: str) -> str:
    answer = await gateway.http.get(path, headers={"Authorization": f"Bearer {gateway.token}"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def keys(gateway: RunningGateway) -> list[PublicKey]:
    return [PublicKey.parse(line) for line in (await text(gateway, "/v1/ledger/keys")).splitlines()]


async def evidence(gateway: RunningGateway, place: str = "cairo") -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    found: list[dict[str, Any]] = (
        await gateway.http.get(f"/v1/places/{place}/checkpoints/refused", headers=headers)
    ).json()
    return found


async def seen(gateway: RunningGateway, count: int = 300) -> SignedChain:
    """A chain that the gateway holds, with a cosigned checkpoint."""
    chain, uplink = SignedChain(), gateway.uplink()
    chain.add(*touches(count))
    await uplink.upload(0, chain.entries)
    await chain.show(uplink)
    return chain


async def test_a_checkpoint_that_fits_the_replica_is_cosigned_and_logged(gateway: RunningGateway) -> None:
    chain, uplink = SignedChain(), gateway.uplink()
    shown = []
    for count in (1, 254, 1, 100, 300):
        after = len(chain.entries)
        chain.add(*touches(count, first=after))
        await uplink.upload(after, chain.entries[after:])
        shown.append(str(chain.signed()))
        note = await chain.show(uplink)
        witness, log = await keys(gateway)
        assert note.verified_by(chain.signer.public) is None
        assert note.verified_by(witness)
        assert await text(gateway, "/v1/places/cairo/checkpoint") == str(note)
    own = Note.parse(await text(gateway, "/v1/ledger/checkpoint"))
    own.verified_by(log)
    leaves = [leaf_hash(one.encode()) for one in shown]
    assert Checkpoint.parse(own.text) == Checkpoint("biometric-flow/demo", len(shown), fold(leaves))


async def test_the_same_checkpoint_again_gets_the_same_answer(gateway: RunningGateway) -> None:
    chain = await seen(gateway, 5)
    own = await text(gateway, "/v1/ledger/checkpoint")
    again = await asyncio.gather(*(chain.show(gateway.uplink()) for _ in range(4)))
    assert {str(note) for note in again} == {await text(gateway, "/v1/places/cairo/checkpoint")}
    assert await text(gateway, "/v1/ledger/checkpoint") == own


async def test_places_of_one_tenant_share_one_log_that_grows_without_a_gap(gateway: RunningGateway) -> None:
    for place in ("cairo", "leeds"):
        chain, uplink = SignedChain(place), gateway.uplink(place)
        for number in range(3):
            chain.add(*touches(2, first=2 * number))
            await uplink.upload(2 * number, chain.entries[2 * number :])
            await chain.show(uplink)
    assert Checkpoint.parse(Note.parse(await text(gateway, "/v1/ledger/checkpoint")).text).size == 6


async def test_entries_come_before_their_checkpoint(gateway: RunningGateway) -> None:
    chain, uplink = SignedChain(), gateway.uplink()
    chain.add(*touches(5))
    await uplink.upload(0, chain.entries[:4])
    assert (await refusal(chain.show(uplink))).code == "ledger.out_of_order"
    assert await evidence(gateway) == []


async def test_tiles_of_the_replica_rebuild_the_cosigned_root(gateway: RunningGateway) -> None:
    chain = await seen(gateway)
    headers = {"Authorization": f"Bearer {gateway.token}"}
    full = (await gateway.http.get("/v1/places/cairo/tile/0/000", headers=headers)).content
    rest = (await gateway.http.get("/v1/places/cairo/tile/0/001.p/44", headers=headers)).content
    above = (await gateway.http.get("/v1/places/cairo/tile/1/000.p/1", headers=headers)).content
    content = full + rest
    hashes = [content[at : at + 32] for at in range(0, len(content), 32)]
    assert fold(hashes) == chain.root(300)
    assert fold(hashes[:256]) == above
    for path in ("1/001.p/1", "0/001", "0/001.p/45", "..", "entries/002.p/1"):
        assert (await gateway.http.get(f"/v1/places/cairo/tile/{path}", headers=headers)).status_code == 404
    other = {"Authorization": f"Bearer {await gateway.sign_in_of_other_tenant()}"}
    for path in ("tile/0/000", "checkpoint"):
        assert (await gateway.http.get(f"/v1/places/cairo/{path}", headers=other)).status_code == 404


async def test_the_first_key_is_pinned_and_no_other_is_believed_afterwards(
    gateway: RunningGateway, database: TestDatabase
) -> None:
    chain, uplink = await seen(gateway, 3), gateway.uplink()
    chain.add(*touches(1, first=3))
    await uplink.upload(3, chain.entries[3:])
    chain.key = OTHER_KEY
    assert (await refusal(chain.show(uplink))).code == "ledger.note_refused"
    chain.key = PLACE_KEY
    await chain.show(uplink)
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        rows = connection.execute("SELECT place_id, vkey, source FROM place_key").fetchall()
    assert rows == [("cairo", str(chain.signer.public), "first_use")]


async def test_a_configured_key_is_believed_from_the_first_moment(database: TestDatabase, tmp_path: Path) -> None:
    thief, honest = SignedChain(key=OTHER_KEY), SignedChain()
    for chain in (thief, honest):
        chain.add(*touches(3))
    async with running_gateway(tmp_path, database, ledger_keys={"cairo": str(honest.signer.public)}) as gateway:
        uplink = gateway.uplink()
        await uplink.upload(0, honest.entries)
        assert (await refusal(thief.show(uplink))).code == "ledger.note_refused"
        await honest.show(uplink)


async def test_the_gateway_follows_a_key_that_the_old_one_hands_over_and_no_other(gateway: RunningGateway) -> None:
    chain, uplink = await seen(gateway, 3), gateway.uplink()
    origin, stranger = chain.signer.public.name, Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
    taken = KeyChanged(str(hand_over(origin, stranger, OTHER_KEY)), "a thief", MOMENT)
    chain.add(taken)
    await uplink.upload(3, chain.entries[3:])
    chain.key = OTHER_KEY
    assert (await refusal(chain.show(uplink))).code == "ledger.note_refused"
    chain.key = PLACE_KEY
    await chain.show(uplink)
    chain.add(KeyChanged(str(hand_over(origin, PLACE_KEY, OTHER_KEY)), "an operator", MOMENT))
    await uplink.upload(4, chain.entries[4:])
    assert (await refusal(chain.show(uplink))).code == "ledger.note_refused", "the old key is over"
    chain.key = OTHER_KEY
    assert (await chain.show(uplink)).verified_by(chain.signer.public) is None


async def test_a_receipt_of_the_gateway_carries_both_signatures(gateway: RunningGateway) -> None:
    chain = await seen(gateway)
    [newest] = (await gateway.client.punches(gateway.token, limit=1)).items
    receipt = await text(gateway, f"/v1/punches/{newest.id}/receipt")
    note = Note.parse(receipt.partition("\n\n")[2])
    note.verified_by(chain.signer.public)
    note.verified_by((await keys(gateway))[0])
    assert "\nindex 0\n" in receipt, "the newest touch was recorded first"
    chain.add(*touches(1, first=300))
    await gateway.uplink().upload(300, chain.entries[300:])
    [late] = (await gateway.client.punches(gateway.token, limit=1, order="oldest")).items
    headers = {"Authorization": f"Bearer {gateway.token}"}
    early = (await gateway.http.get(f"/v1/punches/{late.id}/receipt", headers=headers)).json()
    assert early["code"] == "receipt.not_yet"
    other = {"Authorization": f"Bearer {await gateway.sign_in_of_other_tenant()}"}
    assert (await gateway.http.get(f"/v1/punches/{newest.id}/receipt", headers=other)).status_code == 404


def truncated(chain: SignedChain) -> Note:
    """Throw the last entries away, as if they had never been."""
    return chain.signed(200)


def other_root(chain: SignedChain) -> Note:
    """Sign a root that stands for nothing, with the stolen key."""
    return chain.signer.sign(Checkpoint(chain.signer.public.name, len(chain.entries), bytes(32)))


def rewritten(chain: SignedChain, changed: Callable[[int], bool]) -> Note:
    """Rebuild chain and tree with some touches replaced by another person's, and sign that with the stolen key."""
    forged = SignedChain()
    for number, touch in enumerate(touches(len(chain.entries))):
        forged.add(*(touches(1, pin="8", first=number) if changed(number) else [touch]))
    return forged.signed()


def first_rewritten(chain: SignedChain) -> Note:
    return rewritten(chain, lambda number: number == 0)


def last_rewritten(chain: SignedChain) -> Note:
    return rewritten(chain, lambda number: number == len(chain.entries) - 1)


def one_removed(chain: SignedChain) -> Note:
    """Leave one touch out and fill up at the end."""
    forged = SignedChain()
    forged.add(*itertools.islice(touches(400), 7), *touches(len(chain.entries) - 7, first=8))
    return forged.signed()


def two_exchanged(chain: SignedChain) -> Note:
    """Swap two touches and rebuild everything behind them."""
    order = list(touches(len(chain.entries)))
    order[3], order[4] = order[4], order[3]
    forged = SignedChain()
    forged.add(*order)
    return forged.signed()


def two_leaves_exchanged(chain: SignedChain) -> Note:
    """Swap two leaves in the tree alone."""
    forged = SignedChain(entries=list(chain.entries))
    forged.entries[3], forged.entries[4] = forged.entries[4], forged.entries[3]
    return forged.signed()


def fork(chain: SignedChain) -> Note:
    """Another history from the middle on."""
    forged = SignedChain()
    forged.add(*touches(150), *touches(len(chain.entries) - 150, pin="9", first=150))
    return forged.signed()


def another_place(chain: SignedChain) -> Note:
    """Show the checkpoint of another place of the tenant."""
    return Signer("biometric-flow/demo/leeds", PLACE_KEY).sign(Checkpoint("biometric-flow/demo/leeds", 300, bytes(32)))


def foreign_origin(chain: SignedChain) -> Note:
    """Sign a checkpoint that speaks for another log under this place's name."""
    text = Checkpoint("biometric-flow/other/cairo", len(chain.entries), chain.root(300)).text()
    signed = Signature(chain.signer.public.name, chain.signer.public.id, PLACE_KEY.sign(text.encode()))
    return Note(text, (signed,))


def extended(chain: SignedChain) -> Note:
    """Put another line under a true checkpoint."""
    text = chain.signed().text + "paid in full\n"
    return Note(text, (Signature(chain.signer.public.name, chain.signer.public.id, PLACE_KEY.sign(text.encode())),))


@pytest.mark.parametrize(
    "forge",
    [
        truncated,
        other_root,
        first_rewritten,
        last_rewritten,
        one_removed,
        two_exchanged,
        two_leaves_exchanged,
        fork,
        foreign_origin,
        extended,
    ],
)
async def test_what_the_stolen_key_signs_against_the_replica_is_refused_and_kept(
    gateway: RunningGateway, forge: Callable[[SignedChain], Note]
) -> None:
    chain, uplink = await seen(gateway), gateway.uplink()
    before = await text(gateway, "/v1/places/cairo/checkpoint")
    forged = forge(chain)
    for _ in range(2):
        problem = await refusal(chain.show(uplink, forged))
        assert (problem.status, problem.code) == (409, "ledger.checkpoint_refused")
    [kept] = await evidence(gateway)
    assert kept["note"] == str(forged)
    urgent = (await gateway.client.overview(gateway.token)).attention[0]
    assert (urgent.kind, urgent.place) == ("checkpoint_refused", "cairo")
    assert kept["reason"] in urgent.text
    assert await text(gateway, "/v1/places/cairo/checkpoint") == before
    chain.add(*touches(1, first=300))
    await uplink.upload(300, chain.entries[300:])
    assert (await chain.show(uplink)).verified_by((await keys(gateway))[0])


async def test_what_the_places_key_did_not_sign_leaves_no_trace(gateway: RunningGateway) -> None:
    chain, uplink = await seen(gateway), gateway.uplink()
    unsigned = Note(chain.signed().text, (Signature(chain.signer.public.name, chain.signer.public.id, bytes(64)),))
    for note in (another_place(chain), unsigned):
        assert (await refusal(chain.show(uplink, note))).code == "ledger.note_refused"
    assert (await refusal(uplink.checkpoint("nonsense", ""))).code == "ledger.note_refused"
    assert (await refusal(chain.show(gateway.uplink("leeds", "cairo-secret-".ljust(43, "x"))))).status == 404
    assert await evidence(gateway) == []


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE ledger_entry SET hash = sha256('x') WHERE sequence = 290",
        "DELETE FROM ledger_entry WHERE sequence = 270",
        "UPDATE ledger_node SET hash = sha256('x')",
    ],
)
async def test_a_replica_that_was_edited_contradicts_the_next_honest_checkpoint(
    gateway: RunningGateway, database: TestDatabase, edit: str
) -> None:
    chain, uplink = await seen(gateway), gateway.uplink()
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        assert connection.execute(edit).rowcount == 1
    chain.add(*touches(1, first=300))
    await uplink.upload(300, chain.entries[300:])
    assert (await refusal(chain.show(uplink))).code == "ledger.checkpoint_refused"


async def test_a_replica_without_its_tree_grows_it_again(gateway: RunningGateway, database: TestDatabase) -> None:
    chain, uplink = await seen(gateway), gateway.uplink()
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        assert connection.execute("DELETE FROM ledger_node WHERE log = 'cairo'").rowcount == 1
    chain.add(*touches(300, first=300))
    await uplink.upload(300, chain.entries[300:])
    assert (await chain.show(uplink)).verified_by((await keys(gateway))[0])
