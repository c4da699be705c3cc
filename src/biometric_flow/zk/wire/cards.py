"""A card's contents: user, four slots of length and finger, the templates behind them (zk-protocol 2.2, 76)."""

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.templates import TEMPLATE_MAX, Template

SLOTS: Final = 4

_USER: Final = Struct("<I")
_SLOT: Final = Struct("<HB")
_HEAD: Final = _USER.size + SLOTS * _SLOT.size


class CardContent(NamedTuple):
    """What stands on a card."""

    user: int
    fingers: tuple[tuple[int, bytes], ...]
    """Finger and template."""


def encode_card(user: int, templates: Sequence[Template]) -> bytes:
    """The data of WRITE_CARD. Raises ValueError."""
    if not 1 <= user <= 0xFFFF_FFFF or not 1 <= len(templates) <= SLOTS:
        raise ValueError(f"expected a numeric user id and 1 to {SLOTS} templates, got {user} and {len(templates)}")
    for template in templates:
        template.check()
    slots = [(len(one.data), one.finger) for one in templates] + [(0, 0)] * (SLOTS - len(templates))
    return _USER.pack(user) + b"".join(_SLOT.pack(*slot) for slot in slots) + b"".join(one.data for one in templates)


def decode_card(data: bytes) -> CardContent:
    """The meaning of WRITE_CARD's data. Raises ProtocolViolation."""
    if len(data) < _HEAD:
        raise ProtocolViolation(f"expected at least {_HEAD} bytes of a card, got {len(data)}")
    (user,) = _USER.unpack_from(data)
    fingers, start = [], _HEAD
    for slot in range(SLOTS):
        size, finger = _SLOT.unpack_from(data, _USER.size + slot * _SLOT.size)
        if size > TEMPLATE_MAX or start + size > len(data):
            raise ProtocolViolation(f"expected templates that fit the card's data, got one of {size} bytes")
        if size:
            fingers.append((finger, data[start : start + size]))
        start += size
    if start != len(data):
        raise ProtocolViolation(f"expected {start} bytes of a card, got {len(data)}")
    return CardContent(user, tuple(fingers))
