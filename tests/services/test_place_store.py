import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.ledger.events import GenerationStarted
from biometric_flow.model.punch import Channel, QuarantineReason
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.reader import PlaceReader, PunchFilter
from biometric_flow.place.store import Batch, Cursor, PlaceStore
from tests.builders import GATE, MOMENT, person, punch
from tests.services.stores import opened_reader, opened_store

EVERYTHING = (-(2**62), 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "place.sqlite3"


@pytest.fixture
def opened(file: Path) -> Iterator[tuple[PlaceStore, sqlite3.Connection]]:
    store, connection = opened_store(file)
    yield store, connection
    connection.close()


@pytest.fixture
def store(opened: tuple[PlaceStore, sqlite3.Connection]) -> PlaceStore:
    return opened[0]


@pytest.fixture
def connection(opened: tuple[PlaceStore, sqlite3.Connection]) -> sqlite3.Connection:
    return opened[1]


@pytest.fixture
def reader(file: Path, store: PlaceStore) -> Iterator[PlaceReader]:
    reader, connection = opened_reader(file, store)
    yield reader
    connection.close()


def many(count: int) -> list:  # type: ignore[type-arg]
    return [punch(pin=str(1 + number % 50), instant=MOMENT + timedelta(minutes=number)) for number in range(count)]


def aside(number: int, reason: QuarantineReason = QuarantineReason.IMPOSSIBLE_TIME) -> Quarantined:
    return Quarantined(number.to_bytes(32, "big"), GATE, reason, "why", b"row")


def test_a_punch_its_entry_its_outbox_row_and_the_cursor_appear_together(
    store: PlaceStore, reader: PlaceReader
) -> None:
    (recorded,) = store.record([Batch(GATE, MOMENT, rows=many(3), holds=3)])
    assert [sequence for sequence, _ in recorded.accepted] == [1, 2, 3]
    assert reader.head() == reader.backlog() == 3
    assert store.cursor(GATE) == Cursor(1, 3, MOMENT)
    assert [kept for _, kept in reader.punches(PunchFilter(), EVERYTHING, 10)] == many(3)
    assert store.ledger.verify().sequence == 3


def test_reading_a_whole_log_again_changes_nothing(store: PlaceStore, reader: PlaceReader) -> None:
    store.record([Batch(GATE, MOMENT, rows=many(1200), holds=1200)])
    before = reader.head(), reader.punches(PunchFilter(), EVERYTHING, 2000)
    (again,) = store.record([Batch(GATE, MOMENT + timedelta(hours=1), rows=many(1200), holds=1200)])
    assert (again.accepted, again.duplicate) == ([], 1200)
    assert (reader.head(), reader.punches(PunchFilter(), EVERYTHING, 2000)) == before


def test_received_is_always_accepted_quarantined_and_duplicate(store: PlaceStore, reader: PlaceReader) -> None:
    rows = [*many(5), *many(2), aside(1), aside(2), aside(1)]
    store.record([Batch(GATE, MOMENT, rows=rows)])
    store.record([Batch(GATE, MOMENT, rows=rows)])
    assert reader.counters() == {GATE: (20, 5, 2, 13)}


def test_a_row_in_quarantine_does_not_become_a_punch_by_waiting(store: PlaceStore, reader: PlaceReader) -> None:
    late = punch()
    ahead = Quarantined(late.id, GATE, QuarantineReason.IN_THE_FUTURE, "ahead", b"row", late.pin)
    store.record([Batch(GATE, MOMENT, rows=[ahead])])
    (recorded,) = store.record([Batch(GATE, MOMENT + timedelta(days=9), rows=[late])])
    assert (recorded.accepted, recorded.duplicate) == ([], 1)
    assert [row[1] for row in reader.quarantine(10)] == [QuarantineReason.IN_THE_FUTURE]


def test_people_are_written_once_and_again_when_they_change(store: PlaceStore, reader: PlaceReader) -> None:
    people = [person("7"), person("8")]
    store.record([Batch(GATE, MOMENT, people=people)])
    store.record([Batch(GATE, MOMENT, people=people)])
    assert reader.head() == 2
    store.record([Batch(GATE, MOMENT, people=[person("7", name="Amina Fouad"), person("8")])])
    assert reader.head() == 3
    assert [(pin, name) for pin, name, _, _ in reader.people()] == [("7", "Amina Fouad"), ("8", "Amina Hassan")]


def test_a_new_generation_resets_the_cursor_and_keeps_the_punches(store: PlaceStore, reader: PlaceReader) -> None:
    store.record([Batch(GATE, MOMENT, rows=many(3), holds=3)])
    store.record([Batch(GATE, MOMENT, generation=GenerationStarted(GATE, 2, "6.60", "ZMM220", 0, MOMENT))])
    assert store.cursor(GATE) == Cursor(2, 0, None)
    assert len(reader.punches(PunchFilter(), EVERYTHING, 10)) == 3


def test_live_punches_move_the_cursor_and_repeated_ones_do_not(store: PlaceStore) -> None:
    live = punch(channel=Channel.LIVE)
    store.record([Batch(GATE, MOMENT, rows=many(0), holds=10)])
    store.record([Batch(GATE, MOMENT, rows=[live])])
    store.record([Batch(GATE, MOMENT, rows=[live])])
    cursor = store.cursor(GATE)
    assert cursor is not None
    assert cursor.rows == 11


def test_pages_are_complete_while_new_punches_arrive(store: PlaceStore, reader: PlaceReader) -> None:
    store.record([Batch(GATE, MOMENT, rows=many(25))])
    seen, after = [], EVERYTHING
    while page := reader.punches(PunchFilter(), after, 10):
        seen += [kept.id for _, kept in page]
        sequence, last = page[-1]
        after = (int(last.instant.timestamp()), sequence)
        store.record([Batch(GATE, MOMENT, rows=[punch(pin="99", instant=MOMENT - timedelta(days=len(seen)))])])
    assert seen == [kept.id for kept in many(25)]


def test_punches_are_found_by_time_person_and_terminal(store: PlaceStore, reader: PlaceReader) -> None:
    store.record([Batch(GATE, MOMENT, rows=many(100))])
    window = PunchFilter(since=MOMENT + timedelta(minutes=10), until=MOMENT + timedelta(minutes=20))
    assert len(reader.punches(window, EVERYTHING, 1000)) == 10
    assert len(reader.punches(PunchFilter(pin="3"), EVERYTHING, 1000)) == 2
    assert reader.punches(PunchFilter(terminal="OTHER"), EVERYTHING, 1000) == []


def test_a_failed_write_keeps_nothing_and_heals_by_itself(
    store: PlaceStore, reader: PlaceReader, connection: sqlite3.Connection
) -> None:
    store.record([Batch(GATE, MOMENT, rows=many(1))])
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own full disk
    with pytest.raises(StorageUnavailable, match="nothing was accepted"):
        store.record([Batch(GATE, MOMENT, rows=many(3000))])
    assert reader.head() == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    (recorded,) = store.record([Batch(GATE, MOMENT, rows=many(3000), holds=3000)])
    assert (len(recorded.accepted), recorded.duplicate) == (2999, 1)
    assert store.ledger.verify().sequence == 3000


def test_batches_of_one_group_are_kept_or_refused_together(store: PlaceStore, reader: PlaceReader) -> None:
    results = store.record([Batch(GATE, MOMENT, rows=many(2)), Batch(GATE, MOMENT, rows=many(4))])
    assert [len(recorded.accepted) for recorded in results] == [2, 2]
    assert reader.head() == 4


def test_acknowledged_entries_leave_the_outbox_and_stay_in_the_ledger(store: PlaceStore, reader: PlaceReader) -> None:
    store.record([Batch(GATE, MOMENT, rows=many(10))])
    store.acknowledge(7)
    assert (reader.backlog(), reader.head()) == (3, 10)


def test_a_clock_that_is_exactly_right_is_kept_as_such(store: PlaceStore, reader: PlaceReader) -> None:
    store.record([Batch(GATE, MOMENT, rows=[replace(punch(), drift=timedelta())])])
    ((_, kept),) = reader.punches(PunchFilter(), EVERYTHING, 10)
    assert kept.drift == timedelta()
