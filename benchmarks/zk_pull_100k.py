"""A whole download over loopback from the simulated terminal, which runs as its own process, against pyzk there."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

from zk import ZK

from benchmarks.harness import RUNS, Anchor, Result, measure
from benchmarks.zk_logs import rows
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import open_terminal

CASES: Final = (
    (10_000, RUNS, None, ""),
    (100_000, 1, 50.0, "one run: it takes about half a minute, since its buffer handling is quadratic"),
)
"""Rows, pyzk's runs, floor, why so few."""


def main() -> list[Result]:
    return [_case(*case) for case in CASES]


def _case(count: int, peer_runs: int, floor: float | None, note: str) -> Result:
    with _terminal(count) as port:
        return measure(
            f"zk-pull-{count // 1000}k",
            lambda: asyncio.run(_pull(port, count)),
            units=count,
            of="rows",
            anchor=Anchor("pyzk", lambda: _pull_with_pyzk(port, count), runs=peer_runs, note=note),
            floor=floor,
            settings={"segment_pause": 0, "includes": "connect, capacity, log, typed records, one datetime a row"},
        )


async def _pull(port: int, count: int) -> None:
    async with open_terminal("127.0.0.1", port) as terminal:
        log = await terminal.attendance()
    assert len([record.time.to_datetime() for record in log.records]) == count


def _pull_with_pyzk(port: int, count: int) -> None:
    connection = ZK("127.0.0.1", port=port, timeout=120, ommit_ping=True).connect()
    assert len(connection.get_attendance()) == count
    connection.disconnect()


@contextmanager
def _terminal(count: int) -> Iterator[int]:
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
            for record in terminal.memory.profile.attlog.decode(rows(terminal.memory.profile.attlog, count)):
                terminal.memory.remember(StoredPunch(record.user_id, record.time, record.verify, record.state))
            port.send(terminal.port)
            await asyncio.Event().wait()

    asyncio.run(serve())
