"""One suite for every LedgerStore and KeyRing."""

import sqlite3
from collections.abc import Iterator

import pytest

from biometric_flow.ledger.chain import EMPTY
from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.memory import MemoryLedgerStore
from biometric_flow.ledger.sqlite import SCHEMA, SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from tests.builders import person

Store = MemoryLedgerStore | SqliteLedgerStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryLedgerStore()
        return
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    yield SqliteLedgerStore(connection)
    connection.close()


def test_an_empty_ledger_ends_before_its_first_entry(store: Store) -> None:
    assert store.head() == EMPTY
    assert list(store.read(0, 10)) == []


def test_entries_come_back_in_order_and_as_they_were(store: Store) -> None:
    ledger = Ledger(PlaceId("cairo"), store, store)
    sealed = ledger.append([person(str(number)) for number in range(1, 8)], "2026-11-22")
    assert list(store.read(0, 100)) == sealed
    assert [entry.sequence for entry in store.read(2, 3)] == [3, 4, 5]
    assert ledger.verify() == store.head()


def test_a_subject_keeps_its_key_and_shares_it_with_nobody(store: Store) -> None:
    keys = {name: store.key(name) for name in (None, "7", "8")}
    assert {name: store.key(name) for name in keys} == keys
    assert len(set(keys.values())) == 3
    assert all(len(key) == 32 for key in keys.values())
