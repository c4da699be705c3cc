import hashlib

import pytest

from biometric_flow.model.ids import Pin, TenantId, TerminalSerial, canonical_pin
from biometric_flow.model.punch import punch_id

DEMO, GATE = TenantId("demo"), TerminalSerial("CAI0001")


def test_the_same_touch_has_the_same_id_for_ever() -> None:
    # The canonical CBOR array written out by hand: six items, five texts with their lengths, one small number.
    canonical = b"\x86\x67punch/1\x64demo\x67CAI0001\x617\x732026-11-22T08:00:00\x00"
    found = punch_id(DEMO, GATE, Pin("7"), "2026-11-22T08:00:00", 0)
    assert found == hashlib.sha256(canonical).digest()


@pytest.mark.parametrize(
    "other",
    [
        (TenantId("other"), GATE, Pin("7"), "2026-11-22T08:00:00", 0),
        (DEMO, TerminalSerial("CAI0002"), Pin("7"), "2026-11-22T08:00:00", 0),
        (DEMO, GATE, Pin("07"), "2026-11-22T08:00:00", 0),
        (DEMO, GATE, Pin("7"), "2026-11-22T08:00:01", 0),
        (DEMO, GATE, Pin("7"), "2026-11-22T08:00:00", 1),
    ],
)
def test_another_touch_has_another_id(other: tuple[TenantId, TerminalSerial, Pin, str, int]) -> None:
    assert punch_id(*other) != punch_id(DEMO, GATE, Pin("7"), "2026-11-22T08:00:00", 0)


@pytest.mark.parametrize(("text", "pin"), [("7", "7"), (" 0007 ", "0007"), ("12\0junk", "12"), ("محمد", "محمد")])
def test_a_pin_has_one_spelling(text: str, pin: str) -> None:
    assert canonical_pin(text) == pin


@pytest.mark.parametrize("text", ["", "   ", "\0\0", "x" * 25])
def test_a_pin_that_belongs_to_nobody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a PIN"):
        canonical_pin(text)
