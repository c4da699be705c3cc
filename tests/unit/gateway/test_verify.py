"""Entries checked without a database: only an unaltered continuation is taken."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from biometric_flow.api.place import LedgerEntry
from biometric_flow.gateway.intake import verify
from biometric_flow.ledger.chain import EMPTY, Head, seal
from biometric_flow.ledger.errors import ChainBroken, LedgerError
from biometric_flow.ledger.events import ClockCorrected, Event, GenerationStarted, PunchRecorded
from biometric_flow.model.ids import Pin, PlaceId, TerminalSerial
from tests.builders import GATE, MOMENT, TENANT, person, punch

CAIRO = PlaceId("cairo")


def sealed(*events: Event) -> list[LedgerEntry]:
    head, entries = EMPTY, []
    for event in events:
        entry = seal(CAIRO, head, "2026-11-22", event, bytes(32))
        head = Head(entry.sequence, entry.hash)
        entries.append(
            LedgerEntry.model_construct(
                sequence=entry.sequence, leaf=entry.leaf, record=entry.record, opening=entry.opening
            )
        )
    return entries


ENTRIES = sealed(person("7"), PunchRecorded(punch("7")), PunchRecorded(punch("8")))


def test_a_continuation_is_read() -> None:
    found = verify(TENANT, CAIRO, EMPTY, ENTRIES)
    assert [one.pin for one in found.punches] == ["7", "8"]
    assert [one.name for one in found.enrolments] == ["Amina Hassan"]
    assert [entry.sequence for entry in found.entries] == [1, 2, 3]


@given(st.integers(0, 2), st.sampled_from(["leaf", "record", "opening"]), st.data())
def test_any_flipped_bit_is_found(number: int, part: str, data: st.DataObject) -> None:
    altered = bytearray(getattr(ENTRIES[number], part))
    bit = data.draw(st.integers(0, len(altered) * 8 - 1))
    altered[bit // 8] ^= 1 << bit % 8
    # The day of the very last leaf is bound by the entry that follows it, and by checkpoints later.
    assume(not (part == "leaf" and number == 2 and b"2026-11-22" not in altered))
    entries = [*ENTRIES]
    entries[number] = ENTRIES[number].model_copy(update={part: bytes(altered)})
    with pytest.raises(LedgerError):
        verify(TENANT, CAIRO, EMPTY, entries)


@given(st.permutations(range(3)).filter(lambda order: order != [0, 1, 2]))
def test_another_order_is_refused(order: list[int]) -> None:
    with pytest.raises(ChainBroken):
        verify(TENANT, CAIRO, EMPTY, [ENTRIES[number] for number in order])


def test_another_places_entries_are_refused() -> None:
    with pytest.raises(ChainBroken, match="place"):
        verify(TENANT, PlaceId("leeds"), EMPTY, ENTRIES)


@pytest.mark.parametrize(
    "lie",
    [
        replace(punch(), pin=Pin("8")),
        replace(punch(), state=1),
        replace(punch(), local_time=datetime(2026, 1, 1)),
        replace(punch(), terminal=TerminalSerial("bad serial!")),
        replace(punch(), pin=Pin(" 7")),
        replace(punch(), verify=2**40),
        replace(punch(), work_code=2**70),
    ],
)
def test_a_record_that_lies_about_itself_is_refused(lie: object) -> None:
    with pytest.raises(LedgerError):
        verify(TENANT, CAIRO, EMPTY, sealed(PunchRecorded(lie)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [GenerationStarted(GATE, 1, "6.60", "ZMM220", 3, MOMENT), ClockCorrected(GATE, timedelta(seconds=95), MOMENT)],
    ids=lambda event: event.kind,
)
def test_events_about_a_terminal_are_kept_and_their_serial_is_checked(
    event: GenerationStarted | ClockCorrected,
) -> None:
    found = verify(TENANT, CAIRO, EMPTY, sealed(event, PunchRecorded(punch("7"))))
    assert (len(found.entries), len(found.punches)) == (2, 1)
    with pytest.raises(ChainBroken, match="serial number"):
        verify(TENANT, CAIRO, EMPTY, sealed(replace(event, terminal=TerminalSerial("no serial!"))))
