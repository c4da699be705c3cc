"""The same download with zkteco-js, in a Node process that runs already; only runs that got every row count."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import psutil

from benchmarks.harness import Anchor, Result, measure
from benchmarks.zk_replay import replaying
from biometric_flow.zk.wire.capacity import Capacity
from tests.peers import Peer, npm_packages, running

PAUSES: Final = (0.002, 0.005, 0.01)
"""Seconds between the frames of an answer: it drops frames that come together. The shortest that does is taken."""
TRIES: Final = 4
RUNS: Final = 3
FLOOR: Final = 3.0

Pull = Callable[[int, int], Awaitable[None]]


def against_node(log: bytes, count: int, pull: Pull) -> list[Result]:
    """Our download as records without pauses and with the same pauses, against its own; nothing without Node."""
    packages = npm_packages()
    if packages is None:
        return []
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        peer = runner.run(stack.enter_async_context(running(packages)))
        try:
            return _measured(runner, peer, log, count, pull)
        finally:
            runner.run(stack.aclose())


def _measured(runner: asyncio.Runner, peer: Peer, log: bytes, count: int, pull: Pull) -> list[Result]:
    got: list[int] = []
    for pause in PAUSES:
        with (
            replaying(log, b"", Capacity(attlog_rows=count), pause) as paused,
            replaying(log, b"", Capacity(attlog_rows=count)) as quick,
        ):
            if not all(runner.run(_is_complete(peer, paused, count, got)) for _ in range(2)):
                continue
            anchor = Anchor("zkteco-js", lambda port=paused: runner.run(_complete(peer, port, count, got)), runs=RUNS)
            results = []
            for name, port, why in (
                (f"zk-pull-{count // 1000}k-node", quick, "each with the pauses it needs: we need none"),
                (f"zk-pull-{count // 1000}k-node-paused", paused, "both with the pauses that zkteco-js needs"),
            ):
                before = _cpu(peer)
                result = measure(
                    name,
                    lambda port=port: runner.run(pull(port, count)),  # type: ignore[arg-type]
                    units=count,
                    of="rows",
                    anchor=anchor,
                    floor=FLOOR if count == 100_000 and port == quick else None,
                    runs=RUNS,
                    settings={
                        "pause": pause,
                        "note": why,
                        "includes": "connect, capacity, log, records with datetimes",
                    },
                )
                theirs = (_cpu(peer) - before) / RUNS / count * 1e6
                result["anchor"]["cpu_us"] = theirs
                result["settings"]["cpu_ratio"] = round(theirs / result["cpu_us"], 1)
                result["anchor"]["note"] = f"rows that it got in each try: {got}"
                results.append(result)
            return results
    told = {"note": f"zkteco-js never got all {count} rows, even with pauses: {got}; no ratio"}
    with replaying(log, b"", Capacity(attlog_rows=count)) as port:
        return [
            measure(
                f"zk-pull-{count // 1000}k-node",
                lambda: runner.run(pull(port, count)),  # type: ignore[arg-type]
                units=count,
                of="rows",
                runs=RUNS,
                settings=told,
            )
        ]


async def _is_complete(peer: Peer, port: int, count: int, got: list[int]) -> bool:
    await peer.do("connect", peer="zkteco-js", port=port)
    got.append(await peer.do("count"))
    await peer.do("disconnect")
    return got[-1] == count


async def _complete(peer: Peer, port: int, count: int, got: list[int]) -> None:
    for _ in range(TRIES):
        if await _is_complete(peer, port, count, got):
            return
    raise RuntimeError(f"expected {count} rows from zkteco-js in one of {TRIES} tries, got {got[-TRIES:]}")


def _cpu(peer: Peer) -> float:
    times = psutil.Process(peer.pid).cpu_times()
    return times.user + times.system
