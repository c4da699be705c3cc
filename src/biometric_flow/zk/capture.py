"""Capture files: recorded traffic as JSON lines, masked, for bug reports and for the simulator to replay."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from biometric_flow.zk.masking import Layouts, Mask, filled, masked_option
from biometric_flow.zk.recorder import Exchange
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.frame import Packet

FORMAT: Final = 1
FILE_MAX: Final = 32 * 1024 * 1024
"""Characters of a capture file at most."""

_WINDOW: Final = Struct("<II")
_BUFFERED: Final = Struct("<BHII")
_LENGTH: Final = 4
"""The u32 that bulk answers begin with."""

_PLAIN_REQUESTS: Final = frozenset(
    {
        Command.READ_OPTION, Command.PREPARE_BUFFER, Command.READ_BUFFER, Command.DISABLE, Command.REGISTER_EVENTS,
        Command.READ_USERS, Command.READ_ATTLOG,
    }
)  # fmt: skip
"""Requests of ours that name nobody."""
_PLAIN_ANSWERS: Final = {
    Command.READ_CAPACITY: 92, Command.READ_TIME: 4, Command.READ_VERSION: 64, Command.PREPARE_BUFFER: 13,
    Command.READ_PIN_WIDTH: 1,
}  # fmt: skip
"""Answers of OK that name nobody, and how many bytes of them are known to."""
_SIZES: Final = 8
"""Bytes of PREPARE_DATA that are known."""


class CaptureUnreadable(ValueError):
    """Not a capture file of ours; the text says which line."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What went over a connection. `masked` before it goes anywhere."""

    exchanges: tuple[Exchange, ...]
    note: str = ""

    @classmethod
    def masked(
        cls, exchanges: Sequence[Exchange], layouts: Layouts, note: str = "", dice: random.Random | None = None
    ) -> Self:
        """The same traffic without people: what is not known to be harmless keeps its size only."""
        mask = Mask(layouts, dice)
        return cls(tuple(_masked(exchanges, mask)), note)

    def to_text(self) -> str:
        """The file: a heading, then a line for each request, reply and event in order."""
        lines: list[dict[str, object]] = [{"capture": FORMAT, "note": self.note}]
        for exchange in self.exchanges:
            lines.append({"ask": exchange.command, "name": _name(exchange.command), "data": exchange.data.hex()})
            lines.extend(_packet_line(packet) for packet in exchange.packets)
            if exchange.foreign:
                lines.append({"foreign": exchange.foreign.hex()})
        return "\n".join(map(json.dumps, lines)) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """A capture file read back. Raises CaptureUnreadable."""
        if len(text) > FILE_MAX:
            raise CaptureUnreadable(f"expected a capture of at most {FILE_MAX} characters, got {len(text)}")
        exchanges: list[Exchange] = []
        note = ""
        for number, line in enumerate(text.splitlines(), 1):
            try:
                match json.loads(line):
                    case {"capture": 1, "note": str(note)} if number == 1:
                        continue
                    case {"ask": int(command), "data": str(data)} if number > 1:
                        exchanges.append(Exchange(command, bytes.fromhex(data)))
                    case {"reply": int(code), "data": str(data), **more}:
                        exchanges[-1].packets.append(_packet(code, data, more))
                    case {"event": int(code), "data": str(data), **more}:
                        event = _packet(Command.REGISTER_EVENTS, data, {**more, "state": code})
                        exchanges[-1].packets.append(event)
                    case {"foreign": str(data)}:
                        exchanges[-1].foreign = bytes.fromhex(data)
                    case _:
                        raise ValueError("not one of ask, reply, event, foreign")
            except (ValueError, IndexError, RecursionError) as problem:
                raise CaptureUnreadable(f"expected a capture file, line {number} is none: {problem}") from None
        if not exchanges:
            raise CaptureUnreadable("expected a capture file with at least one request, got none")
        return cls(tuple(exchanges), note)


def _name(command: int) -> str:
    return Command(command).name.lower().replace("_", " ") if command in set(Command) else ""


def _packet_line(packet: Packet) -> dict[str, object]:
    line: dict[str, object] = {"reply": packet.command, "data": packet.data.hex()}
    if packet.command == Command.REGISTER_EVENTS:
        line = {"event": packet.session, "data": packet.data.hex()}
    elif packet.session:
        line["state"] = packet.session
    return line if packet.intact else {**line, "intact": False}


def _packet(code: int, data: str, more: dict[object, object]) -> Packet:
    state = more.get("state", 0)
    if not (isinstance(state, int) and 0 <= code <= 0xFFFF and 0 <= state <= 0xFFFF):
        raise ValueError("a number is out of range")
    return Packet(code, state, 0, bytes.fromhex(data), more.get("intact") is not False)


def _masked(exchanges: Sequence[Exchange], mask: Mask) -> Iterator[Exchange]:
    """Each bulk answer is put together, masked as a whole, and cut again as it came."""
    start = 0
    for end in range(1, len(exchanges) + 1):
        if end == len(exchanges) or exchanges[end].command != Command.READ_BUFFER:
            yield from _masked_run(exchanges[start:end], mask)
            start = end


def _masked_run(run: Sequence[Exchange], mask: Mask) -> Iterator[Exchange]:
    """A request, and those after it that fetch more of its answer."""
    stream = bulk_stream(run)
    source = _source(run[0]) if run else 0
    if stream:
        stream[_LENGTH:] = mask.rows(source, bytes(stream[_LENGTH:]))
    for exchange in run:
        place = _offset(exchange)
        packets = []
        for packet in exchange.packets:
            if packet.command == Reply.DATA:
                data = bytes(stream[place : place + len(packet.data)]).ljust(len(packet.data), b"\0")
                place += len(packet.data)
            else:
                data = _masked_data(exchange, packet, mask)
            packets.append(_plain(exchange, packet, data))
        data = exchange.data if exchange.command in _PLAIN_REQUESTS else filled(exchange.data)
        yield Exchange(exchange.command, data, packets, exchange.foreign)


def bulk_stream(run: Sequence[Exchange]) -> bytearray:
    """The bulk answer that these requests fetched, in its order."""
    stream = bytearray()
    for exchange in run:
        place = _offset(exchange)
        for packet in exchange.packets:
            if packet.command == Reply.DATA:
                stream.extend(bytes(max(0, place - len(stream))))
                stream[place : place + len(packet.data)] = packet.data
                place += len(packet.data)
    return stream


def _offset(exchange: Exchange) -> int:
    if exchange.command == Command.READ_BUFFER and len(exchange.data) == _WINDOW.size:
        offset: int = _WINDOW.unpack(exchange.data)[0]
        return min(offset, FILE_MAX)
    return 0


def _source(exchange: Exchange) -> int:
    """The command whose rows this request begins to fetch."""
    if exchange.command == Command.PREPARE_BUFFER and len(exchange.data) == _BUFFERED.size:
        command: int = _BUFFERED.unpack(exchange.data)[1]
        return command
    return exchange.command


def _masked_data(exchange: Exchange, packet: Packet, mask: Mask) -> bytes:
    if packet.command == Command.REGISTER_EVENTS:
        return mask.event(packet.session, packet.data)
    if packet.command == Reply.PREPARE_DATA:
        return packet.data[:_SIZES] + filled(packet.data[_SIZES:])
    if packet.command != Reply.OK:
        return filled(packet.data)
    if exchange.command == Command.READ_OPTION:
        return masked_option(packet.data)
    known = _PLAIN_ANSWERS.get(Command(exchange.command), 0) if exchange.command in set(Command) else 0
    return packet.data[:known] + filled(packet.data[known:])


def _plain(exchange: Exchange, packet: Packet, data: bytes) -> Packet:
    """The packet without session: it says when the terminal was started, and the comm key hangs on it."""
    keeps = packet.command == Command.REGISTER_EVENTS or exchange.command == Command.READ_STATE
    return Packet(packet.command, packet.session if keeps else 0, 0, data, packet.intact)
