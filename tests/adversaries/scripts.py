"""What people with full access to one side's disk do, each by name, who finds it, and in which words.

`PLACE` scripts have the place's folder: its file, its key store, its signing key. `GATEWAY` scripts have the gateway's
folder and its database as an administrator. Nobody has both.
"""

import base64
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.chain import EMPTY, Head, leaf_hash, seal
from biometric_flow.ledger.events import ClockCorrected, Event, PunchRecorded, decode
from biometric_flow.ledger.note import Checkpoint, Cosigner, Note, Signer
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.place.store import PlaceStore, punch_row
from tests.adversaries import worlds
from tests.adversaries.worlds import CAIRO, Finder, World
from tests.builders import GATE, MOMENT
from tests.services.stores import opened_store

Script = Callable[[World], None]


@dataclass(frozen=True)
class Adversary:
    """One script, who finds it, and what that finder says of it (a regular expression)."""

    script: Script
    found_by: Finder
    says: str

    @property
    def name(self) -> str:
        return self.script.__name__


ADVERSARIES: Final[list[Adversary]] = []


def found(by: Finder, says: str) -> Callable[[Script], Script]:
    """Put a script on the list."""

    def add(script: Script) -> Script:
        ADVERSARIES.append(Adversary(script, by, says))
        return script

    return add


# --- the place's disk, found by `ledger verify` on it ------------------------------------------------------------


@found(worlds.by_verify, "entry 17: the row of table punch is not what the entry says")
def move_a_punch_by_an_hour(world: World) -> None:
    world.sql("UPDATE punch SET instant = instant - 3600 WHERE sequence = 17")


@found(worlds.by_verify, "entry 1[0-9]+: the row of table punch is not what the entry says")
def give_a_punch_to_somebody_else(world: World) -> None:
    world.sql("UPDATE punch SET subject = (SELECT max(id) FROM subject) WHERE sequence IN (11, 12, 13)")


@found(worlds.by_verify, "entry 40: the row of table punch is not what the entry says")
def delete_a_punch_that_people_see(world: World) -> None:
    world.sql("DELETE FROM punch WHERE sequence = 40")


@found(worlds.by_verify, "punch row 999: there is no such entry")
def add_a_punch_without_an_entry(world: World) -> None:
    _copy_punch(world, 40, 999)


@found(worlds.by_verify, "entry 100: the sealed record does not open: .* moved from another place")
def insert_a_punch_in_the_middle(world: World) -> None:
    world.sql(
        "UPDATE punch SET sequence = -sequence - 1 WHERE sequence >= 100; UPDATE punch SET sequence = -sequence"
        " WHERE sequence < 0; UPDATE ledger_entry SET sequence = -sequence - 1 WHERE sequence >= 100;"
        " UPDATE ledger_entry SET sequence = -sequence WHERE sequence < 0;"
        " INSERT INTO ledger_entry SELECT 100, leaf, hash, record FROM ledger_entry WHERE sequence = 99"
    )


@found(worlds.by_verify, r"entry \d+: the sealed record does not open: .* moved from another place")
def duplicate_the_last_leaf(world: World) -> None:
    world.sql(
        "INSERT INTO ledger_entry SELECT sequence + 1, leaf, hash, record FROM ledger_entry"
        " ORDER BY sequence DESC LIMIT 1"
    )


@found(worlds.by_verify, "entry 50: the sealed record does not open: .* moved from another place")
def swap_two_leaves(world: World) -> None:
    world.sql(
        "UPDATE ledger_entry SET sequence = -1 WHERE sequence = 50; UPDATE ledger_entry SET sequence = 50 WHERE"
        " sequence = 51; UPDATE ledger_entry SET sequence = 51 WHERE sequence = -1"
    )


@found(worlds.by_verify, "entry 61: the previous leaf hash differs")
def backdate_the_receive_day(world: World) -> None:
    _change_leaf(world, 60, 4, "2026-01-01")


@found(worlds.by_verify, "checkpoint over .*: it was signed over another history")
def backdate_the_receive_day_of_the_last_entry(world: World) -> None:
    _change_leaf(world, world.ask("SELECT max(sequence) FROM ledger_entry"), 4, "2026-01-01")


@found(worlds.by_verify, "entry 70: the record does not match the leaf's commitment")
def change_a_commitment(world: World) -> None:
    _change_leaf(world, 70, 6, bytes(32))


@found(worlds.by_verify, "entry 80: the record does not match the leaf's commitment")
def re_encrypt_a_record(world: World) -> None:
    """Seal an earlier punch under the person's own key, in the place of the true one."""
    store, connection = opened_store(world.file)
    event = _event_at(store, 80)
    forged = PunchRecorded(replace(event.punch, local_time=event.punch.local_time - timedelta(hours=1)))
    record = seal(CAIRO, EMPTY, "", forged, bytes(32)).record
    sealed = store.subjects.seal_record(forged.subject, 80, record)
    connection.execute("UPDATE ledger_entry SET record = ? WHERE sequence = 80", (sealed,))
    connection.close()


@found(worlds.by_verify, "entries cannot be opened, and erasures account for 0")
def pass_a_removal_off_as_an_erasure(world: World) -> None:
    world.sql("UPDATE ledger_entry SET record = x'' WHERE sequence = 90; DELETE FROM punch WHERE sequence = 90")


@found(worlds.by_verify, "does not open|cannot be read|do not open")
def swap_two_subjects_keys(world: World) -> None:
    with sqlite3.connect(world.place / "keys" / "keys.sqlite3") as keys:
        (one, first), (two, second) = keys.execute(
            "SELECT slot, content FROM wrapping JOIN key USING (slot) WHERE kind = 'subject' LIMIT 2"
        )
        keys.execute("UPDATE wrapping SET content = ? WHERE slot = ?", (second, one))
        keys.execute("UPDATE wrapping SET content = ? WHERE slot = ?", (first, two))
    keys.close()


@found(worlds.by_verify, "tile 0/000: its root in ledger_node is not that of entry 256")
def replace_a_tile(world: World) -> None:
    world.sql("UPDATE ledger_node SET hash = (SELECT hash FROM ledger_entry WHERE sequence = 1)")


@found(worlds.by_verify, "checkpoint over .* entries: the signature of .* does not fit|expected a signature by")
def replace_a_checkpoint_by_one_under_another_key(world: World) -> None:
    _replace_checkpoint(world, Ed25519PrivateKey.generate(), None)


@found(worlds.by_verify, "checkpoint over .* entries: it was signed over another history")
def re_sign_a_checkpoint_with_the_stolen_key(world: World) -> None:
    _replace_checkpoint(world, world.stolen_key(), bytes(32))


@found(worlds.by_verify, "checkpoint over .* entries: .*biometric-flow-gateway")
def cosign_a_checkpoint_in_the_gateways_name(world: World) -> None:
    forger = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.generate())
    note = Note.parse(world.ask("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"))
    forged = Note(note.text, (note.signatures[0], forger.cosign(note.text, 1)))
    world.sql(f"UPDATE checkpoint SET note = '{forged}' WHERE size = (SELECT max(size) FROM checkpoint)")


@found(worlds.by_verify, "the checkpoint over .* was cosigned when it was fetched, and is not in this file")
def strip_cosignatures(world: World) -> None:
    with sqlite3.connect(world.file) as connection:
        for size, text in connection.execute("SELECT size, note FROM checkpoint").fetchall():
            bare = Note(Note.parse(text).text, Note.parse(text).signatures[:1])
            connection.execute("UPDATE checkpoint SET note = ?, is_cosigned = 0 WHERE size = ?", (str(bare), size))
    connection.close()


@found(worlds.by_verify, "entry .*: it is missing, .* entries were signed")
def drop_the_tail_of_the_entries(world: World) -> None:
    world.sql("DELETE FROM punch WHERE sequence > 295; DELETE FROM ledger_entry WHERE sequence > 295")


@found(worlds.by_verify, "entry .*: its row was put aside, and is not in table quarantine any more")
def delete_a_row_from_the_quarantine(world: World) -> None:
    world.sql("DELETE FROM quarantine")


@found(worlds.by_verify, "entry .*: the row that was put aside is not what the entry says")
def give_a_row_in_the_quarantine_another_reason(world: World) -> None:
    world.sql("UPDATE quarantine SET reason = 'in_the_future'")


@found(worlds.by_verify, "the keys of this ledger|expected a signature by")
def change_the_key_without_a_leaf(world: World) -> None:
    """Give the place another signing key and let it sign."""
    key = Ed25519PrivateKey.generate()
    _keep_key(world, key)
    store, connection = opened_store(world.file)
    with store.transaction():
        store.ledger.append([ClockCorrected(GATE, timedelta(seconds=9), MOMENT)], "2026-11-22")
    store.checkpoint(Signer(world.place_key.name, key), MOMENT)
    connection.close()


# --- the place's disk, found when it starts -----------------------------------------------------------------------


@found(worlds.by_starting, "cannot use the database|is damaged or was altered")
def truncate_the_file(world: World) -> None:
    content = world.file.read_bytes()
    world.file.write_bytes(content[: len(content) // 2])


@found(worlds.by_starting, "expected a leaf of place 'cairo', got 'leeds'")
def swap_two_places(world: World) -> None:
    world.place.rename(world.folder / "away")
    world.other_place.rename(world.place)


# --- the place's disk and all of its keys: it verifies, and the gateway finds it ------------------------------------


@found(
    worlds.by_the_next_checkpoint,
    "cosigned, this one over .* goes back|two histories of this place exist|entry 317: the previous leaf hash differs",
)
def edit_a_row_and_rebuild_chain_and_tree(world: World) -> None:
    """With every key in hand: one punch an hour earlier, everything behind it sealed and signed anew."""

    def an_hour_earlier(event: Event) -> Event:
        if isinstance(event, PunchRecorded) and event.punch.id == target.punch.id:
            punch = event.punch
            earlier = punch.instant - timedelta(hours=1)
            return PunchRecorded(replace(punch, instant=earlier, verify=15))
        return event

    store, connection = opened_store(world.file)
    target = _event_at(store, 40)
    connection.close()
    _rebuild(world, an_hour_earlier)
    assert world.audited(earlier=()).punches > 0, "all by itself, the place's disk looks right"


@found(
    worlds.by_the_next_checkpoint, "entry 317: the previous leaf hash differs: an earlier entry was altered or left out"
)
def go_on_from_a_fork(world: World) -> None:
    """An old copy takes punches of its own, more than the true one has, and comes back with them."""
    _put_back(world)
    store, connection = opened_store(world.file)
    event = _event_at(store, 30)
    forged = [
        PunchRecorded(replace(event.punch, id=type(event.punch.id)(bytes([n]) * 32)))  # another 40 touches
        for n in range(40)
    ]
    _append(store, forged, world)
    connection.close()


@found(worlds.by_the_next_checkpoint, "restored from an older copy")
def replay_an_old_backup(world: World) -> None:
    _put_back(world)


@found(worlds.by_the_next_checkpoint, "restored from an older copy")
def drop_the_tail_and_sign_what_is_left(world: World) -> None:
    world.sql(
        "DELETE FROM punch WHERE sequence > 295; DELETE FROM ledger_entry WHERE sequence > 295;"
        " DELETE FROM checkpoint WHERE size > 295"
    )
    store, connection = opened_store(world.file)
    store.checkpoint(Signer(world.place_key.name, world.stolen_key()), MOMENT)
    connection.close()


@found(worlds.by_the_next_checkpoint, "restored from an older copy")
def replay_an_old_backup_and_take_the_warning_away(world: World) -> None:
    """The place has stopped already; the thief clears what says so."""
    _put_back(world)
    assert worlds.by_the_next_checkpoint(world)
    world.sql("DELETE FROM halt")


@found(worlds.by_a_link_that_is_refused, "refused: .*expected a signature by biometric-flow/demo/cairo")
def sign_on_with_a_key_of_ones_own(world: World) -> None:
    """The signing key is replaced while the place is down; the gateway believes the old one."""
    _keep_key(world, Ed25519PrivateKey.generate())


@found(worlds.by_a_link_that_is_refused, "refused: .*expected a signature by biometric-flow-gateway")
def replace_the_gateways_public_key_at_the_place(world: World) -> None:
    forger = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.generate()).public
    world.sql(f"UPDATE witness_key SET vkey = '{forger}'")


# --- the gateway's disk ---------------------------------------------------------------------------------------------


@found(worlds.by_verifying_the_gateway, "demo/cairo: .*entry 25.*does not open here: it was altered, or moved")
def edit_the_gateways_copy_only(world: World) -> None:
    world.gateway_sql(
        "UPDATE ledger_entry SET record = (SELECT record FROM ledger_entry WHERE place_id = 'cairo' AND sequence = 26)"
        " WHERE place_id = 'cairo' AND sequence = 25"
    )


@found(worlds.by_verifying_the_gateway, "demo/cairo: entry 25: the punch that people see is not what the entry says")
def move_a_punch_at_the_gateway(world: World) -> None:
    world.gateway_sql(
        "UPDATE punch SET instant = instant - interval '1 hour', local_time = local_time - interval '1 hour'"
        " WHERE place_id = 'cairo' AND sequence = 25"
    )


@found(worlds.by_verifying_the_gateway, "demo/cairo: entry 26: the punch that people see is not what the entry says")
def delete_a_punch_at_the_gateway(world: World) -> None:
    world.gateway_sql("DELETE FROM punch WHERE place_id = 'cairo' AND sequence = 26")


@found(worlds.by_verifying_the_gateway, "checkpoint .* of the gateway's own log was altered|names another root|only")
def remove_a_checkpoint_from_the_gateways_own_log(world: World) -> None:
    world.gateway_sql("DELETE FROM checkpoint WHERE number = 1")


@found(worlds.by_the_next_checkpoint, "two histories of this place exist")
def rewrite_the_gateways_copy_and_forget_what_was_cosigned(world: World) -> None:
    world.gateway_sql(
        "UPDATE ledger_entry SET hash = sha256('x') WHERE place_id = 'cairo' AND sequence = 280",
        "DELETE FROM checkpoint WHERE place_id = 'cairo'",
    )


@found(worlds.by_reading_what_the_gateway_serves, "a checkpoint over .* entries was seen before")
def roll_back_the_gateways_replica(world: World) -> None:
    """An auditor who kept a checkpoint sees it; so does the place."""
    world.roll_back_the_gateway()


@found(worlds.by_the_places_health, "cosigned .* entries .* holds only")
def roll_back_the_gateway_while_the_place_is_down(world: World) -> None:
    world.roll_back_the_gateway()


@found(worlds.by_reading_what_the_gateway_serves, "expected a signature by biometric-flow-gateway")
def strip_cosignatures_at_the_gateway(world: World) -> None:
    world.gateway_sql("UPDATE checkpoint SET note = split_part(note, '— biometric-flow-gateway', 1)")


@found(worlds.by_reading_what_the_gateway_serves, "tile 0/000: its hashes are not those of the leaves")
def serve_another_tile(world: World) -> None:
    world.gateway_sql("UPDATE ledger_entry SET hash = sha256('x') WHERE place_id = 'cairo' AND sequence = 5")


@found(worlds.by_a_link_that_is_refused, "refused: .*expected a signature by")
def replace_the_places_public_key_at_the_gateway(world: World) -> None:
    forger = Signer(world.place_key.name, Ed25519PrivateKey.generate()).public
    world.gateway_sql(f"UPDATE place_key SET vkey = '{forger}' WHERE place_id = 'cairo'")


@found(worlds.by_comparing_two_gateways, "the checkpoint over .* entries that was seen before is of another history")
def show_two_gateways_two_histories(world: World) -> None:
    """Split view: the place shows the true history to one gateway and a rebuilt one to another, each cosigned."""

    def another_verify_mode(event: Event) -> Event:
        if isinstance(event, PunchRecorded):
            return PunchRecorded(replace(event.punch, verify=15))
        return event

    _rebuild(world, another_verify_mode)
    world.sql("DELETE FROM witness_key")


# --- receipts ---------------------------------------------------------------------------------------------------------


@found(worlds.by_the_receipts_holder, "the record is not the one that the leaf commits to")
def forge_a_receipt(world: World) -> None:
    """Another record under a true proof."""
    extra = world.receipt.split("\n")[1].removeprefix("extra ")
    tag, leaf, record, opened = cbor2.loads(_decoded(extra))
    event = decode(record)
    assert isinstance(event, PunchRecorded)
    changed = seal(CAIRO, EMPTY, "", PunchRecorded(replace(event.punch, work_code=9)), bytes(32)).record
    forged = _encoded(cbor2.dumps([tag, leaf, changed, opened], canonical=True))
    world.receipt = world.receipt.replace(extra, forged)


@found(worlds.by_the_receipts_holder, "does not lead to|signature")
def forge_a_receipt_with_the_stolen_key(world: World) -> None:
    """Leaf, tree of one and checkpoint are made up and signed by the place; the gateway has cosigned none of it."""
    extra = world.receipt.split("\n")[1].removeprefix("extra ")
    tag, _, record, _ = cbor2.loads(_decoded(extra))
    event = decode(record)
    made = seal(CAIRO, EMPTY, "2026-11-22", event, bytes(32))
    signer = Signer(world.place_key.name, world.stolen_key())
    note = signer.sign(Checkpoint(signer.public.name, 1, made.hash))
    stolen = Note.parse(world.receipt.partition("\n\n")[2]).signatures[-1]
    content = _encoded(cbor2.dumps([tag, made.leaf, made.record, made.opening], canonical=True))
    world.receipt = f"c2sp.org/tlog-proof@v1\nextra {content}\nindex 0\n\n{note.with_signature(stolen)}"


# --- what the scripts are made of ---------------------------------------------------------------------------------


def _event_at(store: PlaceStore, sequence: int) -> PunchRecorded:
    (entry,) = store.ledger.read(sequence - 1, 1)
    event = decode(entry.record)
    assert isinstance(event, PunchRecorded)
    return event


def _change_leaf(world: World, sequence: int, field: int, value: object) -> None:
    """Write another value into a leaf, and the hash that belongs to it."""
    leaf = cbor2.loads(world.ask(f"SELECT leaf FROM ledger_entry WHERE sequence = {sequence}"))
    leaf[field] = value
    changed = cbor2.dumps(leaf, canonical=True)
    world.sql(
        f"UPDATE ledger_entry SET leaf = x'{changed.hex()}', hash = x'{leaf_hash(changed).hex()}'"
        f" WHERE sequence = {sequence}"
    )


def _copy_punch(world: World, sequence: int, to: int) -> None:
    world.sql(
        f"CREATE TEMP TABLE one AS SELECT * FROM punch WHERE sequence = {sequence};"
        f" UPDATE one SET sequence = {to}, known = zeroblob(16); INSERT INTO punch SELECT * FROM one"
    )


def _replace_checkpoint(world: World, key: Ed25519PrivateKey, root: bytes | None) -> None:
    """The last checkpoint, signed by this key over this root, without a cosignature."""
    size = world.ask("SELECT max(size) FROM checkpoint")
    said = Checkpoint.parse(Note.parse(world.ask("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")).text)
    note = Signer(said.origin, key).sign(Checkpoint(said.origin, said.size, root or said.root))
    world.sql(f"UPDATE checkpoint SET note = '{note}', is_cosigned = 0 WHERE size = {size}")


def _keep_key(world: World, key: Ed25519PrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (world.place / "ledger-key.pem").write_bytes(pem)


def _put_back(world: World) -> None:
    shutil.rmtree(world.place)
    shutil.copytree(world.backup, world.place)


def _append(store: PlaceStore, events: list[PunchRecorded], world: World) -> None:
    with store.transaction():
        store.ledger.append(events, "2026-11-22")
    store.checkpoint(Signer(world.place_key.name, world.stolen_key()), MOMENT)


def _rebuild(world: World, change: Callable[[Event], Event]) -> None:
    """Seal every entry anew with what `change` makes of it, make the tree and one checkpoint over all."""
    store, connection = opened_store(world.file)
    with store.transaction():
        head = EMPTY
        for entry in store.ledger.read(0, 100_000):
            event = change(decode(entry.record))
            day = cbor2.loads(entry.leaf)[4]
            made = seal(CAIRO, head, day, event, store.subjects.key(event.subject))
            head = Head(made.sequence, made.hash)
            sealed = store.subjects.seal_record(event.subject, made.sequence, made.record)
            row = (made.leaf, made.hash, sealed, made.sequence)
            connection.execute("UPDATE ledger_entry SET leaf = ?, hash = ?, record = ? WHERE sequence = ?", row)
            if isinstance(event, PunchRecorded):
                derived = punch_row(made.sequence, event.punch, store.subjects)
                marks = ",".join("?" * len(derived))
                connection.execute(f"INSERT OR REPLACE INTO punch VALUES ({marks})", derived)
        connection.execute("DELETE FROM ledger_node")
        connection.execute("DELETE FROM checkpoint")
        SqliteTree(connection).sign(Signer(world.place_key.name, world.stolen_key()), head.sequence, MOMENT)
    connection.close()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
