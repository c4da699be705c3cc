"""A terminal that answers from frames made beforehand, so that not the simulator's work is measured but the client's.

One blocking thread a connection; of a frame only session, reply number and checksum are set when it is sent.
"""

import multiprocessing
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.checksum import checksum
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.transfer import wrap_rows

SESSION: Final = 7
_FRAME: Final = struct.Struct("<4sIHHHH")
_MAGIC: Final = b"\x50\x50\x82\x7d"
_WINDOW: Final = struct.Struct("<II")


class Prebuilt:
    """A frame whose header can be set without looking at its data again."""

    def __init__(self, command: int, data: bytes) -> None:
        self.command, self.data = command, data
        self._sum = -checksum(struct.pack("<HHHH", command, 0, SESSION, 0) + data) % 0xFFFF

    def head(self, number: int) -> bytes:
        """The 16 bytes before the data of the answer with this reply number."""
        seal = -(self._sum + number) % 0xFFFF
        return _FRAME.pack(_MAGIC, 8 + len(self.data), self.command, seal, SESSION, number)


class Replay:
    """What a terminal with these rows and users answers."""

    def __init__(self, attlog: bytes, users: bytes, capacity: Capacity, pause: float) -> None:
        self._blobs = {Command.READ_ATTLOG: wrap_rows(attlog), Command.READ_USERS: wrap_rows(users)}
        self._plain = {Command.READ_CAPACITY: Prebuilt(Reply.OK, capacity.encode())}
        self._ok = Prebuilt(Reply.OK, b"")
        self._pieces: dict[tuple[int, int, int], tuple[Prebuilt, Prebuilt]] = {}
        self._pause = pause

    def serve(self, client: socket.socket) -> None:
        """Answer one client until it goes."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        source = Command.READ_ATTLOG
        stream = client.makefile("rb")
        while len(head := stream.read(16)) == 16:
            _, size, command, _, _, number = _FRAME.unpack(head)
            data = stream.read(size - 8)
            if command == Command.READ_BUFFER:
                self._send_piece(client, source, *_WINDOW.unpack(data), number)
                continue
            if command == Command.PREPARE_BUFFER:
                source = Command(int.from_bytes(data[1:3], "little"))
                told = struct.pack("<I", len(self._blobs[source]))
                answer = Prebuilt(Reply.OK, b"\0" + told + told + bytes(4))
            else:
                answer = self._plain.get(Command(command), self._ok)
            client.sendall(answer.head(number) + answer.data)

    def _send_piece(self, client: socket.socket, source: int, offset: int, size: int, number: int) -> None:
        key = source, offset, size
        if key not in self._pieces:
            piece = bytes(self._blobs[Command(source)][offset : offset + size])
            self._pieces[key] = Prebuilt(Reply.PREPARE_DATA, _WINDOW.pack(size, 0x1000)), Prebuilt(Reply.DATA, piece)
        first, second = self._pieces[key]
        client.sendall(first.head(number) + first.data)
        if self._pause:
            # The Node clients drop what comes together with something else.
            time.sleep(self._pause)
            client.sendall(second.head(number) + second.data)
            time.sleep(self._pause)
            client.sendall(self._ok.head(number))
        else:
            client.sendmsg([second.head(number), second.data, self._ok.head(number)])


@contextmanager
def replaying(attlog: bytes, users: bytes, counts: Capacity, pause: float = 0.0) -> Iterator[int]:
    """A replaying terminal in a process of its own; its port."""
    ours, theirs = multiprocessing.Pipe()
    make = multiprocessing.get_context("spawn").Process
    process = make(target=_serve, args=(theirs, attlog, users, counts, pause), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join(5)


def _serve(told: Connection, attlog: bytes, users: bytes, counts: Capacity, pause: float) -> None:
    replay = Replay(attlog, users, counts, pause)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told.send(listener.getsockname()[1])
        while True:
            client, _ = listener.accept()
            threading.Thread(target=replay.serve, args=(client,), daemon=True).start()
