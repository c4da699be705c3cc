"""Short messages that a terminal shows when somebody verifies (zk-protocol 4.6)."""

from dataclasses import dataclass
from struct import Struct, error
from typing import Final, Self

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import cut_text

PUBLIC: Final = 253
PERSONAL: Final = 254
TEXT_BYTES: Final = 61

_MESSAGE: Final = Struct("<BHH2xI61s")
_LINK: Final = Struct("<HH")


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """One message of a terminal."""

    id: int
    """1 to 65535; 0 marks a free place."""
    text: str
    start: TerminalTime
    minutes: int = 0
    """How long it is shown; 0 for ever."""
    tag: int = PUBLIC
    """253 for everybody, 254 for the users it is given to."""

    @classmethod
    def decode(cls, data: bytes, encoding: str = "utf-8") -> Self:
        """Raises ProtocolViolation."""
        if len(data) < _MESSAGE.size:
            raise ProtocolViolation(f"expected a message of {_MESSAGE.size} bytes, got {len(data)}")
        tag, number, minutes, start, text = _MESSAGE.unpack_from(data)
        return cls(number, text.split(b"\0", 1)[0].decode(encoding, "replace"), TerminalTime(start), minutes, tag)

    def encode(self, encoding: str = "utf-8") -> bytes:
        """A long text is cut between characters. Raises ValueError for a field that does not fit."""
        if self.id == 0 or "\0" in self.text:
            raise ValueError("expected a message with an id from 1 to 65535 and a text without NUL")
        try:
            return _MESSAGE.pack(self.tag, self.id, self.minutes, self.start, cut_text(self.text, TEXT_BYTES, encoding))
        except error as problem:
            raise ValueError(f"expected a message that fits, got {self!r}: {problem}") from None


def encode_link(uid: int, message: int) -> bytes:
    """The data that gives a message to a user. Raises ValueError."""
    if not 1 <= uid <= 0xFFFF or not 1 <= message <= 0xFFFF:
        raise ValueError(f"expected a uid and a message id from 1 to 65535, got {uid} and {message}")
    return _LINK.pack(uid, message)


def decode_link(data: bytes) -> tuple[int, int]:
    """uid and message id. Raises ProtocolViolation."""
    if len(data) != _LINK.size:
        raise ProtocolViolation(f"expected {_LINK.size} bytes of a message's user, got {len(data)}")
    uid, message = _LINK.unpack(data)
    return uid, message


MESSAGE_SIZE: Final = _MESSAGE.size
LINK_SIZE: Final = _LINK.size
