"""Every altered bit of a place's ledger is found, and the first bad place is named; a clean one raises no alarm."""

import itertools
import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.corrections import CorrectionOrder
from biometric_flow.ledger.note import Cosigner, Signer
from biometric_flow.model.ids import PlaceId
from biometric_flow.place import audit as audit_module
from biometric_flow.place.audit import Keys, LedgerAltered, audit
from biometric_flow.place.corrections import Corrections
from biometric_flow.place.store import Batch
from biometric_flow.runtime.key_store import KeyStore
from tests.builders import GATE, MOMENT, person, punch
from tests.services.histories import log_begun, past
from tests.services.stores import keys_of, opened_store

CAIRO = PlaceId("cairo")
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("biometric-flow/demo/cairo", SIGNING)
WITNESS = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEYS = Keys(SIGNER.public, WITNESS.public)
EVIDENCE = {
    "ledger_entry": ("sequence", "leaf", "hash", "record"),
    "ledger_node": ("log", "level", "position", "hash"),
    "checkpoint": ("size", "note", "is_cosigned"),
    "subject": ("id", "pin"),
    "punch": (
        "known",
        "terminal",
        "subject",
        "local_time",
        "instant",
        "state",
        "verify",
        "work_code",
        "drift_ms",
        "received_at",
        "channel",
    ),
    "outbox": ("sequence",),
}
"""Everything that says what happened, or when it was signed."""


@dataclass(frozen=True)
class Cell:
    """One value of one row, by SQLite's own row number or by the primary key of a table without one."""

    table: str
    column: str
    row: int

    def where(self) -> str:
        key = {"ledger_node": "log, level, position", "subject": "id"}.get(self.table, "rowid")
        return f"({key}) = (SELECT {key} FROM {self.table} ORDER BY {key} LIMIT 1 OFFSET {self.row})"


def ledger(folder: Path, punches: int) -> Path:
    """A ledger with people, punches, several checkpoints, the last but one cosigned, and some entries unsigned."""
    file = folder / "place.sqlite3"
    store, connection = opened_store(file)
    rows = (punch(str(1 + n % 9), MOMENT + timedelta(minutes=n), state=n % 3) for n in itertools.count())
    store.record([Batch(GATE, MOMENT, people=[person(str(pin)) for pin in range(1, 4)])])
    for share in (0.3, 0.5, 0.15, 0.05):
        store.record([Batch(GATE, MOMENT, rows=list(itertools.islice(rows, round(punches * share))))])
        if share != 0.05:
            signed = store.checkpoint(SIGNER, MOMENT)
            assert signed is not None
            if share == 0.5:
                cosigned = signed.note.with_signature(WITNESS.cosign(signed.note.text, 1_800_000_000))
                store.keep_cosigned(signed.size, cosigned)
    connection.close()
    return file


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ledger(tmp_path_factory.mktemp("clean"), 300)


def cells(file: Path) -> Iterator[Cell]:
    connection = sqlite3.connect(file)
    for table, columns in EVIDENCE.items():
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        yield from (Cell(table, column, row) for row in range(count) for column in columns)
    connection.close()


def flips(value: object) -> Iterator[object]:
    """The value with each of its bits the other way, one at a time, as SQLite stores it."""
    if value is None:
        yield 0
    elif isinstance(value, int):
        yield from (value ^ 1 << bit for bit in range(max(8, value.bit_length())))
    else:
        content = value.encode() if isinstance(value, str) else value
        assert isinstance(content, bytes)
        for bit in range(len(content) * 8):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            yield bytes(changed).decode("utf-8", "replace") if isinstance(value, str) else bytes(changed)


def alter(file: Path, cell: Cell, pick: random.Random | None, store: KeyStore) -> int:
    """Flip bits of one cell, all or one picked, and see each found; returns how many."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    (value,) = connection.execute(f"SELECT {cell.column} FROM {cell.table} WHERE {cell.where()}").fetchone()
    (where,) = (
        connection.execute(f"SELECT rowid FROM {cell.table} WHERE {cell.where()}").fetchone()
        if (cell.table not in ("ledger_node", "subject"))
        else (None,)
    )
    done = 0
    wanted = list(flips(value))
    for changed in wanted if pick is None else [pick.choice(wanted)]:
        shutil.copy(file, file.with_suffix(".altered"))
        copy = sqlite3.connect(file.with_suffix(".altered"), isolation_level=None)
        copy.execute("PRAGMA foreign_keys = OFF")
        try:
            copy.execute(f"UPDATE {cell.table} SET {cell.column} = ? WHERE {cell.where()}", (changed,))
        except sqlite3.IntegrityError:
            continue
        finally:
            copy.close()
        with pytest.raises(LedgerAltered) as found:
            audit(file.with_suffix(".altered"), CAIRO, KEYS, store)
        if cell.table in ("ledger_entry", "punch") and cell.column != "sequence":
            assert f"entry {where}:" in str(found.value), cell
        done += 1
    connection.close()
    return done


def test_a_clean_ledger_raises_no_alarm(clean: Path) -> None:
    found = audit(clean, CAIRO, KEYS, keys_of(clean))
    assert (found.entries, found.punches, found.checkpoints, found.cosigned) == (303, 300, 3, 1)
    assert found.signed == 288


def test_one_flipped_bit_of_any_column_is_found_and_named(clean: Path, tmp_path: Path) -> None:
    file, keys = shutil.copy(clean, tmp_path / "place.sqlite3"), keys_of(clean)
    chance = random.Random(20261122)
    everything = list(cells(file))
    of_each = {(cell.table, cell.column): cell for cell in chance.sample(everything, len(everything))}
    sample = [*of_each.values(), *chance.sample(everything, 60)]
    assert sum(alter(file, cell, chance, keys) for cell in sample) > 60


@pytest.mark.drill
def test_a_flipped_bit_in_three_thousand_values_of_a_thousand_punches_is_found_and_named(tmp_path: Path) -> None:
    file = ledger(tmp_path, 1000)
    keys = keys_of(file)
    chance = random.Random()
    for cell in chance.sample(list(cells(file)), 3000):
        alter(file, cell, chance, keys)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DELETE FROM ledger_entry WHERE sequence = 17", "entry 17"),
        ("DELETE FROM ledger_entry WHERE sequence > 250", "entry 251"),
        ("DELETE FROM ledger_entry WHERE sequence > 290", "punch row 291"),
        ("DELETE FROM punch WHERE sequence = 90", "entry 90"),
        ("INSERT INTO punch SELECT 2, zeroblob(16), 'CAI0001', '9', '', 0, 0, 0, 0, 0, '', 'live'", "entry 2"),
        ("UPDATE ledger_entry SET sequence = 999 WHERE sequence = 303", "entry 303"),
        ("DELETE FROM ledger_node", "tile 0/000"),
        ("INSERT INTO ledger_node VALUES (1, 1, 7, zeroblob(32))", "ledger_node"),
        ("INSERT INTO ledger_node VALUES (0, 1, 7, zeroblob(32))", "ledger_node of log 0"),
        ("UPDATE checkpoint SET size = 289 WHERE size = 288", "checkpoint over 289 entries"),
        ("UPDATE checkpoint SET note = (SELECT note FROM checkpoint LIMIT 1) WHERE size = 288", "over 288 entries"),
        ("DELETE FROM subject", "entry 1: the person it is about"),
        ("UPDATE ledger_entry SET record = x'' WHERE sequence = 40", "entry 40"),
        ("UPDATE ledger_entry SET record = x'' WHERE sequence = 2", "1 entries cannot be opened"),
        ("DELETE FROM outbox WHERE sequence = 300", "outbox"),
        (
            "CREATE TRIGGER late AFTER INSERT ON punch BEGIN DELETE FROM outbox; END",
            "trigger late is not as this program makes it",
        ),
        ("ALTER TABLE terminal ADD COLUMN more TEXT", "table terminal is not as this program makes it"),
        ("PRAGMA user_version = 1000", "got 1000: it was altered, or written by a newer program"),
        (
            "UPDATE punch SET local_time = CAST(x'ff3230' AS TEXT) WHERE sequence = 90",
            "entry 90: the row of table punch",
        ),
    ],
)
def test_what_was_removed_added_or_moved_is_found_and_named(
    clean: Path, tmp_path: Path, damage: str, named: str
) -> None:
    file = shutil.copy(clean, tmp_path / "place.sqlite3")
    connection = sqlite3.connect(file)
    connection.executescript(damage)
    connection.close()
    with pytest.raises(LedgerAltered, match=named):
        audit(file, CAIRO, KEYS, keys_of(clean))


def test_statistics_that_sqlite_gathered_are_no_alarm(clean: Path, tmp_path: Path) -> None:
    file = shutil.copy(clean, tmp_path / "place.sqlite3")
    connection = sqlite3.connect(file)
    connection.execute("ANALYZE")
    connection.close()
    audit(file, CAIRO, KEYS, keys_of(clean))


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger whose fifth entry but one is an added punch, and the last the withdrawal of it."""
    file = ledger(tmp_path_factory.mktemp("corrected"), 40)
    store, connection = opened_store(file)
    add = CorrectionOrder(
        position=1,
        correction=UUID(int=7),
        number=0,
        operation="add",
        pin="3",
        target="",
        changes=[("local_time", "", "2026-03-02T08:00:00")],
        by="ann",
        reason="forgot",
        approved_by="ben",
        at=MOMENT,
    )
    withdraw = add.model_copy(update={"position": 2, "operation": "withdraw", "target": add.correction.hex})
    assert Corrections(connection, store).record([add, withdraw], MOMENT).head == 45
    connection.close()
    return file


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DELETE FROM correction WHERE sequence = 45", "entry 45: the row of table correction"),
        ("UPDATE correction SET known = zeroblob(16) WHERE sequence = 44", "entry 44: the row of table correction"),
        (
            "UPDATE correction SET subject = (SELECT id FROM subject WHERE id != subject LIMIT 1) WHERE sequence = 44",
            "entry 44: the row of table correction",
        ),
        ("UPDATE correction SET sequence = 9 WHERE sequence = 44", "entry 9: the row of table correction"),
        ("UPDATE correction SET sequence = 99 WHERE sequence = 45", "entry 45: the row of table correction"),
        ("INSERT INTO correction VALUES (99, zeroblob(16), '')", "correction row 99: there is no such entry"),
        ("INSERT INTO correction VALUES (0, zeroblob(16), '')", "correction row 0: there is no such entry"),
    ],
)
def test_a_correction_that_was_removed_changed_moved_or_made_up_is_found_and_named(
    corrected: Path, tmp_path: Path, damage: str, named: str
) -> None:
    assert audit(corrected, CAIRO, KEYS, keys_of(corrected)).entries == 45
    file = shutil.copy(corrected, tmp_path / "place.sqlite3")
    connection = sqlite3.connect(file)
    connection.executescript(damage)
    connection.close()
    with pytest.raises(LedgerAltered, match=named):
        audit(file, CAIRO, KEYS, keys_of(corrected))


def test_judging_in_several_processes_says_the_same(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "STEP", 16)
    keys = keys_of(clean)
    assert audit(clean, CAIRO, KEYS, keys, jobs=2) == audit(clean, CAIRO, KEYS, keys)
    file = shutil.copy(clean, tmp_path / "place.sqlite3")
    connection = sqlite3.connect(file, isolation_level=None)
    for damage, named in (
        ("UPDATE punch SET state = 7 WHERE sequence = 290", "entry 290: "),
        ("UPDATE ledger_entry SET hash = zeroblob(32) WHERE sequence = 160", "entry 160: "),
        ("UPDATE checkpoint SET note = replace(note, 'cairo', 'delta') WHERE size = 93", "checkpoint over 93 "),
        ("DELETE FROM ledger_entry WHERE sequence = 33", "entry 33: "),
    ):
        connection.execute(damage)  # each before the one before: always the first is named
        for jobs in (1, 2):
            with pytest.raises(LedgerAltered, match=f"^{named}"):
                audit(file, CAIRO, KEYS, keys, jobs)
    connection.close()


def test_a_file_that_is_damaged_as_a_file_is_found(clean: Path, tmp_path: Path) -> None:
    content = bytearray(clean.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 8] = bytes(8)
    (tmp_path / "place.sqlite3").write_bytes(content)
    with pytest.raises(LedgerAltered):
        audit(tmp_path / "place.sqlite3", CAIRO, KEYS, keys_of(clean))


def test_another_places_ledger_and_anothers_key_are_found(clean: Path) -> None:
    with pytest.raises(LedgerAltered, match="entry 1: expected a leaf of place 'leeds'"):
        audit(clean, PlaceId("leeds"), KEYS, keys_of(clean))
    stranger = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.generate()).public
    with pytest.raises(LedgerAltered, match="checkpoint over 93 entries: expected a signature by"):
        audit(clean, CAIRO, Keys(stranger), keys_of(clean))


def told(file: Path) -> list[tuple[object, ...]]:
    """Everything that the file says happened, and when it was signed."""
    connection = sqlite3.connect(file)
    try:
        return [
            row
            for table, columns in EVIDENCE.items()
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1")
        ]
    finally:
        connection.close()


def flip_bits_of_the_file(clean: Path, altered: Path, places: range, chance: random.Random) -> int:
    """Flip one bit at each place in turn; whatever is not found must not have changed what the file tells."""
    store = keys_of(clean)
    content, truth, found = bytearray(clean.read_bytes()), told(clean), 0
    for at in places:
        bit = 1 << chance.randrange(8)
        content[at] ^= bit
        altered.write_bytes(content)
        content[at] ^= bit
        try:
            audit(altered, CAIRO, KEYS, store)
        except LedgerAltered:
            found += 1
        else:
            assert told(altered) == truth, f"bit {bit} of byte {at} changed what is told, and nothing noticed"
    return found


def test_a_flipped_bit_anywhere_in_the_file_is_found_or_changes_nothing_that_is_told(
    clean: Path, tmp_path: Path
) -> None:
    size = clean.stat().st_size
    places = range(100, size, size // 120)
    assert flip_bits_of_the_file(clean, tmp_path / "place.sqlite3", places, random.Random(4)) > 20


@pytest.mark.drill
@pytest.mark.timeout(3600)
def test_a_flipped_bit_in_every_257th_byte_of_a_thousand_punches_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """257 is no divisor of a page, so that every place within a page has its turn: 0.4 % of all bytes."""
    file = ledger(tmp_path, 1000)
    places = range(0, file.stat().st_size, 257)
    assert flip_bits_of_the_file(file, tmp_path / "altered.sqlite3", places, random.Random()) > 100


def test_a_log_of_many_entries_is_recorded_again_once_in_the_next_one(tmp_path: Path) -> None:
    """More than are carried over in one step: none of the new log's own entries are taken for the old one's."""
    file = ledger(tmp_path, 700)
    keys = Keys(log_begun(file, SIGNER).public, WITNESS.public)
    found = audit(file, CAIRO, keys, keys_of(file))
    assert (found.entries, found.punches) == (703 + 1 + 703 + 1, 701)


def clean_runs(folder: Path, count: int, chance: random.Random) -> None:
    entries = 0
    for number in range(count):
        run = folder / str(number)
        run.mkdir()
        file = run / "place.sqlite3"
        keys = past(file, chance)
        entries += audit(file, CAIRO, keys, keys_of(file)).entries
        shutil.rmtree(run)
    assert entries > 10 * count


def test_clean_ledgers_with_a_past_raise_no_alarm(tmp_path: Path) -> None:
    clean_runs(tmp_path, 25, random.Random(5))


@pytest.mark.drill
@pytest.mark.timeout(3600)
def test_a_thousand_clean_ledgers_with_a_past_raise_no_alarm(tmp_path: Path) -> None:
    clean_runs(tmp_path, 1000, random.Random())
