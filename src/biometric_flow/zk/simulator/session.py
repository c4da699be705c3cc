"""One client's conversation with a simulated terminal: requests in, segments of packets out; no I/O."""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, Protocol

from biometric_flow.zk.simulator.faults import FaultKind, Faults
from biometric_flow.zk.simulator.memory import TerminalClock, TerminalMemory
from biometric_flow.zk.wire.commands import Command, DataKind, DeviceState, EventMask, Reply
from biometric_flow.zk.wire.commkey import KEY_MAX, scramble
from biometric_flow.zk.wire.connection import Request, ServerConnection
from biometric_flow.zk.wire.frame import Packet
from biometric_flow.zk.wire.options import COMM_KEY_OPTION, TEXT_MAX, decode_text
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.transfer import CHUNK, DATAGRAM, wrap_rows

Handler = Callable[["Session", Request], "Segments"]

Segments = list[list[Packet]]
"""Packets grouped by TCP segment: clients exist that drop all but the first frame of a read (zk-protocol 5.6)."""

_SMALL_ANSWER: Final = 1024
_WINDOW_MAX: Final = 1024 * 1024 - 64
_BUFFERED: Final = Struct("<BHII")
_WINDOW: Final = Struct("<II")
_U32: Final = Struct("<I")


class Host(Protocol):
    """What a session needs of its terminal."""

    memory: TerminalMemory
    clock: TerminalClock
    faults: Faults
    comm_key: int

    def hold(self, seconds: int | None) -> None:
        """Lock keypad and sensors, for ever without `seconds`."""
        ...

    def release(self) -> None:
        """Unlock them."""
        ...

    def end_soon(self, *, is_off: bool) -> None:
        """Close every connection in a moment, and listen no more if it is switched off."""
        ...


class Session:
    """Answers requests of one connection."""

    def __init__(
        self, host: Host, number: int, handlers: Mapping[int, Handler] | None = None, *, is_stream: bool = True
    ) -> None:
        self.host = host
        self.staged = bytearray()
        """What the client put into the buffer, to be committed by a later request."""
        self.staged_size = 0
        self.connection = ServerConnection(number, is_stream=is_stream)
        self.mask = EventMask.NONE
        """The realtime events that this client registered for."""
        self.is_connected = False
        self.is_over = False
        """The client said goodbye."""
        self._handlers = {**_HANDLERS, **(handlers or {})}
        self._is_trusted = False
        self._buffer = b""

    def answer(self, request: Request) -> Segments:
        """The reply to a request. Takes any request."""
        if request.command == Command.CONNECT:
            return self._connect(request)
        if request.command == Command.AUTH:
            return self._authenticate(request)
        if not self._is_trusted:
            return self.reply(request, Reply.UNAUTHORISED)
        handler = self._handlers.get(request.command)
        if handler is None:
            return self.reply(request, Reply.UNKNOWN)
        return handler(self, request)

    def reply(self, request: Request, code: int, data: bytes = b"") -> Segments:
        """A reply of one packet."""
        return [[self.connection.reply(request, code, data)]]

    def small_or_bulk(self, request: Request, data: bytes) -> Segments:
        """An answer as one DATA, or announced when it is long."""
        if len(data) <= _SMALL_ANSWER:
            return self.reply(request, Reply.DATA, data)
        return self._bulk(request, data, len(data))

    def read_directly(self, request: Request) -> Segments:
        """Rows without a buffer."""
        kind = request.data[0] if request.data else DataKind.NONE
        rows = self._rows(request.command, kind)
        if rows is None or self.host.faults.take(FaultKind.NO_PIECES):
            return self.reply(request, Reply.ERROR)
        return self._bulk(request, rows, self._told_size(len(rows)))

    def _connect(self, request: Request) -> Segments:
        if self.host.faults.take(FaultKind.PULL_REFUSED):
            return self.reply(request, Reply.PULL_REFUSED)
        self.is_connected = True
        self._is_trusted = self.host.comm_key == 0
        return self.reply(request, Reply.OK if self._is_trusted else Reply.UNAUTHORISED)

    def _authenticate(self, request: Request) -> Segments:
        if len(request.data) == 4:
            expected = scramble(self.host.comm_key, self.connection.session, request.data[2])
            self._is_trusted = self.is_connected and request.data == expected
        return self.reply(request, Reply.OK if self._is_trusted else Reply.UNAUTHORISED)

    def _exit(self, request: Request) -> Segments:
        self.is_over = True
        return self.reply(request, Reply.OK)

    def _acknowledge(self, request: Request) -> Segments:
        return self.reply(request, Reply.OK)

    def _read_option(self, request: Request) -> Segments:
        name = decode_text(request.data[:TEXT_MAX])
        value = self.host.memory.options.get(name)
        if value is None:
            return self.reply(request, Reply.ERROR)
        return self.reply(request, Reply.OK, f"{name}={value}".encode() + b"\0")

    def _write_option(self, request: Request) -> Segments:
        name, equals, value = decode_text(request.data[:TEXT_MAX]).partition("=")
        options = self.host.memory.options
        if not equals or name.startswith("~") or (name not in options and len(options) > 200):
            return self.reply(request, Reply.ERROR)
        if name == COMM_KEY_OPTION:
            return self._set_comm_key(request, value)
        options[name] = value
        return self.reply(request, Reply.OK)

    def _set_comm_key(self, request: Request, value: str) -> Segments:
        if not (value.isascii() and value.isdigit()) or int(value) > KEY_MAX:
            return self.reply(request, Reply.ERROR)
        if not self.host.faults.take(FaultKind.FORGET):
            self.host.comm_key = int(value)
        return self.reply(request, Reply.OK)

    def _read_version(self, request: Request) -> Segments:
        return self.reply(request, Reply.OK, self.host.memory.profile.firmware.encode() + b"\0")

    def _read_pin_width(self, request: Request) -> Segments:
        return self.reply(request, Reply.OK, bytes((self.host.memory.profile.pin_width,)))

    def _read_capacity(self, request: Request) -> Segments:
        block = bytearray(self.host.memory.capacity().encode())
        if fault := self.host.faults.take(FaultKind.COUNT):
            block[32:36] = _U32.pack(fault.number(0))
        return self.reply(request, Reply.OK, bytes(block))

    def _read_state(self, request: Request) -> Segments:
        state = DeviceState.ENROLLING if self.host.memory.extras.enrolling else DeviceState.IDLE
        return [[Packet(Reply.OK, state, request.number)]]

    def _read_time(self, request: Request) -> Segments:
        return self.reply(request, Reply.OK, _U32.pack(self.host.clock.read()))

    def _write_time(self, request: Request) -> Segments:
        try:
            self.host.clock.set(TerminalTime(int.from_bytes(request.data[:4], "little")))
        except ValueError:
            return self.reply(request, Reply.ERROR)
        return self.reply(request, Reply.OK)

    def _register(self, request: Request) -> Segments:
        mask = int.from_bytes(request.data[:4], "little")
        self.mask = EventMask(mask & EventMask.ALL)
        return self.reply(request, Reply.OK)

    def _enable(self, request: Request) -> Segments:
        self.host.release()
        return self.reply(request, Reply.OK)

    def _disable(self, request: Request) -> Segments:
        self.host.hold(_U32.unpack_from(request.data)[0] if len(request.data) >= 4 else None)
        return self.reply(request, Reply.OK)

    def _prepare_buffer(self, request: Request) -> Segments:
        rows = None
        if len(request.data) == _BUFFERED.size and not self.host.faults.take(FaultKind.NO_BUFFER):
            _, command, kind, _ = _BUFFERED.unpack(request.data)
            rows = self._rows(command, kind)
        if rows is None:
            return self.reply(request, Reply.ERROR)
        if len(rows) <= _SMALL_ANSWER:
            return self.reply(request, Reply.DATA, rows)
        self._buffer = rows
        size = _U32.pack(self._told_size(len(rows)))
        return self.reply(request, Reply.OK, b"\0" + size + size + bytes(4))

    def _read_buffer(self, request: Request) -> Segments:
        if len(request.data) != _WINDOW.size:
            return self.reply(request, Reply.ERROR)
        offset, size = _WINDOW.unpack(request.data)
        if size > _WINDOW_MAX or offset + size > len(self._buffer):
            return self.reply(request, Reply.ERROR)
        return self._bulk(request, self._buffer[offset : offset + size], size)

    def _free_data(self, request: Request) -> Segments:
        self._buffer = b""
        self.staged.clear()
        return self.reply(request, Reply.OK)

    def _bulk(self, request: Request, data: bytes, told: int) -> Segments:
        """PREPARE_DATA in a segment of its own, then the data and the final OK together."""
        if self.host.faults.take(FaultKind.SHORT):
            data = data[:-7]
        if self.host.faults.take(FaultKind.OVERSEND):
            data += bytes(1024)
        fault = self.host.faults.take(FaultKind.PIECES)
        step = fault.number(1024) if fault else CHUNK if self.connection.is_stream else DATAGRAM
        pieces = [data[start : start + step] for start in range(0, len(data), step)]
        reply = self.connection.reply
        return [
            [reply(request, Reply.PREPARE_DATA, _WINDOW.pack(told, 0x1000))],
            [*(reply(request, Reply.DATA, piece) for piece in pieces), reply(request, Reply.OK)],
        ]

    def _rows(self, command: int, kind: int) -> bytes | None:
        memory = self.host.memory
        if command == Command.READ_ATTLOG:
            return self._wrapped(memory.attlog_rows())
        if command == Command.READ_USERS and kind == DataKind.USERS:
            return self._wrapped(memory.user_rows())
        if command == Command.READ_DATA and kind == DataKind.FINGERPRINTS:
            return self._wrapped(memory.template_rows())
        if command == Command.READ_OPLOG:
            return self._wrapped(memory.operation_rows())
        if command == Command.READ_DATA:
            rows = memory.table_rows(kind)
            return None if rows is None else self._wrapped(rows)
        return None

    def _wrapped(self, rows: bytes) -> bytes:
        fault = self.host.faults.take(FaultKind.LIE)
        if fault and fault.value == "inner":
            return _U32.pack(len(rows) + 40) + rows
        if fault:
            self.host.faults.put(fault)
        return wrap_rows(rows)

    def _told_size(self, size: int) -> int:
        fault = self.host.faults.take(FaultKind.LIE)
        lies = {"zero": 0, "short": size - 40, "long": size + 40, "huge": 0x7FFF_FFFF, "negative": 0xFFFF_FFFF}
        return lies.get(fault.value, size) if fault else size


_HANDLERS: Final[dict[int, Handler]] = {
    Command.EXIT: Session._exit,
    Command.READ_OPTION: Session._read_option,
    Command.WRITE_OPTION: Session._write_option,
    Command.READ_VERSION: Session._read_version,
    Command.READ_PIN_WIDTH: Session._read_pin_width,
    Command.READ_CAPACITY: Session._read_capacity,
    Command.READ_STATE: Session._read_state,
    Command.READ_TIME: Session._read_time,
    Command.WRITE_TIME: Session._write_time,
    Command.REGISTER_EVENTS: Session._register,
    Command.ENABLE: Session._enable,
    Command.DISABLE: Session._disable,
    Command.REFRESH_DATA: Session._acknowledge,
    Command.REFRESH_OPTIONS: Session._acknowledge,
    Command.PREPARE_BUFFER: Session._prepare_buffer,
    Command.READ_BUFFER: Session._read_buffer,
    Command.FREE_DATA: Session._free_data,
    Command.READ_ATTLOG: Session.read_directly,
    Command.READ_USERS: Session.read_directly,
    Command.READ_DATA: Session.read_directly,
    Command.READ_OPLOG: Session.read_directly,
}
