"""What the routing table says about a terminal's network."""

import pytest

from biometric_flow.zk.doctor.report import Severity
from biometric_flow.zk.doctor.segment import read_routes, segment

TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0002A8C0\t020200C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
torn line
eth9\tzz\t00\t0\t0\t0\t0\t00\t0\t0\t0
"""


@pytest.mark.parametrize(
    ("host", "code", "severity"),
    [
        ("192.168.1.201", "network.own", Severity.OK),
        ("192.0.2.7", "network.shared", Severity.WARNING),
        ("192.168.2.201", "network.routed", Severity.NOTE),
        ("203.0.113.9", "network.routed", Severity.NOTE),
    ],
)
def test_a_network_is_judged_by_the_narrowest_route(host: str, code: str, severity: Severity) -> None:
    (finding,) = segment(host, read_routes(TABLE))
    assert (finding.code, finding.severity) == (code, severity)
    assert host in finding.text


@pytest.mark.parametrize("host", ["127.0.0.1", "gate.example", "2001:db8::1", ""])
def test_nothing_is_said_where_nothing_can_be_seen(host: str) -> None:
    assert list(segment(host, read_routes(TABLE))) == []


def test_a_machine_that_does_not_tell_its_routes_says_nothing() -> None:
    assert list(segment("192.168.1.201", read_routes(""))) == []
