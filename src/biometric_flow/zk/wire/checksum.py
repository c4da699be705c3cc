"""The one's complement checksum of every payload (zk-protocol 1.4)."""

_ONES = 0xFFFF


def checksum(payload: bytes | bytearray | memoryview) -> int:
    """The checksum of a payload whose checksum field is zero.

    Folding carries back is the remainder by 65535, so one big-integer division replaces the loop over words;
    an odd last byte pads itself.
    """
    return -int.from_bytes(payload, "little") % _ONES


def is_intact(payload: bytes | bytearray | memoryview) -> bool:
    """Whether a payload fits the checksum it carries; 0x0000 and 0xFFFF are the same value."""
    return int.from_bytes(payload, "little") % _ONES == 0
