"""The real client and the simulated terminal, on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from biometric_flow.zk.simulator.terminal import SimulatedTerminal

Start = Callable[..., Awaitable[SimulatedTerminal]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulated terminals that end with the test."""
    running: list[SimulatedTerminal] = []

    async def begin(**given: object) -> SimulatedTerminal:
        terminal = SimulatedTerminal(**{"pause": 0.0, **given})  # type: ignore[arg-type]
        await terminal.power_on()
        running.append(terminal)
        return terminal

    yield begin
    for terminal in running:
        await terminal.stop()
