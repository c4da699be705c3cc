"""kill -9 of any process of the tree, at any moment, under load: no punch lost, none doubled."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from biometric_flow.supervisor.demo import PLACES, TENANT
from biometric_flow.supervisor.ports import Ports
from tests.services.demos import (
    TERMINALS,
    Demo,
    all_punches,
    control,
    eventually,
    free_ports,
    running_demo,
    signed_in,
    truth,
)
from tests.services.stores import subjects_of

SERIALS = {terminal.key: terminal.serial for place in PLACES for terminal in place.terminals}
SUPERVISOR = "supervisor"


async def test_one_kill_of_each_kind_loses_and_doubles_nothing(passable: Path) -> None:
    one_of_each = [
        "simulate DAC2010330003",
        "place cairo",
        "gateway",
        "postgres",
        "dashboard",
        SUPERVISOR,
        "place dhaka",
    ]
    await drill(passable, one_of_each, random.Random(7))


@pytest.mark.drill
@pytest.mark.timeout(1800)
async def test_many_random_kills_lose_and_double_nothing(passable: Path) -> None:
    chance = random.Random()
    kinds = [f"simulate {serial}" for serial in SERIALS.values()]
    kinds += [f"place {place.id}" for place in PLACES] * 3
    kinds += ["gateway", "postgres"] * 4 + ["dashboard", SUPERVISOR]
    await drill(passable, chance.choices(kinds, k=120), chance)


async def drill(folder: Path, victims: Sequence[str], chance: random.Random) -> None:
    ports = free_ports()
    waiting = list(victims)
    async with punching(ports, chance):
        while waiting:
            async with running_demo(folder, ports) as demo:
                await demo.said("punches of the year have arrived")
                while waiting:
                    victim = waiting.pop(0)
                    await asyncio.sleep(chance.uniform(0.05, 1.5))  # the random moment
                    if victim == SUPERVISOR:
                        demo.process.kill()
                        await demo.process.wait()
                        await all_gone(demo)
                        break
                    with contextlib.suppress(ProcessLookupError):  # it ended between the look and the blow
                        os.kill(await alive(demo, victim), signal.SIGKILL)
    async with running_demo(folder, ports) as demo:
        await demo.said("punches of the year have arrived")
        held = {(SERIALS[key], pin, second, state) for key, pin, second, state in await truth(demo)}
        with signed_in(demo) as client:
            await eventually(client, len(held), seconds=60)
            arrived = [
                (punch.terminal, punch.pin, f"{punch.local_time:%Y-%m-%d %H:%M:%S}", punch.state)
                for punch in all_punches(client)
            ]
    assert len(held) > 23_648 + len(victims), "nobody punched during the drill"
    assert len(arrived) == len(set(arrived))
    assert set(arrived) == held
    for place in PLACES:
        chain_is_valid(folder / "places" / place.id / "place.sqlite3", PlaceId(place.id))


@contextlib.asynccontextmanager
async def punching(ports: Ports, chance: random.Random) -> AsyncIterator[None]:
    """People at all terminals, all the time; what a killed terminal did not store did not happen."""
    pins = {place.id: [str(index + 1 + 3 * number) for number in range(16)] for index, place in enumerate(PLACES)}
    place_of = {terminal.key: place.id for place in PLACES for terminal in place.terminals}

    async def punch_for_ever() -> None:
        while True:
            key = chance.choice(TERMINALS)
            pin = chance.choice(pins[place_of[key]])
            with contextlib.suppress(OSError, TimeoutError, ValueError):
                await control(ports.control + TERMINALS.index(key), do="punch", pin=pin, state=chance.randrange(2))
            await asyncio.sleep(0.03)

    people = asyncio.create_task(punch_for_ever())
    try:
        yield
    finally:
        people.cancel()
        await asyncio.gather(people, return_exceptions=True)


async def alive(demo: Demo, victim: str) -> int:
    """Its process id, once it runs."""
    async with asyncio.timeout(60):
        while victim not in demo.children():
            await asyncio.sleep(0.1)
    return demo.children()[victim]


async def all_gone(demo: Demo) -> None:
    """A killed supervisor leaves nothing behind but PostgreSQL, which the next gateway finds again."""
    async with asyncio.timeout(15):
        while demo.processes():
            await asyncio.sleep(0.1)


def chain_is_valid(file: Path, place: PlaceId) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    subjects = subjects_of(file, connection, TENANT)
    store = SqliteLedgerStore(connection, subjects)
    assert Ledger(place, store, subjects).verify() == store.head()
    connection.close()
