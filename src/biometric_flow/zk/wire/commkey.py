"""The comm key as AUTH sends it: scrambled, not protected (zk-protocol 2.3)."""

from typing import Final

KEY_MAX: Final = 0xFFFF_FFFF
TICKS: Final = 50
"""Any byte works, the terminal reads it back; this is the one that others send."""

_MASK: Final = b"ZKSO"


def scramble(key: int, session: int, ticks: int = TICKS) -> bytes:
    """The 4 bytes that prove knowledge of `key` within `session`.

    Raises ValueError for a key outside 0 to 4,294,967,295; the key itself is not named in the text.
    """
    if not 0 <= key <= KEY_MAX:
        raise ValueError("expected a comm key from 0 to 4294967295, got one outside this range")
    reversed_bits = int(f"{key:032b}"[::-1], 2)
    mixed = ((reversed_bits + session) & 0xFFFF_FFFF).to_bytes(4, "little")
    _, b1, b2, b3 = (byte ^ mask for byte, mask in zip(mixed, _MASK, strict=True))
    return bytes((b2 ^ ticks, b3 ^ ticks, ticks, b1 ^ ticks))
