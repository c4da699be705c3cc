"""Erasing people: what was recorded still proves, and nothing says any more whose it was (security-design E1 to E7)."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.jobs import DeleteTemplates, ShowMessage
from biometric_flow.identity.envelope import Binding, row_name
from biometric_flow.identity.errors import KeyDestroyed
from biometric_flow.identity.keyring import subject
from biometric_flow.ledger.note import Signer
from biometric_flow.ledger.verify_receipt import verify
from biometric_flow.model.ids import Pin, PlaceId, canonical_pin
from biometric_flow.place.audit import Audited, Keys, LedgerAltered, audit
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.enrolments import Enrolment, Enrolments
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.errors import ErasureWaits, PersonUnknown
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.key_rotation import DONE
from biometric_flow.place.reader import PlaceReader, PunchFilter
from biometric_flow.place.store import Batch, PlaceStore
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.wording import Wording
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.zk.wire.marks import LogMark
from tests.builders import GATE, MOMENT, person, punch
from tests.services.places import running_place, until
from tests.services.pushes import push_place, pushing
from tests.services.stores import keys_of, opened_reader, opened_store
from tests.services.test_place_trail import operations

SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
AMINA, NAME = Pin("87654321"), "Canary Nightingale"
LATER = MOMENT + timedelta(days=3)
EVERYTHING = (-(2**62), 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "place.sqlite3"


@pytest.fixture
def opened(file: Path) -> Iterator[tuple[PlaceStore, PlaceReader, Erasures]]:
    store, connection = opened_store(file)
    reader, reading = opened_reader(file, store)
    mine = [punch(AMINA, MOMENT + timedelta(minutes=n)) for n in range(30)]
    others = [punch(str(1 + n % 5), MOMENT + timedelta(minutes=n)) for n in range(70)]
    people = [person(AMINA, NAME), *(person(str(n), f"Person {n}") for n in range(1, 6))]
    tail = b"\0" + AMINA.encode() + b"\0"
    mark = LogMark("attlog40", 40, 100, tail)
    store.record([Batch(GATE, MOMENT, rows=mine + others, people=people, holds=100, mark=mark)])
    Enrolments(connection, store.subjects).put(Enrolment("gate", AMINA, NAME, password="90210777"))
    store.checkpoint(SIGNER, MOMENT)
    yield store, reader, Erasures(connection, store, vault_of(connection, store), has_gateway=False)
    reading.close()
    connection.close()


def vault_of(connection: sqlite3.Connection, store: PlaceStore) -> Vault:
    return Vault(connection, store.subjects.keys, is_on=False)


def audited(file: Path) -> Audited:
    return audit(file, PlaceId("cairo"), Keys(SIGNER.public), keys_of(file))


def erase(erasures: Erasures, pin: Pin = AMINA) -> None:
    erasures.erase(pin, "officer", "request of 3 March", LATER)
    erasures.finish()


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_after_an_erasure_the_ledger_and_every_old_receipt_still_verify(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures]
) -> None:
    store, reader, erasures = opened
    before = audited(file)
    ids = [one.id for _, one in reader.punches(PunchFilter(), EVERYTHING, 1000)]
    receipts = [reader.receipt(one) for one in ids]
    erase(erasures)
    store.checkpoint(SIGNER, LATER)
    after = audited(file)
    assert (after.entries, after.punches) == (before.entries + 1, before.punches - 30)
    assert all(verify(one, str(SIGNER.public), None) for one in receipts)
    left = [one.pin for _, one in reader.punches(PunchFilter(), EVERYTHING, 1000)]
    assert len(left) == 70
    assert AMINA not in left


def test_no_file_holds_what_was_erased_and_no_key_opens_a_copy_of_it(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures], tmp_path: Path
) -> None:
    store, reader, erasures = opened
    one = store.subjects.id_of(AMINA)
    assert one is not None
    copy = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-copy")
    erase(erasures)
    content = bytes_below(tmp_path)
    assert one.encode() not in file.read_bytes() + file.with_name("place.sqlite3-wal").read_bytes()
    for canary in (AMINA.encode(), NAME.encode(), b"90210777"):
        assert canary not in content
    # A backup of the data from before opens nothing with the keys of today.
    stale = sqlite3.connect(copy / "place.sqlite3")
    envelopes = [row[0] for row in stale.execute("SELECT record FROM ledger_entry")]
    keys = keys_of(file)
    closed = 0
    for sequence, envelope in enumerate(envelopes, 1):
        try:
            keys.opened(Binding("ledger_entry", "record", row_name(sequence)), envelope)
        except KeyDestroyed:
            closed += 1
            assert store.subjects.open_record(sequence, envelope) is None
    assert closed == 31
    with pytest.raises(KeyDestroyed):
        Subjects(stale, keys)
    assert reader.known_by(AMINA) == []


@pytest.mark.parametrize("minutes", [60, pytest.param(31 * 24 * 60, marks=pytest.mark.drill)])
def test_brute_force_over_pins_and_minutes_links_nothing_of_an_old_copy_once_the_keys_are_gone(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures], tmp_path: Path, minutes: int
) -> None:
    store, _, erasures = opened
    whose = store.subjects.id_of(AMINA)
    connection = sqlite3.connect(tmp_path / "stale.copy")
    sqlite3.connect(file).backup(connection)
    erase(erasures)
    stored = {row[0] for row in connection.execute("SELECT known FROM punch WHERE subject = ?", (whose,))}
    assert len(stored) == 30
    everything = stored | {row[0] for row in connection.execute("SELECT id FROM subject")}
    known_pins = [AMINA, *(str(n) for n in range(1, 6))]
    for guess in (punch(pin, MOMENT + timedelta(minutes=n)).id for pin in known_pins for n in range(minutes)):
        assert everything.isdisjoint(store.subjects.candidates(guess))
        assert guess[:16] not in everything


def test_a_terminal_that_tells_its_list_again_neither_revives_anybody_nor_breaks_the_counts(
    opened: tuple[PlaceStore, PlaceReader, Erasures],
) -> None:
    store, reader, erasures = opened
    erase(erasures)
    told = [punch(AMINA, MOMENT + timedelta(minutes=n)) for n in range(35)]
    (again,) = store.record([Batch(GATE, LATER, rows=told, people=[person(AMINA, NAME)])])
    assert (again.received, len(again.accepted), again.duplicate, again.quarantined) == (35, 0, 35, 0)
    assert store.subjects.id_of(AMINA) is None
    assert NAME not in [name for _, name, *_ in reader.people()]
    received, accepted, quarantined, duplicate = reader.counters()[GATE]
    assert received == accepted + quarantined + duplicate == 135


def test_whoever_punches_with_the_pin_later_is_somebody_new_and_loses_no_hour(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures]
) -> None:
    store, reader, erasures = opened
    before = store.subjects.id_of(AMINA)
    erase(erasures)
    new = punch(AMINA, LATER + timedelta(days=1))
    (came,) = store.record([Batch(GATE, LATER + timedelta(days=1), rows=[new], people=[person(AMINA, "Basil")])])
    assert len(came.accepted) == 1
    assert store.subjects.id_of(AMINA) not in (None, before)
    assert [one for _, one in reader.punches(PunchFilter(pin=AMINA), EVERYTHING, 10)] == [new]
    audited(file)


def test_a_kill_between_rows_and_keys_is_finished_at_the_next_start(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures]
) -> None:
    store, _, erasures = opened
    whose = store.subjects.id_of(AMINA)
    assert whose is not None
    erasures.erase(AMINA, "officer", "request", LATER)  # and no `finish`
    again, connection = opened_store(file)
    assert again.subjects.keys.has(subject(whose))
    assert Erasures(connection, again, vault_of(connection, again), has_gateway=False).finish() == 1
    assert not again.subjects.keys.has(subject(whose))
    connection.close()


def test_records_that_vanish_without_an_erasure_are_noticed(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures]
) -> None:
    store, _, erasures = opened
    erase(erasures)
    keys_of(file).destroy(subject(store.subjects.id_of("3") or ""))
    with pytest.raises((LedgerAltered, KeyDestroyed)):
        audited(file)


def test_nobody_is_erased_before_the_gateway_holds_all_and_nobody_who_is_unknown(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures]
) -> None:
    store, _, erasures = opened
    with pytest.raises(PersonUnknown):
        erasures.erase(Pin("4711"), "officer", "request", LATER)
    connection = sqlite3.connect(file, isolation_level=None)
    waiting = Erasures(connection, store, vault_of(connection, store), has_gateway=True)
    with pytest.raises(ErasureWaits, match="gateway"):
        waiting.check(AMINA)
    store.acknowledge(store.ledger.head().sequence)
    waiting.check(AMINA)
    connection.close()


def test_orders_that_name_an_erased_person_are_gone_and_closed_in_an_old_copy(
    file: Path, opened: tuple[PlaceStore, PlaceReader, Erasures], tmp_path: Path
) -> None:
    store, _, erasures = opened
    connection, wording = store._connection, Wording(store.subjects)
    jobs = Jobs(connection, wording)
    about = jobs.add("gate", DeleteTemplates(kind="delete_templates", pin=AMINA), MOMENT).number
    jobs.turn(about, "confirmed", f"{NAME} is gone", MOMENT)
    other = jobs.add("gate", DeleteTemplates(kind="delete_templates", pin="3"), MOMENT).number
    several = ShowMessage(
        kind="show_message", number=1, text="Hello", start=MOMENT.replace(tzinfo=None), pins=[AMINA, "3"]
    )
    jobs.add("gate", several, MOMENT)
    copy = sqlite3.connect(tmp_path / "stale.copy")
    connection.backup(copy)
    erase(erasures)
    assert [one.number for one in jobs.listed("gate", 9)] == [other]
    for column, sealed in zip(
        ("body", "detail"),
        copy.execute("SELECT body, detail FROM job WHERE number = ?", (about,)).fetchone(),
        strict=True,
    ):
        with pytest.raises(KeyDestroyed):
            wording.open("job", column, about, sealed)


@pytest.mark.parametrize("people", [100, pytest.param(10_000, marks=pytest.mark.drill)])
def test_a_tenth_of_all_people_is_erased_and_every_receipt_still_proves(tmp_path: Path, people: int) -> None:
    file = tmp_path / "place.sqlite3"
    store, connection = opened_store(file)
    reader, _ = opened_reader(file, store)
    everybody = [punch(str(10_000_000 + n), MOMENT + timedelta(seconds=n)) for n in range(people)]
    for first in range(0, people, 500):
        rows = everybody[first : first + 500]
        store.record([Batch(GATE, MOMENT, rows=rows, people=[person(one.pin, f"Canary {one.pin}") for one in rows])])
    store.checkpoint(SIGNER, MOMENT)
    gone, others = everybody[::10], everybody[1::10]
    receipts = [reader.receipt(one.id) for one in gone + others]
    wrapped = wrapped_keys(file, [store.subjects.id_of(one.pin) or "" for one in gone])
    assert len(wrapped) == len(gone)
    assert kept_of(wrapped, file.parent / KEYS_FOLDER) == wrapped
    erasures = Erasures(connection, store, vault_of(connection, store), has_gateway=False)
    for one in gone:
        erasures.erase(canonical_pin(one.pin), "officer", "request", LATER)
    erasures.finish()
    found = audited(file)
    assert found.punches == people - len(gone)
    assert all(verify(one, str(SIGNER.public), None) for one in receipts)
    content = bytes_below(tmp_path)
    assert not any(one.pin.encode() in content for one in gone)
    assert kept_of(wrapped, tmp_path) == set(), "a key that is destroyed is in no page, free page or journal"


def wrapped_keys(file: Path, subjects: list[str]) -> set[bytes]:
    """The keys of these people as they lie in the key store."""
    keys = keys_of(file)
    found = {one for name in subjects for one in keys.versions(subject(name))}
    return {one.wrapped for one in found}


def kept_of(secrets: set[bytes], folder: Path) -> set[bytes]:
    content = bytes_below(folder)
    return {one for one in secrets if one in content}


async def test_a_running_place_erases_exports_and_says_so_in_its_ledger(tmp_path: Path) -> None:
    rows = b"".join(b"%s\t2026-03-02 08:%02d:00\t0\t1\n" % (AMINA.encode(), n) for n in range(5))
    async with push_place(tmp_path, [pushing()]) as place:
        assert (await place.upload("ATTLOG", rows))[0] == 200
        held = (await place.http.get(f"/v1/people/{AMINA}/export")).json()
        assert (held["pin"], len(held["punches"])) == (AMINA, 5)
        wanted = {"pin": AMINA, "reason": "request of 3 March", "by": "officer"}
        answer = await place.http.post("/v1/erasures", json=wanted)
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert (done["entries"], done["uploads"]) == (5, 1)
        assert (await place.http.get(f"/v1/people/{AMINA}/export")).status_code == 404
        assert (await place.http.post("/v1/erasures", json=wanted)).json()["code"] == "person.unknown"
        entries = (await place.http.get("/v1/ledger/entries", params={"limit": 1000})).json()["entries"]
        assert sum(not one["record"] for one in entries) == 5
        assert (await place.upload("ATTLOG", rows))[0] == 200
        assert await place.punches() == []
    assert AMINA.encode() not in bytes_below(tmp_path)
    assert AMINA not in json.dumps(done)


async def test_keys_are_replaced_while_the_place_records(tmp_path: Path) -> None:
    async with running_place(tmp_path) as place:
        for level in ("tenant", "root"):
            assert (await place.http.post("/v1/keys/rotations", json={"level": level})).status_code == 202

            async def is_done() -> bool:
                return not any(one["is_running"] for one in (await place.get("/v1/keys"))["rotations"])

            await until(is_done)
        counts = {(one["kind"], one["state"]): one["count"] for one in (await place.get("/v1/keys"))["keys"]}

        async def are_ends_recorded() -> bool:
            return [dict(one.scope) for one in await operations(place) if one.operation == DONE] == ends

        ends = [{"level": "tenant"}, {"level": "root"}]
        await until(are_ends_recorded)
        assert {one.actor for one in await operations(place) if one.operation == DONE} == {"process:place"}
        assert {counts[kind, state] for kind in ("root", "tenant") for state in ("active", "destroyed")} == {1}
