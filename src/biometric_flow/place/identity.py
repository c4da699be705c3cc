"""What a terminal was enrolled as, and how that differs from what it says now: pure (security-design D3)."""

from dataclasses import asdict, dataclass
from typing import Final

SCHEMA: Final = """
ALTER TABLE terminal ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE terminal ADD COLUMN mac TEXT NOT NULL DEFAULT '';
ALTER TABLE terminal ADD COLUMN comm_key_next TEXT NOT NULL DEFAULT '';  -- being set: the terminal may know it already
ALTER TABLE terminal ADD COLUMN attlog_layout TEXT NOT NULL DEFAULT '';  -- pinned by an operator, empty: found
ALTER TABLE terminal ADD COLUMN unlock_unit TEXT NOT NULL DEFAULT 'tenths';
"""

CHANGED_CODES: Final = ("serial_changed", "firmware_changed", "platform_changed", "mac_changed")
"""The findings that say so, one for each field."""

_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Identity:
    """The four things by which a pulled terminal is known, besides its key and its address."""

    serial: str = ""
    firmware: str = ""
    platform: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a terminal says otherwise than when it was enrolled."""

    code: str
    text: str


def differences(enrolled: Identity, told: Identity) -> list[Difference]:
    """What changed. Empty was never seen and cannot change; silence about what was once told is a change."""
    now = asdict(told)
    return [
        Difference(f"{name}_changed", _text(name, before, now[name]))
        for name, before in asdict(enrolled).items()
        if before and before != now[name]
    ]


def completed(enrolled: Identity, told: Identity) -> Identity:
    """The enrolled identity with what was never seen before."""
    return Identity(**{name: before or asdict(told)[name] for name, before in asdict(enrolled).items()})


def _text(name: str, before: str, now: str) -> str:
    if name == "serial":
        return f"Another machine answers at its address: {now[:_SHOWN]} instead of {before}. Nothing is read from it."
    said = now[:_SHOWN] or "nothing"
    return f"Its {name} changed from {before[:_SHOWN]} to {said}. Nothing is read until somebody confirms it."
