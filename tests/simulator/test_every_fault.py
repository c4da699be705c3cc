"""Every operation under every fault, over TCP and UDP: it is done, or an error says so, and nobody stays locked."""

import asyncio
import contextlib

import pytest

from biometric_flow.zk.errors import TerminalTimedOut, ZkError
from biometric_flow.zk.simulator.faults import FaultKind
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import Terminal, open_terminal
from tests.simulator import operations
from tests.simulator.conftest import Start

SECONDS, DEADLINE = 0.4, 1.5
FAULTS: list[tuple[str, dict[str, object]]] = [
    ("fragment", {"value": 1}),
    ("fragment", {"value": 7}),
    ("coalesce", {}),
    ("events", {}),
    ("stale", {}),
    ("checksum", {"times": 1}),
    ("checksum", {}),
    ("session", {"times": 1}),
    ("garbage", {}),
    ("panel", {}),
    ("drop", {"value": 100}),
    ("hang_up", {"value": 1, "times": 1}),
    ("hang_up", {"value": 17}),
    ("pieces", {"value": 100}),
    ("short", {}),
    ("oversend", {}),
    ("no_buffer", {}),
    ("no_pieces", {}),
    ("lie", {"value": "zero"}),
    ("lie", {"value": "negative"}),
    ("lie", {"value": "huge"}),
    ("lie", {"value": "inner"}),
    ("lie", {"value": "short"}),
    ("lie", {"value": "long"}),
    ("lose", {"value": 5}),
    ("twice", {}),
    ("forget", {}),
    ("silent", {"times": 1}),
    ("silent", {}),
    ("trickle", {"seconds": 0.05}),
    ("slow", {"seconds": 0.002}),
    ("count", {"value": 0}),
]
CASES = [
    (profile, transport, operation, kind, how)
    for profile in PROFILES
    for transport in ("tcp", "udp")
    for operation in operations.ALL
    for kind, how in FAULTS
]


ASKED: dict[str, set[str]] = {
    "any TCP segmentation": {"fragment", "pieces"},
    "coalesced frames": {"coalesce"},
    "events inside and before replies": {"events"},
    "stale replies": {"stale"},
    "wrong checksum": {"checksum"},
    "foreign session": {"session"},
    "lying sizes": {"lie"},
    "mid-transfer close": {"drop", "hang_up"},
    "tarpit": {"silent", "slow", "trickle"},
    "oversend": {"oversend"},
    "datagrams lost and doubled": {"lose", "twice"},
    "writes that are not kept": {"forget"},
}


def test_the_table_has_every_fault_that_was_asked_for() -> None:
    kinds = {kind for kind, _ in FAULTS}
    assert all(asked <= kinds for asked in ASKED.values())
    lies = {how["value"] for kind, how in FAULTS if kind == "lie"}
    assert lies >= {"zero", "negative", "huge"}
    at_once = {FaultKind.CUT, FaultKind.REFUSE, FaultKind.OFF, FaultKind.ON, FaultKind.PULL_REFUSED}
    assert kinds >= set(FaultKind) - at_once, "a fault of the simulator is not tried"


def covering() -> list[tuple[str, str, str, str, dict[str, object]]]:
    """Each operation meets each fault, each pair at another family; the transports take turns."""
    profiles = list(PROFILES)
    return [
        (
            profiles[(place + turn) % len(profiles)],
            ("tcp", "udp")[(place + turn // len(profiles)) % 2],
            operation,
            kind,
            how,
        )
        for place, operation in enumerate(operations.ALL)
        for turn, (kind, how) in enumerate(FAULTS)
    ]


async def done_or_named(
    start: Start, profile: str, transport: str, operation: str, kind: str, how: dict[str, object]
) -> None:
    sim = operations.furnish(await start(profile=profile, transports=(transport,), **operations.GIVEN))
    async with contextlib.AsyncExitStack() as stack:
        terminal = await connected(stack, sim, transport)
        await sim.fault(kind, **how)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(DEADLINE):
                await operations.ALL[operation](terminal, sim)
        except ZkError as error:
            named = str(error)
            assert "expected" in named, named
        except TimeoutError:
            assert not terminal.is_open, "our own deadline closes the connection"
        except AssertionError:
            # What cannot be read back is believed; and a lost answer leaves open whether the write was done.
            assert kind in ("forget", "count", "lose", "silent", "slow"), kind
        sim.faults.clear()
        if terminal.is_open and operation != "housekeeping":  # which locks it on purpose
            assert not sim.is_held, "people can punch again"
    if transport == "tcp":
        async with asyncio.timeout(60):
            while sim.connections:
                await asyncio.sleep(0.005)


async def connected(stack: contextlib.AsyncExitStack, sim: SimulatedTerminal, transport: str) -> Terminal:
    """A connection made before anything is wrong; on a busy machine the short deadline may need more than one try."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(TerminalTimedOut):
                opening = open_terminal(sim.host, sim.port, timeout=SECONDS, transport=transport)
                return await stack.enter_async_context(opening)


@pytest.mark.parametrize("operation", operations.ALL)
async def test_an_operation_is_done_or_refused_by_name(
    start: Start, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    hurry(monkeypatch)
    cases = [case for case in covering() if case[2] == operation]
    await asyncio.gather(*(done_or_named(start, *case) for case in cases))


@pytest.mark.drill
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("operation", operations.ALL)
async def test_every_operation_at_every_family_under_every_fault(
    start: Start, monkeypatch: pytest.MonkeyPatch, profile: str, transport: str, operation: str
) -> None:
    hurry(monkeypatch)
    for kind, how in FAULTS:
        await done_or_named(start, profile, transport, operation, kind, how)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that are minutes at a real terminal."""
    monkeypatch.setattr("biometric_flow.zk.channel.RESEND_SECONDS", 0.1)
