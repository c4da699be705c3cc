"""The UDP side of a simulated terminal: one socket, one pipe for each client address."""

import asyncio
from collections.abc import Callable
from typing import Any

from biometric_flow.zk.pipe import DatagramPipe

Address = tuple[Any, ...]


class DatagramDesk(asyncio.DatagramProtocol):
    """Sorts datagrams by sender. A new sender is handed to `welcome`, which aborts the pipe or serves it."""

    def __init__(self, welcome: Callable[[DatagramPipe], None]) -> None:
        self.port = 0
        self._welcome = welcome
        self._pipes: dict[Address, DatagramPipe] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def close(self) -> None:
        """Hear nobody any more."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """asyncio's."""
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Address) -> None:
        """asyncio's."""
        pipe = self._pipes.get(address)
        if pipe is None:
            transport = self._transport
            assert transport is not None
            pipe = self._pipes[address] = DatagramPipe(
                lambda data: transport.sendto(data, address), lambda: self._forget(address)
            )
            self._welcome(pipe)
        pipe.feed(data)

    def _forget(self, address: Address) -> None:
        self._pipes.pop(address, None)


async def open_desk(host: str, port: int, welcome: Callable[[DatagramPipe], None]) -> DatagramDesk:
    """Listen for datagrams; port 0 takes a free one. Raises OSError."""
    _, desk = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: DatagramDesk(welcome), local_addr=(host, port)
    )
    return desk
