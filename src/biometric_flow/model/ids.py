"""Names for the identifiers that travel through the system, so that one is never passed for another."""

import re
from typing import Final, NewType

TenantId = NewType("TenantId", str)
"""A customer, a short slug such as `demo`."""

PlaceId = NewType("PlaceId", str)
"""One location with a place process, a short slug such as `cairo`."""

TerminalKey = NewType("TerminalKey", str)
"""The name a place gives to a terminal before it has spoken, a slug such as `cairo-gate-1`."""

TerminalSerial = NewType("TerminalSerial", str)
"""What a terminal says its serial number is: its identity, never its address."""

Pin = NewType("Pin", str)
"""The person's number in canonical text form, see `canonical_pin`."""

PunchId = NewType("PunchId", bytes)
"""32 bytes, computed from the punch's contents (security-design I1)."""

SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""Tenant and place ids and terminal keys: 1-40 of a-z, 0-9 and inner hyphens."""

SERIAL: Final = re.compile(r"[A-Za-z0-9_-]{4,32}")
"""Serial numbers that are accepted from a terminal (security-design P1)."""

PIN_MAX: Final = 24
"""Characters in a PIN at most; the widest field on the wire is 24 bytes."""


def canonical_pin(text: str) -> Pin:
    """The one spelling of a PIN: no surrounding blanks or NULs, at most 24 characters; leading zeros are kept.

    Raises ValueError for an empty or overlong one, since such a row belongs to nobody.
    """
    pin = text.split("\0", 1)[0].strip()
    if not pin:
        raise ValueError("expected a PIN, got an empty text")
    if len(pin) > PIN_MAX:
        raise ValueError(f"expected a PIN of at most {PIN_MAX} characters, got {len(pin)}")
    return Pin(pin)
