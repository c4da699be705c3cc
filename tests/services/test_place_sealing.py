"""What a place keeps lies sealed: nothing that names anybody is in its files, nor left over from older versions."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.jobs import DeleteTemplates, ShowMessage
from biometric_flow.identity.keyring import PLACE, subject
from biometric_flow.ledger.chain import EMPTY, Head, opening, seal
from biometric_flow.ledger.events import PunchRecorded
from biometric_flow.ledger.note import Signer
from biometric_flow.model.ids import Pin, PlaceId
from biometric_flow.model.punch import QuarantineReason
from biometric_flow.place.alarms import Alarm, Alarms
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.enrolments import Enrolment, Enrolments
from biometric_flow.place.errors import PersonUnknown
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.push.queue import CommandQueue
from biometric_flow.place.push.tables import EventKind, PushNotes, PushReader, TerminalEvent
from biometric_flow.place.rollouts import Rollouts
from biometric_flow.place.roster import Roster, RosterEntry
from biometric_flow.place.schema import STEPS, open_database
from biometric_flow.place.sealing import SCHEMA
from biometric_flow.place.store import Batch
from biometric_flow.place.wording import SCHEMA as WORDS
from biometric_flow.place.wording import Wording
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.zk.push.commands import SetUser
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.push.text import Fields, PushProtocol
from biometric_flow.zk.wire.events import AlarmKind
from biometric_flow.zk.wire.marks import LogMark
from tests.builders import GATE, MOMENT, person, punch
from tests.services.stores import keys_of, opened_reader, opened_store

SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
PIN, NAME = Pin("87654321"), "Canary Nightingale"
COMM_KEY, KEYPAD, PUSH = 471_193, "90210777", "ab" * 32
CANARIES = (PIN.encode(), NAME.encode(), str(COMM_KEY).encode(), KEYPAD.encode(), PUSH.encode())
TAIL = b"\0" + PIN.encode() + b"\0tail of the list"


def canaries_in(folder: Path) -> set[tuple[str, bytes]]:
    """Which canaries stand in which file, free pages and journals included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {(path.name, canary) for path in files for canary in CANARIES if canary in path.read_bytes()}


def test_what_a_place_records_names_nobody_in_any_of_its_files(tmp_path: Path) -> None:
    store, connection = opened_store(tmp_path / "place.sqlite3")
    rows = [punch(PIN, MOMENT + timedelta(minutes=n)) for n in range(5)]
    bad = Quarantined(bytes(32), GATE, QuarantineReason.IMPOSSIBLE_TIME, f"no calendar for {PIN}", TAIL, PIN)
    mark = LogMark("attlog40", 40, 5, TAIL)
    store.record([Batch(GATE, MOMENT, rows=[*rows, bad], people=[person(PIN, NAME)], holds=6, mark=mark)])
    keys = store.subjects.keys
    roster = Roster(connection, keys)
    roster.add(RosterEntry("gate", "Gate", "192.0.2.1", 4370, COMM_KEY, "utf-8", True, serial=GATE, push_secret=PUSH))
    Enrolments(connection, store.subjects).put(Enrolment("gate", PIN, NAME, password=KEYPAD))
    assert canaries_in(tmp_path) == set()
    connection.close()
    assert canaries_in(tmp_path) == set()

    store, connection = opened_store(tmp_path / "place.sqlite3")
    reader, _ = opened_reader(tmp_path / "place.sqlite3", store)
    assert [found for _, found in reader.punches_after(0, 10)] == rows
    assert [(pin, name) for pin, name, *_ in reader.people()] == [(PIN, NAME)]
    assert reader.quarantine(5)[0][2:4] == (f"no calendar for {PIN}", TAIL)
    entry = Roster(connection, store.subjects.keys).get("gate")
    assert (entry.comm_key, entry.push_secret) == (COMM_KEY, PUSH)
    wanted = Enrolments(connection, store.subjects).get("gate", PIN)
    assert (wanted.name, wanted.password) == (NAME, KEYPAD)
    assert canaries_in(tmp_path) == set()


def test_what_terminals_are_told_and_tell_in_words_names_nobody_in_any_file(tmp_path: Path) -> None:
    file = tmp_path / "place.sqlite3"
    store, connection = opened_store(file)
    event = TerminalEvent(GATE, EventKind.REFUSED, 3, PIN, "2026-11-22T08:00:00", f"{NAME} was not let in")
    store.record([Batch(GATE, MOMENT, people=[person(PIN, NAME)], notes=PushNotes(events=[event]))])
    wording = Wording(store.subjects)
    jobs, queue = Jobs(connection, wording), CommandQueue(connection, wording, timedelta(minutes=2))
    rollouts = Rollouts(connection, wording, jobs)
    about_one = jobs.add("gate", DeleteTemplates(kind="delete_templates", pin=PIN), MOMENT).number
    jobs.turn(about_one, "failed", f"{NAME} ({PIN}) is still there", MOMENT)
    message = ShowMessage(kind="show_message", number=1, text=NAME, start=MOMENT.replace(tzinfo=None), pins=[PIN, "9"])
    about_many = jobs.add("gate", message, MOMENT).number
    sent = queue.add("gate", SetUser(PushedUser(PIN, NAME)), PushProtocol.ATTENDANCE, MOMENT)
    (line,) = queue.take("gate", PushProtocol.ATTENDANCE, MOMENT)
    queue.finish("gate", [CommandResult(str(sent), 0, "DATA", Fields({"Name": NAME}))], MOMENT)
    rollouts.start(DeleteTemplates(kind="delete_templates", pin=PIN), ["gate"], MOMENT)
    rollouts.advance(MOMENT, {("gate", "delete_templates"): PersonUnknown(f"nobody has {PIN}")})
    duress = Alarm(GATE, AlarmKind.DURESS, 0x20, PIN, MOMENT.replace(tzinfo=None))
    assert Alarms(connection, store.subjects).keep([duress], MOMENT, live=True) == [duress]
    assert Alarms(connection, store.subjects).keep([duress], MOMENT, live=False) == []
    assert canaries_in(tmp_path) == set()
    connection.close()
    assert canaries_in(tmp_path) == set()

    store, connection = opened_store(file)
    wording = Wording(store.subjects)
    jobs, queue = Jobs(connection, wording), CommandQueue(connection, wording, timedelta(minutes=2))
    assert PIN in line
    assert NAME in line
    assert jobs.get("gate", about_one).detail == f"{NAME} ({PIN}) is still there"
    done = queue.get(sent)
    assert done is not None
    assert (done.command, done.result and done.result.values["Name"]) == (SetUser(PushedUser(PIN, NAME)), NAME)
    (rollout,) = Rollouts(connection, wording, jobs).listed(5)
    assert (rollout.order.kind, rollout.steps[0].detail) == ("delete_templates", f"nobody has {PIN}")
    told = [one for one, _ in PushReader(connection, store.subjects).events(GATE, 5)]
    assert {one.detail for one in told} == {event.detail, f"{AlarmKind.DURESS}, told live and in its log"}
    reader, _ = opened_reader(file, store)
    assert len(reader.events_about(PIN)) == 2
    # What names one person alone is closed by their key, in old copies too; what names several by the place's.
    owners = dict(connection.execute("SELECT number, body FROM job"))
    whose = store.subjects.id_of(PIN)
    assert wording.owner_of(owners[about_one]) == subject(whose or "")
    assert wording.owner_of(owners[about_many]) == PLACE


def test_a_file_whose_orders_stood_in_the_clear_is_sealed_and_its_orders_go_on(tmp_path: Path) -> None:
    file = tmp_path / "place.sqlite3"
    store, connection = opened_store(file)
    store.record([Batch(GATE, MOMENT, people=[person(PIN, NAME)])])
    whose = store.subjects.id_of(PIN)
    for table, column in (("job", "kind"), ("job", "blob"), ("rollout", "kind")):
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.execute(f"PRAGMA user_version = {STEPS.index(WORDS)}")
    order = DeleteTemplates(kind="delete_templates", pin=PIN).model_dump_json()
    connection.execute(
        "INSERT INTO job (terminal, body, state, detail, created_at, expires_at, changed_at) VALUES"
        " ('gate', ?, 'queued', ?, ?, ?, ?)",
        (order, NAME, *[MOMENT.isoformat()] * 3),
    )
    line = f"DATA UPDATE USERINFO PIN={PIN}\tName={NAME}"
    connection.execute(
        "INSERT INTO push_command (terminal, body, state, detail, created_at, changed_at) VALUES"
        " ('gate', ?, 'queued', ?, 'x', 'x')",
        (line, NAME),
    )
    connection.execute(
        "INSERT INTO rollout (body, state, detail, created_at, changed_at) VALUES (?, 'running', ?, ?, ?)",
        (order, NAME, *[MOMENT.isoformat()] * 2),
    )
    connection.execute(
        "INSERT INTO rollout_step (rollout, position, terminal, detail) VALUES (1, 0, 'gate', ?)", (NAME,)
    )
    connection.execute(
        "INSERT INTO terminal_event VALUES (zeroblob(16), ?, 'refused', 1, ?, 'x', ?, ?)",
        (GATE, whose, NAME, MOMENT.isoformat()),
    )
    connection.close()
    assert {canary for _, canary in canaries_in(tmp_path)} == {PIN.encode(), NAME.encode()}
    with pytest.raises(FolderUnusable, match="start its place once"):
        open_database(file)

    store, connection = opened_store(file)
    wording = Wording(store.subjects)
    jobs = Jobs(connection, wording)
    (job,) = jobs.listed("gate", 5)
    assert (job.order, job.detail) == (DeleteTemplates(kind="delete_templates", pin=PIN), NAME)
    (taken,) = CommandQueue(connection, wording, timedelta(minutes=2)).take("gate", PushProtocol.ATTENDANCE, MOMENT)
    assert taken.startswith(f"C:1:DATA UPDATE USERINFO PIN={PIN}\tName={NAME}")
    assert Rollouts(connection, wording, jobs).next_steps() == [("gate", "delete_templates")]
    assert [one.detail for one, _ in PushReader(connection, store.subjects).events(GATE, 5)] == [NAME]
    assert canaries_in(tmp_path) == set()


def test_rows_that_were_moved_to_another_person_do_not_open(tmp_path: Path) -> None:
    store, connection = opened_store(tmp_path / "place.sqlite3")
    store.record([Batch(GATE, MOMENT, people=[person("7", "Amina"), person("8", "Basil")])])
    first, second = connection.execute("SELECT sealed FROM person ORDER BY subject").fetchall()
    connection.execute("UPDATE person SET sealed = ? WHERE sealed = ?", (*second, *first))
    reader, _ = opened_reader(tmp_path / "place.sqlite3", store)
    with pytest.raises(Exception, match="sealed for somebody"):
        reader.people()


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Path]:
    """A file as it was before anything was sealed."""
    file = tmp_path / "place.sqlite3"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    steps = STEPS[: next(at for at, step in enumerate(STEPS) if step.startswith(SCHEMA))]
    for step in steps:
        connection.executescript(step)
    connection.execute(f"PRAGMA user_version = {len(steps)}")
    keys, head = {"": b"p" * 32, PIN: b"k" * 32, "9": b"9" * 32}, EMPTY
    connection.executemany("INSERT INTO subject_key VALUES (?, ?)", keys.items())
    rows = [punch(PIN, MOMENT + timedelta(minutes=n)) for n in range(40)]
    for event in (person(PIN, NAME), *map(PunchRecorded, rows)):
        entry = seal(PlaceId("cairo"), head, "2026-11-22", event, keys[PIN])
        head = Head(entry.sequence, entry.hash)
        stored = (entry.sequence, entry.leaf, entry.hash, entry.record, entry.opening)
        connection.execute("INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?)", stored)
        connection.execute("INSERT INTO outbox VALUES (?)", (entry.sequence,))
        if isinstance(event, PunchRecorded):
            one = event.punch
            values = (entry.sequence, one.id, GATE, one.pin, one.local_time.isoformat(), int(one.instant.timestamp()))
            rest = (
                one.state,
                one.verify,
                one.work_code,
                1500,
                one.received_at.isoformat(timespec="milliseconds"),
                "pull",
            )
            connection.execute(f"INSERT INTO punch VALUES ({', '.join('?' * 12)})", values + rest)
    connection.execute("INSERT INTO person VALUES (?, ?, 1, ?, 0, 0)", (GATE, PIN, NAME))
    connection.execute("INSERT INTO enrolment VALUES ('gate', ?, ?, 0, 0, 0, ?, 1, '3,7')", (PIN, NAME, KEYPAD))
    connection.execute(
        "INSERT INTO quarantine VALUES (zeroblob(32), ?, 'impossible_time', ?, ?, 'x', '')", (GATE, PIN, TAIL)
    )
    connection.execute("INSERT INTO terminal_event VALUES (zeroblob(32), ?, 'refused', 1, ?, '', '', 'x')", (GATE, PIN))
    connection.execute("INSERT INTO cursor (terminal, generation, rows, mark_tail) VALUES (?, 1, 1, ?)", (GATE, TAIL))
    connection.execute(
        "INSERT INTO terminal (key, name, host, port, comm_key, encoding, is_enabled, serial, origin, push_secret)"
        " VALUES ('gate', 'Gate', '192.0.2.1', 4370, ?, 'utf-8', 1, ?, 'api', ?)",
        (str(COMM_KEY), GATE, PUSH),
    )
    yield file
    connection.close()


def test_an_older_file_is_sealed_and_nothing_of_what_it_held_stays_behind(older: Path) -> None:
    assert {canary for _, canary in canaries_in(older.parent)} == set(CANARIES)
    store, connection = opened_store(older)
    found = audit(older, PlaceId("cairo"), Keys(SIGNER.public), store.subjects.keys)
    assert (found.entries, found.punches) == (41, 40)
    assert store.ledger.read(7, 1)[0].opening == opening(b"k" * 32, 8)
    reader, _ = opened_reader(older, store)
    assert [pin for pin, *_ in reader.people()] == [PIN]
    assert Roster(connection, store.subjects.keys).get("gate").comm_key == COMM_KEY
    wanted = Enrolments(connection, store.subjects).get("gate", PIN)
    assert (wanted.password, wanted.zones) == (KEYPAD, (3, 7))
    (again,) = store.record([Batch(GATE, MOMENT, rows=[punch(PIN, MOMENT + timedelta(minutes=n)) for n in range(41)])])
    assert (len(again.accepted), again.duplicate) == (1, 40)
    assert canaries_in(older.parent) == set()


def test_an_older_file_is_not_opened_without_its_keys_and_stays_as_it_is(older: Path) -> None:
    with pytest.raises(FolderUnusable, match="start its place once"):
        open_database(older)
    store, _ = opened_store(older)
    assert store.ledger.verify().sequence == 41


def test_a_punch_cannot_be_guessed_from_the_data_without_the_keys(tmp_path: Path) -> None:
    """Brute force over all PINs and minutes of a day finds no stored value (security-design I1, L3)."""
    store, connection = opened_store(tmp_path / "place.sqlite3")
    rows = [punch(str(pin), MOMENT + timedelta(minutes=pin)) for pin in range(1, 30)]
    store.record([Batch(GATE, MOMENT, rows=rows)])
    stored = {row[0] for row in connection.execute("SELECT known FROM punch")}
    content = b"".join(path.read_bytes() for path in tmp_path.glob("place.sqlite3*"))
    assert len(stored) == 29
    for one in rows:
        assert one.id not in content
        assert one.id[:16] not in stored
    keys = keys_of(tmp_path / "place.sqlite3")
    assert stored.isdisjoint(keys.secret(store.subjects.owner(one.pin))[:16] for one in rows)
