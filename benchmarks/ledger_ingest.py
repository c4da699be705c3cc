"""Durable punches per second of a place's store at 1, 20 and 200 a commit, against the same rows without a ledger.

Both sides write to a file with WAL and synchronous=FULL, in commits of one size. The anchor inserts the same rows into
the same table with the same indexes; the subject adds identity look-up, sealed ledger entry, outbox row and cursor.
"""

import itertools
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.harness import Anchor, Result, measure
from biometric_flow.model.ids import Pin, PlaceId, TenantId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch, clock_text, punch_id
from biometric_flow.place.schema import open_database
from biometric_flow.place.store import Batch, PlaceStore, punch_row
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.root_home import root_keys

SIZES = ((1, 300), (20, 4_000), (200, 20_000))
TENANT, GATE, START = TenantId("bench"), TerminalSerial("BENCH0001"), datetime(2026, 1, 1, tzinfo=UTC)


def main() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return [*(_batch(Path(folder), size, count) for size, count in SIZES), _known(Path(folder))]


def _known(folder: Path) -> Result:
    """Rows that are in the ledger already, as a terminal sends them after each reconnection, against new ones."""
    store, connection = opened_store(folder / "known")
    rows = [_punch(number) for number in range(200)]
    store.record([Batch(GATE, START, rows=rows)])
    numbers = itertools.count(200)

    def known() -> None:
        for _ in range(50):
            (recorded,) = store.record([Batch(GATE, START, rows=rows)])
            assert recorded.duplicate == 200

    def new() -> None:
        for _ in range(50):
            store.record([Batch(GATE, START, rows=[_punch(next(numbers)) for _ in range(200)])])

    try:
        return measure(
            "ledger-known-again-200",
            known,
            units=10_000,
            of="rows that are known",
            anchor=Anchor("the same number of new punches", new),
            settings={"batch": 200, "synchronous": "FULL"},
        )
    finally:
        connection.close()


def _batch(folder: Path, size: int, count: int) -> Result:
    store, connection = opened_store(folder / str(size))
    bare = sqlite3.connect(folder / f"bare-{size}.sqlite3", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("PRAGMA synchronous = FULL")
    for (statement,) in connection.execute(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = 'punch' AND sql IS NOT NULL"
    ):
        bare.execute(statement)
    numbers, bare_numbers = itertools.count(), itertools.count()

    def subject() -> None:
        for _ in range(0, count, size):
            rows = [_punch(next(numbers)) for _ in range(size)]
            (recorded,) = store.record([Batch(GATE, START, rows=rows)])
            assert len(recorded.accepted) == size

    def anchor() -> None:
        for _ in range(0, count, size):
            numbered = [(number, _punch(number)) for number in itertools.islice(bare_numbers, size)]
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(
                f"INSERT INTO punch VALUES ({', '.join('?' * 12)})",
                [punch_row(*one, store.subjects) for one in numbered],
            )
            bare.execute("COMMIT")

    try:
        return measure(
            f"ledger-ingest-{size}",
            subject,
            units=count,
            of="durable punches",
            anchor=Anchor("the same rows without a ledger", anchor),
            settings={"batch": size, "synchronous": "FULL"},
        )
    finally:
        connection.close()
        bare.close()


def opened_store(folder: Path) -> tuple[PlaceStore, sqlite3.Connection]:
    """A new place's store with its keys, as the place itself opens it."""
    keys = open_keys(folder / KEYS_FOLDER, TENANT, root_keys(folder / KEYS_FOLDER))
    connection = open_database(folder / "place.sqlite3", keys)
    return PlaceStore(PlaceId("bench"), connection, Subjects(connection, keys)), connection


def _punch(number: int) -> Punch:
    instant = START + timedelta(seconds=number)
    local = instant.replace(tzinfo=None)
    pin = Pin(str(1 + number % 500))
    return Punch(
        id=punch_id(TENANT, GATE, pin, clock_text(local), 0),
        terminal=GATE,
        pin=pin,
        local_time=local,
        instant=instant,
        state=0,
        verify=1,
        work_code=0,
        drift=None,
        received_at=instant,
        channel=Channel.PULL,
    )
