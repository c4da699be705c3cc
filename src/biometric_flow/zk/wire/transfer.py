"""Bulk answers: what has to come before rows may be believed (zk-protocol 5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from biometric_flow.zk.errors import CorruptFrame, NotSupported, ProtocolViolation, TerminalRefused, TransferIncomplete
from biometric_flow.zk.wire.commands import Command, DataKind, Reply, reply_name
from biometric_flow.zk.wire.frame import Packet

TRANSFER_MAX: Final = 48 * 1024 * 1024
"""Bytes of one bulk answer at most; with room to grow and frames, a connection stays below 64 MiB (P1)."""

CHUNK: Final = 0xFFC0
"""Bytes asked for at a time: what every client uses, and what a u16 length can still say."""

DATAGRAM: Final = 1024
"""Bytes of bulk data in a datagram at most."""

_U32: Final = Struct("<I")
_REQUEST: Final = Struct("<BHII")
_WINDOW: Final = Struct("<II")


@dataclass(frozen=True, slots=True)
class BulkSource:
    """What to read, and how to ask for it with and without a buffer."""

    title: str
    command: Command
    kind: DataKind = DataKind.NONE
    limit: int = TRANSFER_MAX
    """Bytes of an answer at most; less where its records are copies of what came."""

    def buffered_request(self) -> bytes:
        """The data of PREPARE_BUFFER."""
        return _REQUEST.pack(1, self.command, self.kind, 0)

    def direct_request(self) -> bytes:
        """The data of `command` itself, where the terminal has no buffer (5.3)."""
        return bytes((self.kind,)) if self.kind else b""


USERS: Final = BulkSource("users", Command.READ_USERS, DataKind.USERS)
ATTLOG: Final = BulkSource("attendance", Command.READ_ATTLOG)
OPLOG: Final = BulkSource("operations", Command.READ_OPLOG)
TEMPLATES: Final = BulkSource(
    "fingerprint templates", Command.READ_DATA, DataKind.FINGERPRINTS, limit=TRANSFER_MAX // 2
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The terminal holds the answer in a buffer of this size, to be fetched in chunks."""

    size: int

    def windows(self) -> Iterator[tuple[int, int]]:
        """Offset and size of each chunk."""
        return windows(0, self.size)


def windows(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Offset and size of each chunk between two offsets of a prepared buffer."""
    for offset in range(begin, end, CHUNK):
        yield offset, min(CHUNK, end - offset)


def window_request(offset: int, size: int) -> bytes:
    """The data of READ_BUFFER."""
    return _WINDOW.pack(offset, size)


class BulkAnswer:
    """Collects the packets of one bulk answer: PREPARE_DATA, DATA..., OK, or a single DATA, or an OK with a size."""

    def __init__(self, title: str, *, size: int | None = None, limit: int = TRANSFER_MAX) -> None:
        self._title = title
        self._asked = size
        self._limit = limit
        self._announced: int | None = None
        self._data = bytearray()

    def take(self, packet: Packet) -> bytearray | Prepared | None:
        """The whole answer once it is there, None while more has to come.

        Raises CorruptFrame, TransferIncomplete, ProtocolViolation or TerminalRefused; the answer is lost then.
        """
        if not packet.intact:
            raise CorruptFrame(f"expected {self._title} with a fitting checksum, got a corrupt frame; read again")
        if self._announced is None:
            return self._begin(packet)
        if self._is_repeated(packet):
            return None
        if packet.command == Reply.DATA:
            self._data += packet.data
            if len(self._data) > self._announced:
                raise ProtocolViolation(
                    f"expected {self._announced} bytes of {self._title} as announced, got more; reconnect"
                )
            return None
        if packet.command == Reply.OK:
            return self._complete()
        raise refusal(packet.command, f"reading {self._title}")

    def _is_repeated(self, packet: Packet) -> bool:
        """Whether a datagram came twice: the announcement, or the piece that made the answer whole."""
        if packet.command == Reply.PREPARE_DATA:
            return not self._data and self._checked_size(packet.data, 0) == self._announced
        is_whole = packet.command == Reply.DATA and len(self._data) == self._announced
        return is_whole and bool(packet.data) and self._data.endswith(packet.data)

    def _begin(self, packet: Packet) -> bytearray | Prepared | None:
        if packet.command == Reply.PREPARE_DATA:
            self._announced = self._checked_size(packet.data, 0)
            return None
        if packet.command == Reply.DATA:
            self._announced = len(packet.data) if self._asked is None else self._asked
            self._data += packet.data
            return self._complete()
        if packet.command == Reply.OK:
            if self._asked is not None:
                raise TransferIncomplete(f"expected {self._asked} bytes of {self._title}, got none; read again")
            return Prepared(self._checked_size(packet.data, 1)) if packet.data else bytearray()
        raise refusal(packet.command, f"reading {self._title}")

    def _checked_size(self, data: bytes, offset: int) -> int:
        if len(data) < offset + _U32.size:
            raise ProtocolViolation(f"expected the size of {self._title}, got {len(data)} bytes; reconnect")
        size: int = _U32.unpack_from(data, offset)[0]
        if size > self._limit:
            raise ProtocolViolation(
                f"expected {self._title} of at most {self._limit} bytes, the terminal announced {size}; "
                "restart the terminal, and clear its log if it stays so"
            )
        if self._asked is not None and size != self._asked:
            raise TransferIncomplete(
                f"expected {self._asked} bytes of {self._title}, {size} were announced; read again"
            )
        return size

    def _complete(self) -> bytearray:
        if len(self._data) != self._announced:
            raise TransferIncomplete(
                f"expected {self._announced} bytes of {self._title}, got {len(self._data)}; read again"
            )
        return self._data


def unwrap_rows(answer: bytearray, title: str) -> None:
    """Take the leading length off a bulk answer, in place; it has to be right. An empty answer has no rows.

    Raises TransferIncomplete when the length says otherwise.
    """
    if not answer:
        return
    told = _U32.unpack_from(answer)[0] if len(answer) >= _U32.size else None
    if told != len(answer) - _U32.size:
        raise TransferIncomplete(
            f"expected {title} of {len(answer) - _U32.size} bytes, their own length says {told}; read again"
        )
    del answer[: _U32.size]


def wrap_rows(rows: bytes) -> bytes:
    """Rows with the leading length that a bulk answer carries."""
    return _U32.pack(len(rows)) + rows


def refusal(reply: int, doing: str) -> TerminalRefused:
    """The error for an answer that is a no."""
    if reply in (Reply.UNKNOWN, Reply.ERROR_COMMAND):
        return NotSupported(f"expected ok when {doing}, got {reply_name(reply)}; this terminal cannot do it", reply)
    return TerminalRefused(
        f"expected ok when {doing}, got {reply_name(reply)}; try again when the terminal is idle", reply
    )
