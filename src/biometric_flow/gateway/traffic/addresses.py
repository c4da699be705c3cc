"""Whose address a request comes from: the peer's, or what configured proxies say of it (security-design A8). Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
MAX_HOPS: Final = 20


def networks(given: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks in their usual writing, such as `10.0.0.0/8`. Raises ValueError."""
    return tuple(ip_network(one.strip()) for one in given if one.strip())


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address to count a request by.

    `forwarded` are the values of all X-Forwarded-For headers in their order. They say nothing unless the peer is a
    trusted proxy; then the rightmost hop that is none is whom it speaks for. What is no address ends the search: what
    stands to the left of it was written by a stranger.
    """
    address = peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")][-MAX_HOPS:]
    while hops and _is_trusted(address, trusted):
        hop = hops.pop()
        try:
            address = str(ip_address(hop))
        except ValueError:
            break
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    if not trusted:
        return False
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == network.version and found in network for network in trusted)
