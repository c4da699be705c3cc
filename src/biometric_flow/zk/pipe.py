"""What carries payloads between a client and a terminal: a TCP stream, or UDP datagrams (zk-protocol 1)."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

READ_SIZE: Final = 256 * 1024
HELD_MAX: Final = 1024 * 1024
"""Bytes of datagrams that wait at most; what comes beyond is lost, as on any network."""

_CLOSE_SECONDS: Final = 1.0


class Pipe(Protocol):
    """Bytes both ways. `write` takes whole frames of a stream, or one datagram each."""

    is_stream: bool

    async def read(self) -> bytes:
        """What came: some bytes of a stream, or one datagram; empty at the end. Raises OSError."""
        ...

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    async def drain(self) -> None:
        """Wait until the network has taken what was written. Raises OSError."""
        ...

    @property
    def waiting(self) -> int:
        """Bytes that the network has not taken yet."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    async def close(self) -> None:
        """Close, and wait a moment until it is done."""
        ...


class StreamPipe:
    """A TCP connection."""

    is_stream = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Some bytes."""
        return await self._reader.read(READ_SIZE)

    def write(self, data: bytes) -> None:
        """Send frames."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait for the network."""
        await self._writer.drain()

    @property
    def waiting(self) -> int:
        """Bytes not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close in order, for a second at most."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()
        self._writer.transport.abort()


class DatagramPipe:
    """One peer behind a UDP socket."""

    is_stream = False

    def __init__(self, send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._send = send
        self._end = end
        self._held: deque[bytes] = deque()
        self._size = 0
        self._came = asyncio.Event()
        self._problem: OSError | None = None
        self._is_over = False

    def feed(self, datagram: bytes) -> None:
        """A datagram came from this peer; an empty one means nothing."""
        if datagram and self._size + len(datagram) <= HELD_MAX:
            self._held.append(datagram)
            self._size += len(datagram)
            self._came.set()

    def fail(self, problem: OSError | None) -> None:
        """The socket reports a problem, such as that nobody listens there; None: it is closed."""
        self._problem = problem
        self._is_over = True
        self._came.set()

    async def read(self) -> bytes:
        """One datagram."""
        while not self._held:
            if self._problem:
                raise self._problem
            if self._is_over:
                return b""
            self._came.clear()
            await self._came.wait()
        datagram = self._held.popleft()
        self._size -= len(datagram)
        return datagram

    def write(self, data: bytes) -> None:
        """Send one datagram."""
        if not self._is_over:
            self._send(data)

    async def drain(self) -> None:
        """Datagrams do not wait."""

    @property
    def waiting(self) -> int:
        """Nothing ever waits."""
        return 0

    def abort(self) -> None:
        """Forget the peer."""
        if not self._is_over:
            self.fail(None)
            self._end()

    async def close(self) -> None:
        """Forget the peer."""
        self.abort()


class _ClientProtocol(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.pipe: DatagramPipe | None = None

    def datagram_received(self, data: bytes, _address: tuple[Any, ...]) -> None:
        if self.pipe:
            self.pipe.feed(data)

    def error_received(self, problem: Exception) -> None:
        if self.pipe and isinstance(problem, OSError):
            self.pipe.fail(problem)

    def connection_lost(self, _problem: Exception | None) -> None:
        if self.pipe:
            self.pipe.fail(None)


async def open_stream(host: str, port: int) -> Pipe:
    """A TCP connection. Raises OSError; UnicodeError for a host name that cannot be one."""
    return StreamPipe(*await asyncio.open_connection(host, port, limit=READ_SIZE))


async def open_datagrams(host: str, port: int) -> Pipe:
    """A UDP socket that hears one peer only. Nobody is asked yet. Raises OSError, UnicodeError."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        _ClientProtocol, remote_addr=(host, port)
    )
    protocol.pipe = DatagramPipe(transport.sendto, transport.close)
    return protocol.pipe
