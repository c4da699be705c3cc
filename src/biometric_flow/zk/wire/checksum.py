"""The one's complement checksum of every payload (zk-protocol 1.4)."""

from typing import Final

import numpy as np

_ONES = 0xFFFF
_LONG: Final = 512
"""Bytes from which on a vector sum is faster than one big-integer division."""


def checksum(payload: bytes | bytearray | memoryview, rest: bytes | bytearray | memoryview = b"") -> int:
    """The checksum of a payload whose checksum field is zero; with `rest`, of both together if the first is even."""
    return -(_remainder(payload) + _remainder(rest) if rest else _remainder(payload)) % _ONES


def is_intact(payload: bytes | bytearray | memoryview) -> bool:
    """Whether a payload fits the checksum it carries; 0x0000 and 0xFFFF are the same value."""
    return _remainder(payload) == 0


def _remainder(payload: bytes | bytearray | memoryview) -> int:
    """The sum of the words by 65535: folding carries back is that remainder, and an odd last byte pads itself."""
    if len(payload) < _LONG:
        return int.from_bytes(payload, "little") % _ONES
    words = np.frombuffer(payload, dtype="<u2", count=len(payload) // 2)
    last = payload[-1] if len(payload) % 2 else 0
    return (int(words.sum(dtype=np.uint64)) + last) % _ONES
