"""The capacity block: how much a terminal holds, and how much it could (zk-protocol 6)."""

import struct
from dataclasses import dataclass, fields
from typing import Final, Self

from biometric_flow.zk.errors import ProtocolViolation

_OFFSETS: Final = {
    "users": 16,
    "fingers": 24,
    "attlog_rows": 32,
    "oplog_rows": 40,
    "admins": 48,
    "passwords": 52,
    "fingers_capacity": 56,
    "users_capacity": 60,
    "attlog_capacity": 64,
    "fingers_free": 68,
    "users_free": 72,
    "attlog_free": 76,
    "faces": 80,
    "faces_capacity": 88,
}
_BLOCK: Final = 92
_BLOCK_MAX: Final = 4096
_U32: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Capacity:
    """Counts as the terminal gives them; they are hints, some firmware reports 0 rows although it has them."""

    users: int = 0
    fingers: int = 0
    attlog_rows: int = 0
    oplog_rows: int = 0
    admins: int = 0
    passwords: int = 0
    fingers_capacity: int = 0
    users_capacity: int = 0
    attlog_capacity: int = 0
    fingers_free: int = 0
    users_free: int = 0
    attlog_free: int = 0
    faces: int = 0
    faces_capacity: int = 0

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The block as it came: 80 bytes, 92 or more; a missing tail reads as zero. Raises ProtocolViolation."""
        if not 36 <= len(data) <= _BLOCK_MAX:
            raise ProtocolViolation(f"expected a capacity block of 80 or 92 bytes, got {len(data)}; report the model")
        padded = data.ljust(_BLOCK, b"\0")
        return cls(**{name: _U32.unpack_from(padded, offset)[0] for name, offset in _OFFSETS.items()})

    def encode(self) -> bytes:
        """The block of 92 bytes. Raises ValueError for a count that is no u32."""
        block = bytearray(_BLOCK)
        for field in fields(self):
            block[_OFFSETS[field.name] : _OFFSETS[field.name] + 4] = _u32(field.name, getattr(self, field.name))
        return bytes(block)


def _u32(name: str, value: int) -> bytes:
    if not 0 <= value <= 0xFFFF_FFFF:
        raise ValueError(f"expected {name} from 0 to 4294967295, got {value}")
    return _U32.pack(value)
