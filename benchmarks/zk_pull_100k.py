"""Whole downloads over loopback, against pyzk and zkteco-js at the same terminal in the same run.

The terminal is a process of its own and replays frames made beforehand (`zk_replay`), so that it costs next to nothing;
once it is the simulator, which shows how much of a download that was.
"""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from zk import ZK

from benchmarks.harness import RUNS, Anchor, Result, measure
from benchmarks.zk_logs import people, rows
from benchmarks.zk_node import against_node
from benchmarks.zk_replay import replaying
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS
from biometric_flow.zk.wire.users import USER_LAYOUTS

QUADRATIC: Final = "few runs: it takes seconds, since its buffer handling is quadratic"
CASES: Final = ((10_000, RUNS, ""), (100_000, 2, QUADRATIC), (500_000, 0, ""))
"""Rows, pyzk's runs, why so few. 500,000 rows would take it minutes: 25 times those of 100,000."""
USERS: Final = 5_000
LAYOUT: Final = ATTLOG_LAYOUTS["40"]


def main() -> list[Result]:
    results = []
    for count, peer_runs, why in CASES:
        log = rows(LAYOUT, count)
        with replaying(log, b"", Capacity(attlog_rows=count)) as port:
            results += _against_pyzk(port, count, peer_runs, why)
        results += against_node(log, count, _pull)
    with _simulated(100_000) as port:
        results.append(_ours_alone("zk-pull-100k-simulator", port, 100_000, _pull_columns, "the simulator serves"))
    with replaying(b"", people(USERS), Capacity(users=USERS)) as port:
        results.append(_users(port))
    return results


def _against_pyzk(port: int, count: int, peer_runs: int, why: str) -> list[Result]:
    """Two ways to want the rows: as columns of arrays, and as a typed record and a datetime each."""
    forms: tuple[tuple[str, Callable[[int, int], object], float], ...] = (
        ("columns", _pull_columns, 200.0),
        ("records", _pull, 20.0),
    )
    results = []
    for form, pull, floor in forms:
        name = f"zk-pull-{count // 1000}k-{form}"
        if not peer_runs:
            results.append(_ours_alone(name, port, count, pull, "pyzk is left out: it would take minutes"))
            continue
        result = measure(
            name,
            lambda pull=pull: asyncio.run(pull(port, count)),
            units=count,
            of="rows",
            anchor=Anchor("pyzk", lambda: _pull_with_pyzk(port, count), runs=peer_runs, note=why),
            floor=floor if count == 100_000 else None,
            settings={"server": "replayed frames", "includes": f"connect, capacity, log, {form}"},
        )
        # Where other work goes on, processor time is what can be compared.
        result["settings"]["cpu_ratio"] = round(result["anchor"]["cpu_us"] / result["cpu_us"], 1)
        results.append(result)
    return results


def _ours_alone(name: str, port: int, count: int, pull: Callable[..., object], why: str) -> Result:
    return measure(
        name,
        lambda: asyncio.run(pull(port, count)),  # type: ignore[arg-type]
        units=count,
        of="rows",
        settings={"note": why, "includes": "connect, capacity, log"},
    )


def _users(port: int) -> Result:
    async def pull() -> None:
        async with open_terminal("127.0.0.1", port) as terminal:
            assert len((await terminal.users()).records) == USERS

    def with_pyzk() -> None:
        connection = ZK("127.0.0.1", port=port, timeout=120, ommit_ping=True).connect()
        assert len(connection.get_users()) == USERS
        connection.disconnect()

    return measure(
        "zk-pull-5k-users",
        lambda: asyncio.run(pull()),
        units=USERS,
        of="users",
        anchor=Anchor("pyzk", with_pyzk),
        settings={
            "server": "replayed frames",
            "layout": USER_LAYOUTS["72"].name,
            "includes": "connect, capacity, users",
        },
    )


async def _pull_columns(port: int, count: int) -> None:
    async with open_terminal("127.0.0.1", port) as terminal:
        columns = (await terminal.attendance()).columns()
    assert columns is not None
    assert len(columns.moments()) == count


async def _pull(port: int, count: int) -> None:
    async with open_terminal("127.0.0.1", port) as terminal:
        log = await terminal.attendance()
    assert len([record.time.to_datetime() for record in log.records]) == count


def _pull_with_pyzk(port: int, count: int) -> None:
    connection = ZK("127.0.0.1", port=port, timeout=120, ommit_ping=True).connect()
    assert len(connection.get_attendance()) == count
    connection.disconnect()


@contextmanager
def _simulated(count: int) -> Iterator[int]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, count), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join(5)


def _serve(port: Connection, count: int) -> None:
    async def serve() -> None:
        async with SimulatedTerminal(pause=0) as terminal:
            for record in LAYOUT.decode(rows(LAYOUT, count)):
                terminal.memory.remember(StoredPunch(record.user_id, record.time, record.verify, record.state))
            port.send(terminal.port)
            await asyncio.Event().wait()

    asyncio.run(serve())
