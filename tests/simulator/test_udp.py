"""UDP: the same operations, with datagrams that get lost, double and cannot be trusted to keep their order."""

import asyncio

import pytest

from biometric_flow.zk.errors import (
    CorruptFrame,
    ProtocolViolation,
    TerminalTimedOut,
    TerminalUnreachable,
    TransferIncomplete,
    ZkError,
)
from biometric_flow.zk.terminal import Transport, open_terminal
from biometric_flow.zk.wire.events import AttendanceEvent
from tests.simulator import operations
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

UDP = {"transports": ("udp",)}


@pytest.mark.parametrize("profile", ["tft", "zk6-8"])
@pytest.mark.parametrize("operation", operations.ALL)
async def test_an_operation_does_over_udp_what_it_does_over_tcp(start: Start, profile: str, operation: str) -> None:
    sim = operations.furnish(await start(profile=profile, **operations.GIVEN, **UDP))
    async with open_terminal(sim.host, sim.port, timeout=5, transport="udp") as terminal:
        await operations.ALL[operation](terminal, sim)
        assert not sim.is_held
        await terminal.time()


async def test_a_terminal_that_refuses_tcp_is_reached_over_udp(start: Start) -> None:
    old, new = await start(**UDP), await start(transports=("tcp", "udp"))
    async with open_terminal(old.host, old.port) as terminal:
        assert terminal.transport == Transport.UDP
        await terminal.info()
    async with open_terminal(new.host, new.port) as terminal:
        assert terminal.transport == Transport.TCP


@pytest.mark.parametrize("transport", ["udp", "auto"])
async def test_nobody_at_the_address_is_named_over_udp_too(start: Start, transport: str) -> None:
    sim = await start(transports=("tcp", "udp"))
    await sim.power_off()
    with pytest.raises((TerminalUnreachable, ZkError), match="expected") as caught:
        async with open_terminal(sim.host, sim.port, timeout=0.5, transport=transport):
            pass
    assert caught.value.retryable
    assert transport == "udp" or isinstance(caught.value, TerminalUnreachable)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("lose", {"value": 17}),
        ("twice", {}),
        ("events", {}),
        ("stale", {}),
        ("no_buffer", {}),
        ("checksum", {"times": 1}),
        ("short", {"times": 2}),
        ("count", {"value": 0}),
        ("slow", {"seconds": 0.001}),
    ],
)
async def test_the_log_is_exact_over_udp_in_spite_of(
    start: Start, monkeypatch: pytest.MonkeyPatch, kind: str, how: dict[str, object]
) -> None:
    monkeypatch.setattr("biometric_flow.zk.channel.RESEND_SECONDS", 0.05)
    sim = await start(profile="zk6", users=people(), punches=punches(2_000), **UDP)
    async with open_terminal(sim.host, sim.port, timeout=5, transport="udp") as terminal:
        await sim.fault(kind, **how)  # type: ignore[arg-type]
        try:
            log = await terminal.attendance(deadline=20)
        except CorruptFrame:
            log = await terminal.attendance(deadline=20)
        assert [(r.user_id, r.time) for r in log.records] == [(p.pin, p.time) for p in sim.truth()]


@pytest.mark.parametrize(
    ("kind", "how", "error"),
    [
        ("silent", {}, TerminalTimedOut),
        ("lose", {"value": 1}, TerminalTimedOut),
        ("session", {}, ProtocolViolation),
        ("garbage", {}, ZkError),
        ("checksum", {}, CorruptFrame),
        ("short", {}, TransferIncomplete),
        ("lie", {"value": "huge"}, ProtocolViolation),
        ("lie", {"value": "inner"}, TransferIncomplete),
    ],
)
async def test_the_log_is_refused_by_name_over_udp_after(
    start: Start, kind: str, how: dict[str, object], error: type[ZkError]
) -> None:
    sim = await start(users=people(), punches=punches(2_000), **UDP)
    async with open_terminal(sim.host, sim.port, timeout=1.5, transport="udp") as terminal:
        await sim.fault(kind, **how)  # type: ignore[arg-type]
        with pytest.raises(error):
            await terminal.attendance(deadline=1.5)


async def test_a_lost_request_is_asked_again_and_answered_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biometric_flow.zk.channel.RESEND_SECONDS", 0.05)
    sim = await start(**UDP)
    async with open_terminal(sim.host, sim.port, timeout=5, transport="udp") as terminal:
        await sim.fault("silent", times=2)
        assert (await terminal.info()).serial == sim.memory.serial
        await sim.fault("slow", seconds=0.12, times=1)
        for _ in range(5):
            assert (await terminal.capacity()).users == 0
        assert terminal.oddities.stale_replies > 0


async def test_a_door_is_asked_once_and_a_lost_answer_says_that_nobody_knows(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biometric_flow.zk.channel.RESEND_SECONDS", 0.05)
    sim = await start(**UDP)
    async with open_terminal(sim.host, sim.port, timeout=5, transport="udp") as terminal:
        await sim.fault("slow", seconds=0.4, times=1)
        await terminal.unlock(2.5)
        assert sim.memory.extras.unlocked_for == [25]
    async with open_terminal(sim.host, sim.port, timeout=1, transport="udp") as terminal:
        await sim.fault("silent")
        with pytest.raises(TerminalTimedOut, match="whether the door was opened is not known"):
            await terminal.unlock(2.5)
    assert len(sim.memory.extras.unlocked_for) <= 2


async def test_a_punch_arrives_live_over_udp(start: Start) -> None:
    sim = await start(users=people(), comm_key=77, **UDP)
    async with open_terminal(sim.host, sim.port, comm_key=77, transport="udp") as terminal:
        await terminal.listen()
        await sim.punch("107", state=1)
        event = await terminal.next_event(5)
    assert isinstance(event, AttendanceEvent)
    assert event.user_id == "107"


async def test_clients_that_never_say_goodbye_are_bounded(start: Start) -> None:
    sim = await start(**UDP)
    loop = asyncio.get_running_loop()
    sockets = [
        (await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(sim.host, sim.port)))[0]
        for _ in range(100)
    ]
    for socket in sockets:
        socket.sendto(bytes.fromhex("e80317fc00000000"))
    async with asyncio.timeout(5):
        while sim.connections < 64:
            await asyncio.sleep(0.01)
    assert sim.connections == 64
    for socket in sockets:
        socket.close()


async def test_noise_over_udp_ends_only_its_own_conversation(start: Start) -> None:
    sim = await start(punches=punches(50), **UDP)
    async with open_terminal(sim.host, sim.port, transport="udp") as witness:
        noisy, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(sim.host, sim.port)
        )
        for size in (1, 7, 8, 9, 600):
            noisy.sendto(b"\xff" * size)
        noisy.close()
        assert len((await witness.attendance()).records) == 50
