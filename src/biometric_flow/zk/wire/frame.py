"""Frames of a TCP stream and the payload inside them (zk-protocol 1.1, 1.3)."""

import struct
from typing import Final, NamedTuple

from biometric_flow.zk.errors import NotATerminal, ProtocolViolation
from biometric_flow.zk.wire.checksum import checksum, is_intact

MAGIC: Final = b"\x50\x50\x82\x7d"
FRAME_MAX: Final = 1024 * 1024
"""Payload bytes at most (security-design P1); terminals send no more than 65,480."""

_HEADER: Final = struct.Struct("<4sI")
_PAYLOAD: Final = struct.Struct("<HHHH")
_PANEL: Final = b"\xaa\x01"


class Packet(NamedTuple):
    """One payload: a request, a reply or an event."""

    command: int
    """Command or reply code; 500 marks a realtime event."""
    session: int
    """Session id; the event code in an event, the state in the reply to a state request."""
    reply: int
    """Reply number: which request this answers."""
    data: bytes = b""
    intact: bool = True
    """Whether the checksum fits. Packets that we make always fit."""


def encode_packet(packet: Packet) -> bytes:
    """The payload bytes of a packet, checksum included."""
    return _head(packet) + packet.data


def _head(packet: Packet) -> bytes:
    header = _PAYLOAD.pack(packet.command, 0, packet.session, packet.reply)
    return _PAYLOAD.pack(packet.command, checksum(header, packet.data), packet.session, packet.reply)


def decode_packet(payload: bytes) -> Packet:
    """The packet in a payload. A wrong checksum is told, not raised: who waits for it knows what it means."""
    if len(payload) < _PAYLOAD.size:
        raise ProtocolViolation(f"expected a payload of at least 8 bytes, got {len(payload)}; reconnect")
    command, _, session, reply = _PAYLOAD.unpack_from(payload)
    return Packet(command, session, reply, payload[_PAYLOAD.size :], is_intact(payload))


def encode_frame(packet: Packet) -> bytes:
    """A packet as it travels over TCP."""
    return _HEADER.pack(MAGIC, _PAYLOAD.size + len(packet.data)) + _head(packet) + packet.data


class FrameReader:
    """Cuts a byte stream into payloads, however the network cut it.

    Never holds more than one frame of `limit` bytes and what was fed last.
    """

    def __init__(self, limit: int = FRAME_MAX) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads completed by `data`.

        Raises ProtocolViolation for bytes that are no frame, NotATerminal when an access panel speaks. The stream
        cannot be followed after that.
        """
        buffer = self._buffer
        buffer += data
        payloads = []
        start = 0
        while (length := self._payload_length(start)) is not None:
            end = start + _HEADER.size + length
            if len(buffer) < end:
                break
            with memoryview(buffer) as view:  # a slice of the buffer itself would be copied twice
                payloads.append(bytes(view[start + _HEADER.size : end]))
            start = end
        del buffer[:start]
        return payloads

    def _payload_length(self, start: int) -> int | None:
        head = bytes(self._buffer[start : start + _HEADER.size])
        if head[:4] != MAGIC[: len(head)]:
            raise _foreign(head)
        if len(head) < _HEADER.size:
            return None
        length: int = _HEADER.unpack(head)[1]
        if not _PAYLOAD.size <= length <= self._limit:
            raise ProtocolViolation(f"expected a frame of 8 to {self._limit} bytes, got one of {length}; reconnect")
        return length


def _foreign(head: bytes) -> ProtocolViolation | NotATerminal:
    if head.startswith(_PANEL):
        return NotATerminal(
            "expected a ZK terminal, got an access panel (C3/inBio protocol), which is not supported; "
            "check the address, or connect the panel through its own software"
        )
    return ProtocolViolation(
        f"expected a frame starting with {MAGIC.hex()}, got {head.hex()}; "
        "check that a ZK terminal listens at this address and port"
    )
