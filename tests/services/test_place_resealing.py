"""Keys of people, of the place and of terminals are replaced: all reads as before, and no old key opens anything."""

import shutil
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.jobs import DeleteTemplates, ShowMessage
from biometric_flow.api.retention import HoldWanted
from biometric_flow.identity.errors import KeyDestroyed, KeyReplaced
from biometric_flow.identity.keyring import KeyKind, KeyState, subject
from biometric_flow.ledger.note import Signer
from biometric_flow.model.ids import Pin
from biometric_flow.model.punch import QuarantineReason
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.biometrics.destruction import Destructions
from biometric_flow.place.biometrics.samples import Release, Sample
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.classification import COLUMNS
from biometric_flow.place.enrolments import Enrolment, Enrolments
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.erasure_register import told_by
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.push.archive import Arrival, Outcome, UploadArchive
from biometric_flow.place.push.queue import CommandQueue
from biometric_flow.place.push.tables import EventKind, PushNotes, TerminalEvent
from biometric_flow.place.resealing import SEALED, Resealing
from biometric_flow.place.retention import Retention
from biometric_flow.place.rollouts import Rollouts
from biometric_flow.place.roster import Roster, RosterEntry
from biometric_flow.place.store import Batch, PlaceStore
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.wording import Wording
from biometric_flow.runtime.classification import Data
from biometric_flow.zk.push.commands import SetUser
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.push.text import Fields, PushProtocol
from biometric_flow.zk.wire.marks import LogMark
from tests.builders import GATE, MOMENT, person, punch
from tests.services.histories import resealed
from tests.services.stores import keys_of, opened_reader, opened_store

SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
AMINA, BASIL, CARLA = Pin("41"), Pin("42"), Pin("43")
KINDS = (KeyKind.SUBJECT, KeyKind.PLACE, KeyKind.DEVICE)
UPLOAD = b"41\t2026-11-22 08:00:00\t0\t1\n" * 3


async def fill(folder: Path) -> None:
    """Something in every column of a place that holds envelopes."""
    store, connection = opened_store(folder / "place.sqlite3")
    keys, wording = store.subjects.keys, Wording(store.subjects)
    rows = [punch(pin, MOMENT + timedelta(minutes=n)) for n in range(3) for pin in (AMINA, BASIL)]
    bad = Quarantined(bytes(32), GATE, QuarantineReason.IMPOSSIBLE_TIME, "no calendar", b"raw", AMINA)
    odd = Quarantined(bytes([1]) * 32, GATE, QuarantineReason.IMPOSSIBLE_TIME, "nobody's", b"raw")
    event = TerminalEvent(GATE, EventKind.REFUSED, 3, AMINA, "2026-11-22T08:00:00", "was not let in")
    mark = LogMark("attlog40", 40, 5, b"tail")
    people = [person(AMINA, "Amina"), person(BASIL, "Basil")]
    store.record([Batch(GATE, MOMENT, rows=[*rows, bad, odd], people=people, holds=6, mark=mark)])
    store.record([Batch(GATE, MOMENT, notes=PushNotes(events=[event]))])
    entry = RosterEntry("gate", "Gate", "192.0.2.1", 4370, 471_193, "utf-8", True, serial=GATE, push_secret="ab" * 32)
    Roster(connection, keys).add(entry)
    Enrolments(connection, store.subjects).put(Enrolment("gate", AMINA, "Amina", password="90210777"))
    jobs, queue = Jobs(connection, wording), CommandQueue(connection, wording, timedelta(minutes=2))
    number = jobs.add("gate", DeleteTemplates(kind="delete_templates", pin=AMINA), MOMENT).number
    jobs.turn(number, "failed", "still there", MOMENT)
    told = ShowMessage(
        kind="show_message", number=1, text="Hello", start=MOMENT.replace(tzinfo=None), pins=[AMINA, "9"]
    )
    jobs.add("gate", told, MOMENT)
    sent = queue.add("gate", SetUser(PushedUser(AMINA, "Amina")), PushProtocol.ATTENDANCE, MOMENT)
    queue.take("gate", PushProtocol.ATTENDANCE, MOMENT)
    queue.finish("gate", [CommandResult(str(sent), 0, "DATA", Fields({"Name": "Amina"}))], MOMENT)
    rollouts = Rollouts(connection, wording, jobs)
    rollouts.start(DeleteTemplates(kind="delete_templates", pin=AMINA), ["gate"], MOMENT)
    rollouts.advance(MOMENT, {("gate", "delete_templates"): KeyDestroyed("nobody has it")})
    vault = Vault(connection, keys, is_on=True)
    for pin in (AMINA, BASIL):
        until = MOMENT + timedelta(days=30)
        vault.agree(Release(0, pin, "attendance", "1", MOMENT, until, "ann", MOMENT))
        vault.keep([Sample(pin, "FP", 1, 3, 0, "10", data=b"template")], 0, GATE, MOMENT)
    Destructions(connection, vault).begin(BASIL, "left", ["gate"], MOMENT)
    retention = Retention(connection, store.subjects, has_gateway=False)
    retention.hold(HoldWanted(scope="person", who=AMINA, reason="claim", by="counsel", first_day=MOMENT.date()), MOMENT)
    retention.wait(AMINA, "officer", "request", MOMENT)
    store.checkpoint(SIGNER, MOMENT)
    connection.close()
    archive = archive_of(folder, store)
    await archive.keep(Arrival(GATE, "ATTLOG", "", UPLOAD, MOMENT), Outcome())
    await archive.close()


def test_every_column_that_may_be_sealed_is_sealed_anew_or_known_to_hold_no_envelope() -> None:
    """A new column of this kind belongs into `resealing.SEALED`, or below: its key would be destroyed under it."""
    kinds = {Data.IDENTITY, Data.BIOMETRIC, Data.ATTENDANCE, Data.SECRET, Data.EVIDENCE}
    tagged = {f"{table}.{name}" for table, tags in COLUMNS.items() for name, kind in tags.items() if kind in kinds}
    listed = {f"{one.table}.{column}" for one in SEALED for column in one.columns}
    plain = {
        *("punch.local_time", "punch.instant", "punch.state", "terminal_event.local_time"),
        *("ledger_entry.leaf", "ledger_entry.hash", "wrapping.content", "biometric_sample.slot"),
        *(f"biometric_release.{name}" for name in ("given_at", "until", "recorded_at", "allows_keeping", "ended_at")),
        *(f"biometric_destruction.{name}" for name in ("asked_at", "detail", "confirmed_at")),
    }
    assert tagged - plain == {*tagged & listed, "ledger_entry.record", "upload.body"}
    assert listed <= tagged


def archive_of(folder: Path, store: PlaceStore) -> UploadArchive:
    return UploadArchive(folder / "archive.sqlite3", store.subjects.keys, 1_000_000, timedelta(days=9))


async def replaced(folder: Path, kind: KeyKind) -> set[bytes]:
    """Replace all keys of a kind to the end; the ids of those that are gone."""
    store, connection = opened_store(folder / "place.sqlite3")
    keys, archive = store.subjects.keys, archive_of(folder, store)
    keys.turn(kind)
    old = frozenset(one.id for one in keys.retiring(kind))
    assert old
    assert resealed(Resealing(connection, store), keys, kind)
    await archive.reseal(old)
    assert not ({key for _, key in envelopes(folder)} & old), "something is still under a key that is to go"
    keys.retire(kind)
    assert not keys.retiring(kind)
    connection.close()
    await archive.close()
    return set(old)


def values(folder: Path) -> Iterator[tuple[str, Any]]:
    """Everything in the files of a place: table and column, and the value."""
    for file in ("place.sqlite3", "archive.sqlite3"):
        with closing(sqlite3.connect(folder / file)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (table,) in tables:
                rows = connection.execute(f"SELECT * FROM {table}")
                names = [one[0] for one in rows.description]
                yield from ((f"{table}.{name}", one) for row in rows for name, one in zip(names, row, strict=True))


def envelopes(folder: Path) -> list[tuple[str, bytes]]:
    """Where envelopes lie, of every form, and the id of their key: found by the ids, not by a list of columns."""
    with closing(sqlite3.connect(folder / "keys" / "keys.sqlite3")) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM key")]
    found = []
    for column, value in values(folder):
        content = value if isinstance(value, bytes) else b""
        if isinstance(value, str) and len(value) >= 64 and len(value) % 4 == 0 and value.startswith("AQ"):
            content = b64decode(value)
        found += [(column, one) for one in ids if one in content]
    return found


def reads(folder: Path) -> list[Any]:
    """What a place says of what it holds."""
    store, connection = opened_store(folder / "place.sqlite3")
    reader, other = opened_reader(folder / "place.sqlite3", store)
    keys, wording = store.subjects.keys, Wording(store.subjects)
    jobs, vault = Jobs(connection, wording), Vault(connection, keys, is_on=True)
    entry = Roster(connection, keys).get("gate")
    retention = Retention(connection, store.subjects, has_gateway=False)
    found = [
        reader.entries(0, 100),
        reader.people(),
        reader.quarantine(9),
        reader.events_about(AMINA),
        [one for _, one in reader.punches_after(0, 100)],
        (entry.comm_key, entry.push_secret),
        Enrolments(connection, store.subjects).get("gate", AMINA),
        [jobs.get("gate", number) for number in (1, 2)],
        CommandQueue(connection, wording, timedelta(minutes=2)).get(1),
        Rollouts(connection, wording, jobs).listed(5),
        vault.every_release(),
        vault.open(AMINA),
        Destructions(connection, vault).listed(is_open=False),
        retention.holds(),
        retention.waiting(),
        store.cursor(GATE),
        [store.subjects.known(pin, b"identity") for pin in (AMINA, BASIL, None)],
    ]
    assert store.record([Batch(GATE, MOMENT, rows=[punch(AMINA, MOMENT)])])[0].duplicate == 1
    connection.close()
    other.close()
    return found


async def test_everything_reads_and_proves_as_before_when_every_owners_key_is_replaced_twice(tmp_path: Path) -> None:
    await fill(tmp_path)
    before, where = reads(tmp_path), {column for column, _ in envelopes(tmp_path)}
    assert len(where) > 20
    gone: set[bytes] = set()
    for kind in (*KINDS, *KINDS):
        gone |= await replaced(tmp_path, kind)
        assert reads(tmp_path) == before
    assert {column for column, _ in envelopes(tmp_path)} == where
    assert (
        audit(tmp_path / "place.sqlite3", "cairo", Keys(SIGNER.public), keys_of(tmp_path / "place.sqlite3")).punches
        == 6
    )
    store, connection = opened_store(tmp_path / "place.sqlite3")
    archive = archive_of(tmp_path, store)
    assert (await archive.get(1))[1] == UPLOAD
    await archive.close()
    records = [one for one in store.subjects.keys.records() if one.id in gone]
    assert {(one.state, one.wrapped) for one in records} == {(KeyState.DESTROYED, b"")}
    connection.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_copy_of_before_does_not_open_with_the_keys_of_after_and_nobody_counts_as_erased(
    tmp_path: Path, kind: KeyKind
) -> None:
    await fill(tmp_path)
    old = [one for one in values(tmp_path) if one[0] == "ledger_entry.record"]
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / "place.sqlite3", copy)
    await replaced(tmp_path, kind)
    shutil.copytree(tmp_path / "keys", copy / "keys")
    keys = keys_of(copy / "place.sqlite3")
    assert len(old) > 5
    with closing(sqlite3.connect(copy / "place.sqlite3")) as connection:
        if kind is KeyKind.SUBJECT:
            with pytest.raises(KeyReplaced, match="key store of their time"):
                Subjects(connection, keys, is_put_back=True)
            return
        assert Subjects(connection, keys, is_put_back=True).closed == []
        is_read = {
            KeyKind.DEVICE: lambda: Roster(connection, keys),
            KeyKind.PLACE: lambda: Vault(connection, keys, is_on=True).every_release(),
        }
        with pytest.raises(KeyReplaced):
            is_read[kind]()


async def test_a_person_who_was_erased_after_their_key_was_replaced_does_not_come_back_with_older_keys(
    tmp_path: Path,
) -> None:
    await fill(tmp_path)
    before = tmp_path / "before"
    before.mkdir()
    shutil.copy(tmp_path / "place.sqlite3", before)
    shutil.copytree(tmp_path / "keys", before / "keys")
    await replaced(tmp_path, KeyKind.SUBJECT)
    store, connection = opened_store(tmp_path / "place.sqlite3")
    vault = Vault(connection, store.subjects.keys, is_on=True)
    vault.end(AMINA, "asked", MOMENT)
    one = store.subjects.id_of(AMINA) or ""
    erasures = Erasures(connection, store, vault, has_gateway=False)
    erasures.erase(AMINA, "officer", "request", MOMENT)
    erasures.finish()
    assert {record.state for record in store.subjects.keys.versions(subject(one))} == {KeyState.DESTROYED}
    register = told_by(connection, store.subjects)
    connection.close()
    restored, again = opened_store(before / "place.sqlite3")
    replayed = Erasures(again, restored, Vault(again, restored.subjects.keys, is_on=True), has_gateway=False)
    assert replayed.replay(register, MOMENT) == 1
    replayed.finish()
    assert restored.subjects.id_of(AMINA) is None
    again.close()
