"""A connection that remembers what went over it, for a bug report."""

from dataclasses import dataclass, field
from typing import Final

from biometric_flow.zk.errors import NotATerminal, ProtocolViolation
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.connection import ClientConnection
from biometric_flow.zk.wire.frame import Packet

RECORDED_MAX: Final = 8 * 1024 * 1024
"""Bytes that are remembered at most; what comes later is not."""
FOREIGN_MAX: Final = 8
"""Bytes of an answer that is no frame: enough to tell a panel or a web server."""


@dataclass(slots=True)
class Exchange:
    """One request and what came after it, in order."""

    command: int
    data: bytes
    packets: list[Packet] = field(default_factory=list)
    """Replies; events have command 500 and their code as session."""
    foreign: bytes = b""
    """The first bytes of an answer that was no frame."""


class Recorder(ClientConnection):
    """As ClientConnection, with a memory. It holds names, keys and templates: mask it before it goes anywhere."""

    def __init__(self, encoding: str = "utf-8", *, is_stream: bool = True) -> None:
        super().__init__(encoding, is_stream=is_stream)
        self.exchanges: list[Exchange] = []
        self._left = RECORDED_MAX

    def request(self, command: Command, data: bytes = b"") -> bytes:
        """As in ClientConnection."""
        if self._has_room(len(data)):
            self.exchanges.append(Exchange(command, data))
        return super().request(command, data)

    def receive(self, data: bytes) -> None:
        """As in ClientConnection."""
        try:
            super().receive(data)
        except (ProtocolViolation, NotATerminal):
            if self.exchanges and not self.exchanges[-1].packets:
                self.exchanges[-1].foreign = data[:FOREIGN_MAX]
            raise

    def _take_event(self, packet: Packet) -> None:
        self._remember(packet)
        super()._take_event(packet)

    def _take_reply(self, packet: Packet) -> None:
        if packet.reply == self._number or not packet.intact:
            self._remember(packet)
        super()._take_reply(packet)

    def _remember(self, packet: Packet) -> None:
        if self.exchanges and self._has_room(len(packet.data)):
            self.exchanges[-1].packets.append(packet)

    def _has_room(self, size: int) -> bool:
        self._left -= size + 16
        return self._left >= 0
