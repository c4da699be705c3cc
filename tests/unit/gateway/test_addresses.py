"""Whose address a request comes from."""

import pytest

from biometric_flow.gateway.traffic.addresses import client_address, networks

PROXIES = networks(["10.0.0.0/8", "2001:db8::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", ["192.0.2.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["8.8.8.8, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["8.8.8.8", "192.0.2.1, 10.1.1.1"], "192.0.2.1"),
        ("2001:db8::1", ["2001:DB8:0::7"], "2001:db8::7"),
        ("10.0.0.1", ["192.0.2.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["", "10.2.2.2"], "10.2.2.2"),
        ("", ["192.0.2.1"], ""),
    ],
)
def test_only_what_a_trusted_proxy_wrote_counts(peer: str, forwarded: list[str], address: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == address


def test_without_configured_proxies_a_header_says_nothing() -> None:
    assert client_address("127.0.0.1", ["192.0.2.1"], ()) == "127.0.0.1"


def test_a_header_of_a_thousand_proxies_ends() -> None:
    assert client_address("10.0.0.1", [", ".join(["10.9.9.9"] * 1000)], PROXIES) == "10.9.9.9"
