"""Finding terminals on a network: bounded in rate, in concurrency and in time, and never outside the range."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from biometric_flow.zk.channel import Channel
from biometric_flow.zk.errors import (
    NotATerminal,
    PullRefused,
    TerminalRefused,
    TerminalTimedOut,
    TerminalUnauthorised,
    TerminalUnreachable,
    ZkError,
)
from biometric_flow.zk.sign_in import sign_in
from biometric_flow.zk.terminal import DEFAULT_PORT, Terminal, TerminalInfo, Transport

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

RATE: Final = 200.0
"""Connections begun a second, unless told; a busy office switch does not notice them."""
RATE_MAX: Final = 1000.0
CONCURRENCY: Final = 128
"""Connections at a time."""
PROBE_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 900.0
"""Enough for the largest network at the usual rate when nobody answers."""
ADDRESSES_MAX: Final = 65_536
"""A /16 of IPv4, a /112 of IPv6."""

_THIS_HOST: Final = ipaddress.IPv4Network("0.0.0.0/8")
"""Connecting there ends at our own machine, which is outside the range."""


class Kind(StrEnum):
    """What answers at an address."""

    TERMINAL = "terminal"
    LOCKED = "locked"
    """A terminal that wants another comm key."""
    PUSH_ONLY = "push-only"
    """A terminal whose firmware refuses to be read (6001)."""
    PANEL = "panel"
    """A C3/inBio access panel."""
    SILENT = "silent"
    """The port is open and nobody answers: perhaps a terminal that another client holds."""
    OTHER = "other"


_NOBODY_OVER_UDP: Final = (Kind.SILENT, Kind.OTHER)
"""Datagrams always leave; only an answer of the protocol says that somebody is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that answers on the port of terminals."""

    host: str
    kind: Kind
    transport: Transport = Transport.TCP
    info: TerminalInfo | None = None
    """Only of a terminal that let us in."""
    asked_for_comm_key: bool = False
    problem: str = ""
    """Why there is no `info`, in a sentence. May hold text from outside: escape it where it is shown."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a search has found, in order of address."""

    found: tuple[Found, ...]
    addresses: int
    """How many the network has."""
    asked: int
    """How many were tried; fewer when the deadline passed."""

    @property
    def is_complete(self) -> bool:
        """Whether every address was tried."""
        return self.asked == self.addresses


def network_of(text: str) -> Network:
    """The network written as CIDR, or one address. Raises ValueError for one that must not be searched."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"expected a network such as 192.168.1.0/24, got {text[:64]!r}") from None
    written = text.partition("/")[0]
    if "/" in text and ipaddress.ip_address(written) != network.network_address:
        raise ValueError(f"expected the first address of a network, got {text[:64]}; the network is {network}")
    if network.num_addresses > ADDRESSES_MAX:
        raise ValueError(
            f"expected at most {ADDRESSES_MAX} addresses (/16, or /112 of IPv6), {network} has "
            f"{network.num_addresses}; search its parts one after the other"
        )
    if _is_elsewhere(network):
        raise ValueError(f"expected a network of single machines, {network} is none; name the network of the terminals")
    return network


async def discover(
    network: str,
    *,
    port: int = DEFAULT_PORT,
    comm_key: int = 0,
    transport: Transport | str = Transport.AUTO,
    rate: float = RATE,
    concurrency: int = CONCURRENCY,
    timeout: float = PROBE_SECONDS,  # noqa: ASYNC109 - the deadline of connecting, and of each question after it
    deadline: float = DEADLINE_SECONDS,
    progress: Callable[[int, int], None] | None = None,
) -> Discovery:
    """Ask every address of `network` who it is, at most `rate` a second; what is found by `deadline` is the answer.

    `transport` is as in `open_terminal`. Nothing is written to a terminal. `progress` hears how many of how many
    addresses were tried. Raises ValueError for arguments that cannot be right, before anything is sent.
    """
    where = network_of(network)
    if not (0 < rate <= RATE_MAX and 1 <= concurrency <= 1024 and 1 <= port <= 65_535 and timeout > 0 and deadline > 0):
        raise ValueError(f"expected a rate up to {RATE_MAX:g} a second, a port up to 65535 and times above 0")
    search = _Search(port, comm_key, Transport(transport), timeout, len(list(_hosts(where))), progress)
    try:
        async with asyncio.timeout(deadline):
            await search.run(_hosts(where), rate, concurrency)
    except TimeoutError:
        pass  # the answer says that it is not complete
    found = sorted(search.found, key=lambda one: ipaddress.ip_address(one.host).packed)
    return Discovery(tuple(found), search.addresses, search.asked)


def _hosts(network: Network) -> Iterator[str]:
    return map(str, network.hosts())


def _is_elsewhere(network: Network) -> bool:
    """Whether packets to this network end somewhere else, or at many machines at once."""
    if isinstance(network, ipaddress.IPv4Network):
        return network.overlaps(_THIS_HOST) or network.is_multicast or network.is_reserved
    return network.is_multicast or network.is_unspecified or network[0].ipv4_mapped is not None


class _Search:
    """One search that is going on."""

    def __init__(
        self,
        port: int,
        comm_key: int,
        transport: Transport,
        seconds: float,
        addresses: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.found: list[Found] = []
        self.asked = 0
        self.addresses = addresses
        self._port = port
        self._comm_key = comm_key
        self._transport = transport
        self._seconds = seconds
        self._progress = progress

    async def run(self, hosts: Iterator[str], rate: float, concurrency: int) -> None:
        free = asyncio.Semaphore(concurrency)
        async with asyncio.TaskGroup() as group:
            for host in hosts:
                await free.acquire()
                group.create_task(self._probe(host)).add_done_callback(lambda _: free.release())
                await asyncio.sleep(1 / rate)

    async def _probe(self, host: str) -> None:
        found = await self._who(host)
        if found:
            self.found.append(found)
        self.asked += 1
        if self._progress:
            self._progress(self.asked, self.addresses)

    async def _who(self, host: str) -> Found | None:
        if self._transport == Transport.UDP:
            return await self._over_udp(host)
        try:
            async with asyncio.timeout(self._seconds):
                channel = await Channel.open(host, self._port, "utf-8")
        except TimeoutError:
            return None
        except TerminalUnreachable as why:
            is_refused = isinstance(why.__cause__, ConnectionRefusedError)
            return await self._over_udp(host) if is_refused and self._transport == Transport.AUTO else None
        return await self._talk(channel, host, Transport.TCP)

    async def _over_udp(self, host: str) -> Found | None:
        try:
            channel = await Channel.open(host, self._port, "utf-8", is_stream=False)
        except TerminalUnreachable:
            return None
        found = await self._talk(channel, host, Transport.UDP)
        return None if found.kind in _NOBODY_OVER_UDP else found

    async def _talk(self, channel: Channel, host: str, over: Transport) -> Found:
        terminal = Terminal(channel, self._seconds, "utf-8")
        try:
            async with asyncio.timeout(self._seconds):
                asked = await sign_in(channel, self._comm_key)
            return Found(host, Kind.TERMINAL, over, await terminal.info(), asked)
        except TimeoutError:
            return Found(host, Kind.SILENT, over, problem=f"it is reached and said nothing for {self._seconds:g} s")
        except ZkError as problem:
            return Found(host, _kind(problem), over, problem=str(problem))
        finally:
            await terminal.close()


def _kind(problem: ZkError) -> Kind:
    match problem:
        case TerminalUnauthorised():
            return Kind.LOCKED
        case PullRefused():
            return Kind.PUSH_ONLY
        case NotATerminal():
            return Kind.PANEL
        case TerminalTimedOut():
            return Kind.SILENT
        case TerminalRefused():
            return Kind.TERMINAL
    return Kind.OTHER
