"""A whole download over loopback from the simulated terminal, its own process, against pyzk and zkteco-js there."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from zk import ZK

from benchmarks.harness import RUNS, Anchor, Result, measure
from benchmarks.zk_logs import rows
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SEGMENT_PAUSE, SimulatedTerminal
from biometric_flow.zk.terminal import open_terminal
from tests.peers import npm_packages, running

CASES: Final = ((10_000, RUNS, ""), (100_000, 1, "one run: it takes seconds, since its buffer handling is quadratic"))
"""Rows, pyzk's runs, why so few."""
NODE_RUNS: Final = 3


def main() -> list[Result]:
    results = []
    for count, peer_runs, why in CASES:
        with _terminal(count) as port:
            results += _against_pyzk(port, count, peer_runs, why)
        with _terminal(count, SEGMENT_PAUSE) as port:
            results += _against_node(port, count)
    return results


def _against_pyzk(port: int, count: int, peer_runs: int, why: str) -> list[Result]:
    """Two ways to want the rows: as columns of arrays, and as a typed record and a datetime each."""
    return [
        measure(
            f"zk-pull-{count // 1000}k-{form}",
            lambda pull=pull: asyncio.run(pull(port, count)),
            units=count,
            of="rows",
            anchor=Anchor("pyzk", lambda: _pull_with_pyzk(port, count), runs=peer_runs, note=why),
            floor=200.0 if count >= 100_000 and pull is _pull_columns else None,
            settings={"segment_pause": 0, "includes": f"connect, capacity, log, {form}"},
        )
        for form, pull in (("columns", _pull_columns), ("records", _pull))
    ]


def _against_node(port: int, count: int) -> list[Result]:
    """zkteco-js in a Node process that runs already. It needs the pauses that the simulator makes for it."""
    packages = npm_packages()
    if packages is None:
        return []
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        peer = runner.run(stack.enter_async_context(running(packages)))

        got: list[int] = []

        async def pull() -> None:
            await peer.do("connect", peer="zkteco-js", port=port)
            got.append(await peer.do("count"))
            await peer.do("disconnect")

        result = measure(
            f"zk-pull-{count // 1000}k-node",
            lambda: runner.run(_pull(port, count)),
            units=count,
            of="rows",
            anchor=Anchor("zkteco-js", lambda: runner.run(pull()), runs=NODE_RUNS),
            floor=3.0 if count >= 100_000 else None,
            settings={"segment_pause": SEGMENT_PAUSE, "includes": "connect, capacity, log, records with datetimes"},
        )
        result["anchor"]["note"] = f"rows that it got in each run: {got}; it drops frames that come together"
        runner.run(stack.aclose())
    return [result]


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
def _terminal(count: int, pause: float = 0.0) -> Iterator[int]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, count, pause), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join(5)


def _serve(port: Connection, count: int, pause: float) -> None:
    async def serve() -> None:
        async with SimulatedTerminal(pause=pause) as terminal:
            for record in terminal.memory.profile.attlog.decode(rows(terminal.memory.profile.attlog, count)):
                terminal.memory.remember(StoredPunch(record.user_id, record.time, record.verify, record.state))
            port.send(terminal.port)
            await asyncio.Event().wait()

    asyncio.run(serve())
