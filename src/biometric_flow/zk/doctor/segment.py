"""Which network a terminal is on, as far as this machine can see (security-design D6); the reading apart, pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path
from typing import Final

from biometric_flow.zk.doctor.report import Finding, note, ok, warning

ROUTES: Final = Path("/proc/net/route")
"""Where Linux tells its routes; other systems are not looked at."""

_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the routing table."""

    interface: str
    network: IPv4Network
    gateway: IPv4Address | None
    """None: the network is right there."""


def read_routes(table: str) -> list[Route]:
    """The routes of a table as Linux writes it; lines that are none are left out."""
    routes = []
    for line in table.splitlines()[1:]:
        cells = line.split()
        try:
            interface, destination, gateway, mask = cells[0], *(_address(cells[place]) for place in (1, 2, 7))
            network = IPv4Network((int(destination), IPv4Address(mask).exploded))
        except (IndexError, ValueError):
            continue
        routes.append(Route(interface, network, gateway if int(gateway) else None))
    return routes


def segment(host: str, routes: Sequence[Route]) -> Iterator[Finding]:
    """Whether a terminal's network is its own. Says nothing of names, of IPv6, and of this machine itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return
    ways = [route for route in routes if address in route.network]
    if not ways or not isinstance(address, IPv4Address) or address.is_loopback:
        return
    way = max(ways, key=lambda route: route.network.prefixlen)
    if way.gateway is not None:
        yield note(
            "network.routed",
            f"{host} is reached through the router {way.gateway}: its plain text passes networks between; "
            "see that the router lets only the place through to the terminals",
        )
    elif any(route.network.prefixlen == 0 and route.interface == way.interface for route in routes):
        yield warning(
            "network.shared",
            f"{host} is on {way.network}, which is also this machine's way to everything else ({way.interface}): "
            "whoever is on that network can listen and talk to the terminal; give terminals a network of their own",
        )
    else:
        yield ok("network.own", f"{host} is on {way.network}, which leads this machine nowhere else ({way.interface})")


def routes_of_this_machine(table: Path = ROUTES) -> list[Route]:
    """Its routes, none where they are not told."""
    try:
        with table.open(encoding="ascii", errors="replace") as file:
            return read_routes(file.read(_BYTES_MAX))
    except OSError:
        return []


def _address(hexadecimal: str) -> IPv4Address:
    return IPv4Address(int(hexadecimal, 16).to_bytes(4, "little"))
