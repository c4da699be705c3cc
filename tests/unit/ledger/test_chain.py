from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.ledger.chain import EMPTY, Head, check, leaf_hash, opening, seal
from biometric_flow.ledger.decisions import (
    Change,
    CorrectionMade,
    CorrectionRefused,
    KeyChanged,
    OperationDone,
    PersonErased,
    QuarantineDecided,
)
from biometric_flow.ledger.errors import ChainBroken, EventUnreadable
from biometric_flow.ledger.events import (
    ClockCorrected,
    Event,
    GenerationStarted,
    PersonEnrolled,
    PunchRecorded,
    decode,
    encode,
)
from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.memory import MemoryLedgerStore
from biometric_flow.model.ids import Pin, PlaceId, PunchId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch

CAIRO, KEY = PlaceId("cairo"), bytes(range(32))
MOMENT = datetime(2026, 11, 22, 8, 0, 1, tzinfo=UTC)

seconds = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
instants = seconds.map(lambda moment: moment.replace(tzinfo=UTC))
texts = st.text(max_size=24)
punches = st.builds(
    Punch,
    id=st.binary(min_size=32, max_size=32).map(PunchId),
    terminal=texts.map(TerminalSerial),
    pin=texts.map(Pin),
    local_time=seconds,
    instant=instants,
    state=st.integers(0, 255),
    verify=st.integers(0, 255),
    work_code=st.integers(0, 2**32 - 1),
    drift=st.none() | st.integers(-(10**9), 10**9).map(lambda ms: timedelta(milliseconds=ms)),
    received_at=instants,
    channel=st.sampled_from(Channel),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(PunchRecorded, punches),
    st.builds(
        PersonEnrolled,
        terminal=texts.map(TerminalSerial),
        pin=texts.map(Pin),
        uid=st.integers(0, 65535),
        name=st.text(max_size=72),
        privilege=st.integers(0, 255),
        card=st.integers(0, 2**32 - 1),
        seen_at=instants,
    ),
    st.builds(
        CorrectionMade,
        correction=st.binary(min_size=16, max_size=16),
        number=st.integers(0, 10**9),
        operation=st.sampled_from(["add", "void", "replace", "overtime", "withdraw"]),
        target=st.binary(min_size=32, max_size=32) | st.binary(min_size=16, max_size=16),
        entry=st.integers(1, 10**9),
        pin=texts.map(Pin),
        changes=st.lists(st.builds(Change, texts, texts, texts), max_size=3).map(tuple),
        by=texts,
        reason=texts,
        approved_by=texts,
        at=instants,
    ),
    st.builds(
        CorrectionRefused,
        correction=st.binary(min_size=16, max_size=16),
        is_withdrawal=st.booleans(),
        why=st.sampled_from(["erased", "target_unknown"]),
        at=instants,
    ),
    st.builds(
        QuarantineDecided,
        row=st.binary(min_size=32, max_size=32),
        terminal=texts.map(TerminalSerial),
        decision=st.just("rejected"),
        punch=st.just(b""),
        by=texts,
        reason=texts,
        at=instants,
    ),
    st.builds(
        PersonErased,
        erasure=st.binary(min_size=16, max_size=16),
        key_digest=st.binary(min_size=32, max_size=32),
        entries=st.integers(0, 10**9),
        by=texts,
        reason=texts,
        at=instants,
    ),
    st.builds(KeyChanged, note=texts, by=texts, at=instants),
    st.builds(
        OperationDone,
        actor=texts,
        operation=texts,
        scope=st.dictionaries(texts, texts, max_size=3).map(lambda scope: tuple(sorted(scope.items()))),
        request=texts,
        source=texts,
        result=texts,
        before=st.just(b"") | st.binary(min_size=32, max_size=32),
        after=st.just(b"") | st.binary(min_size=32, max_size=32),
        at=instants,
    ),
    st.builds(
        GenerationStarted,
        terminal=texts.map(TerminalSerial),
        generation=st.integers(1, 1000),
        firmware=texts,
        platform=texts,
        rows=st.integers(0, 500_000),
        seen_at=instants,
    ),
    st.builds(
        ClockCorrected,
        terminal=texts.map(TerminalSerial),
        drift=st.integers(-(10**13), 10**13).map(lambda ms: timedelta(milliseconds=ms)),
        set_at=instants,
    ),
)


def person(name: str) -> PersonEnrolled:
    return PersonEnrolled(TerminalSerial("T001"), Pin("7"), 1, name, 0, 0, MOMENT)


def filled(*names: str) -> tuple[Ledger, MemoryLedgerStore]:
    store = MemoryLedgerStore()
    ledger = Ledger(CAIRO, store, store)
    ledger.append([person(name) for name in names], "2026-11-22")
    return ledger, store


@given(events)
def test_every_event_survives_its_bytes(event: Event) -> None:
    assert decode(encode(event)) == event


@given(st.binary(max_size=300))
def test_no_bytes_break_the_decoder(record: bytes) -> None:
    try:
        event = decode(record)
    except EventUnreadable:
        return
    assert encode(event) == record


def test_a_ledger_verifies_as_it_was_written() -> None:
    ledger, _ = filled("a", "b", "c")
    assert ledger.verify() == ledger.head()
    assert ledger.verify(last=2).sequence == 3


@given(st.integers(0, 2), st.sampled_from(["leaf", "record", "opening", "hash"]), st.data())
def test_any_flipped_bit_is_found_and_named(index: int, field: str, data: st.DataObject) -> None:
    ledger, store = filled("a", "b", "c")
    entry = store.entries[index]
    content = bytearray(getattr(entry, field))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    altered = {name: getattr(entry, name) for name in ("sequence", "leaf", "hash", "record", "opening")}
    store.entries[index] = type(entry)(**{**altered, field: bytes(content)})
    with pytest.raises(ChainBroken) as broken:
        ledger.verify()
    assert broken.value.sequence == index + 1


def test_a_removed_entry_is_found() -> None:
    ledger, store = filled("a", "b", "c")
    del store.entries[1]
    with pytest.raises(ChainBroken, match="entry 2"):
        ledger.verify()


def test_a_shortened_ledger_is_found_by_whoever_knows_its_head() -> None:
    ledger, store = filled("a", "b", "c")
    last = store.entries.pop()
    head = Head(store.entries[-1].sequence, store.entries[-1].hash)
    replacement = seal(CAIRO, head, "2026-11-22", person("other"), KEY)
    assert leaf_hash(replacement.leaf) != last.hash
    assert ledger.verify() == head


def test_another_places_entry_is_refused() -> None:
    entry = seal(PlaceId("dhaka"), EMPTY, "2026-11-22", person("a"), KEY)
    with pytest.raises(ChainBroken, match="expected a leaf of place 'cairo'"):
        check(CAIRO, EMPTY, entry.leaf, entry.record, entry.opening)


def test_a_leaf_tells_nothing_of_the_person() -> None:
    entry = seal(CAIRO, EMPTY, "2026-11-22", person("Amina Hassan"), KEY)
    assert b"Amina" not in entry.leaf
    again = seal(CAIRO, EMPTY, "2026-11-22", person("Amina Hassan"), bytes(32))
    assert again.record == entry.record
    assert again.leaf != entry.leaf


def test_each_sequence_has_its_own_opening() -> None:
    assert len({opening(KEY, sequence) for sequence in range(1, 100)}) == 99


@given(st.binary(max_size=200))
def test_no_bytes_break_the_check(leaf: bytes) -> None:
    with pytest.raises(ChainBroken):
        check(CAIRO, EMPTY, leaf, b"", bytes(32))
