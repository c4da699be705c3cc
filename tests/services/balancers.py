"""A small load balancer for tests: TCP, in turn, to those instances that say that they are ready."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from itertools import count

import httpx2

LOOK_SECONDS = 0.05


class Balancer:
    """One address for several instances."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports, self._turn = ports, count()
        self.ready: set[int] = set()
        self.url = ""
        self._carried: set[asyncio.StreamWriter] = set()

    async def look(self) -> None:
        """Until cancelled: ask each whether it is ready, as load balancers do."""
        async with httpx2.AsyncClient(timeout=2, limits=httpx2.Limits(max_keepalive_connections=0)) as http:
            while True:
                for port in self._ports:
                    is_ready = False
                    with contextlib.suppress(httpx2.HTTPError):
                        is_ready = (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 204
                    (self.ready.add if is_ready else self.ready.discard)(port)
                await asyncio.sleep(LOOK_SECONDS)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to whoever's turn it is."""
        with contextlib.suppress(OSError):
            ready = sorted(self.ready)
            if ready:
                far_reader, far_writer = await asyncio.open_connection(
                    "127.0.0.1", ready[next(self._turn) % len(ready)]
                )
                self._carried |= {writer, far_writer}
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
                self._carried -= {writer, far_writer}
        writer.close()

    def cut(self) -> None:
        """End all connections."""
        for writer in self._carried:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def balanced(ports: Sequence[int]) -> AsyncIterator[Balancer]:
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.carry, "127.0.0.1", 0)
    balancer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    looking = asyncio.create_task(balancer.look())
    try:
        yield balancer
    finally:
        looking.cancel()
        server.close()
        balancer.cut()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
