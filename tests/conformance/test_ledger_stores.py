"""One suite for every LedgerStore and KeyRing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from biometric_flow.ledger.chain import EMPTY
from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.memory import MemoryLedgerStore
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.ledger.store import KeyRing, LedgerStore
from biometric_flow.model.ids import PlaceId
from tests.builders import person
from tests.services.stores import opened_store

Stores = tuple[LedgerStore, KeyRing]


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "memory":
        memory = MemoryLedgerStore()
        yield memory, memory
        return
    store, connection = opened_store(tmp_path / "place.sqlite3")
    yield SqliteLedgerStore(connection, store.subjects), store.subjects
    connection.close()


@pytest.fixture
def store(stores: Stores) -> LedgerStore:
    return stores[0]


@pytest.fixture
def keys(stores: Stores) -> KeyRing:
    return stores[1]


def test_an_empty_ledger_ends_before_its_first_entry(store: LedgerStore) -> None:
    assert store.head() == EMPTY
    assert list(store.read(0, 10)) == []


def test_entries_come_back_in_order_and_as_they_were(store: LedgerStore, keys: KeyRing) -> None:
    ledger = Ledger(PlaceId("cairo"), store, keys)
    sealed = ledger.append([person(str(number)) for number in range(1, 8)], "2026-11-22")
    assert list(store.read(0, 100)) == sealed
    assert [entry.sequence for entry in store.read(2, 3)] == [3, 4, 5]
    assert ledger.verify() == store.head()


def test_a_subject_keeps_its_key_and_shares_it_with_nobody(keys: KeyRing) -> None:
    made = {name: keys.key(name) for name in (None, "7", "8")}
    assert {name: keys.key(name) for name in made} == made
    assert len(set(made.values())) == 3
    assert all(len(key) == 32 for key in made.values())
