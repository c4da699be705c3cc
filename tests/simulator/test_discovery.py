"""Searching a network: exactly who is there, and nothing outside of the range."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import pytest

from biometric_flow.zk import discovery
from biometric_flow.zk.channel import Channel
from biometric_flow.zk.discovery import Kind, discover, network_of
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import Transport

NET = f"127.{os.getpid() % 240 + 10}.{os.getpid() // 240 % 16 * 16}"
"""Loopback addresses of our own: other tests run beside this one."""

Start = Callable[..., Awaitable[SimulatedTerminal]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((f"{NET}.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_exactly_the_terminals_of_the_range_are_found_and_nobody_outside_is_asked(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    for last in (3, 9, 14):
        await start(host=f"{NET}.{last}", port=port, serial=f"NET{last:04}", profile="vl49")
    outside = await start(host=f"{NET}.16", port=port)
    asked: list[str] = []
    connect = Channel.open

    async def watched(host: str, *more: object, **named: object) -> Channel:
        asked.append(host)
        return await connect(host, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(discovery.Channel, "open", watched)
    seen: list[tuple[int, int]] = []
    result = await discover(f"{NET}.0/28", port=port, rate=1000, progress=lambda done, of: seen.append((done, of)))
    assert [(one.host, one.kind, one.info.serial if one.info else "") for one in result.found] == [
        (f"{NET}.3", Kind.TERMINAL, "NET0003"),
        (f"{NET}.9", Kind.TERMINAL, "NET0009"),
        (f"{NET}.14", Kind.TERMINAL, "NET0014"),
    ]
    assert sorted(set(asked)) == sorted(f"{NET}.{last}" for last in range(1, 15))
    assert outside.connections == 0
    assert result.is_complete
    assert seen[-1] == (14, 14)


async def test_what_cannot_be_read_is_named(start: Start) -> None:
    port = free_port()
    await start(host=f"{NET}.1", port=port, comm_key=4711)
    for last, fault in ((2, "pull_refused"), (3, "panel"), (4, "silent"), (5, "garbage")):
        await (await start(host=f"{NET}.{last}", port=port)).fault(fault)
    result = await discover(f"{NET}.0/29", port=port, rate=1000, timeout=2)
    assert {one.host[-1]: one.kind for one in result.found} == {
        "1": Kind.LOCKED,
        "2": Kind.PUSH_ONLY,
        "3": Kind.PANEL,
        "4": Kind.SILENT,
        "5": Kind.OTHER,
    }
    assert all(one.problem for one in result.found)


async def test_a_terminal_that_knows_only_udp_is_found_and_a_machine_that_is_none_is_not(start: Start) -> None:
    old = await start(host=f"{NET}.2", profile="zk6", serial="OLD-0002", transports=("udp",))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind((f"{NET}.3", old.port))
        result = await discover(f"{NET}.0/29", port=old.port, rate=1000, timeout=2)
    assert [(one.host, one.transport, one.info and one.info.serial) for one in result.found] == [
        (f"{NET}.2", Transport.UDP, "OLD-0002")
    ]
    assert not (await discover(f"{NET}.2", port=old.port, transport="tcp")).found


async def test_the_right_comm_key_opens(start: Start) -> None:
    terminal = await start(host=f"{NET}.1", comm_key=4711)
    (found,) = (await discover(f"{NET}.1", port=terminal.port, comm_key=4711)).found
    assert (found.kind, found.asked_for_comm_key) == (Kind.TERMINAL, True)


async def test_no_more_than_so_many_at_a_time(start: Start) -> None:
    port = free_port()
    terminals = [await start(host=f"{NET}.{last}", port=port) for last in range(1, 7)]
    for terminal in terminals:
        await terminal.fault("silent")
    searching = asyncio.create_task(discover(f"{NET}.0/29", port=port, rate=1000, concurrency=2, timeout=0.2))
    most = 0
    while not searching.done():
        most = max(most, sum(terminal.connections for terminal in terminals))
        await asyncio.sleep(0.01)
    assert most == 2
    assert len(searching.result().found) == 6


async def test_the_deadline_ends_a_search_with_what_is_known_by_then(start: Start) -> None:
    terminal = await start(host=f"{NET}.1")
    result = await discover(f"{NET}.0/20", port=terminal.port, rate=100, deadline=0.3)
    assert [one.host for one in result.found] == [f"{NET}.1"]
    assert not result.is_complete
    assert 1 <= result.asked <= 31


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.0/15", "at most 65536 addresses"),
        ("2001:db8::/111", "at most 65536 addresses"),
        ("192.168.1.7/24", "the network is 192.168.1.0/24"),
        ("terminals.example", "expected a network such as"),
        ("10.0.0.0/33", "expected a network such as"),
        ("0.0.0.0/28", "single machines"),
        ("224.0.0.0/28", "single machines"),
        ("::ffff:10.0.0.0/120", "single machines"),
    ],
)
def test_a_network_that_must_not_be_searched_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        network_of(text)


def test_the_largest_networks_and_single_addresses_are_taken() -> None:
    assert network_of("10.0.0.0/16").num_addresses == 65_536
    assert network_of("2001:db8::/112").num_addresses == 65_536
    assert [str(host) for host in network_of("192.0.2.9").hosts()] == ["192.0.2.9"]
