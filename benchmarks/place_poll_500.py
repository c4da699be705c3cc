"""One place process with 500 terminals, polled and live: without tarpits, and with one in ten that never answers.

Terminals are a process of their own, the place is another. Measured are the delay from a touch at a healthy terminal
to the live stream of the place, which tells of durable punches only; the operations per minute that the terminals
counted; CPU and memory of the place's process. The specification asks for 1,000 operations a minute.
"""

import asyncio
import contextlib
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import httpx2
import structlog

from benchmarks.harness import Result, note
from biometric_flow.place.roster import TerminalConfig
from biometric_flow.zk.simulator.session import Session
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import API_KEY, running_place, until

TERMINALS = 500
TARPITS = 50
SECONDS = 20.0
PUNCHES_A_SECOND = 50.0
LIMIT_SECONDS = 2.0
POLLING = {"keepalive_seconds": 5, "reconcile_seconds": 20, "connect_seconds": 5, "backoff_max_seconds": 10}
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 21)]
Process = asyncio.subprocess.Process


def main() -> list[Result]:
    alone, beset = (asyncio.run(_measure(tarpits)) for tarpits in (0, TARPITS))
    beset["settings"]["p99_against_none"] = round(beset["settings"]["p99_ms"] / alone["settings"]["p99_ms"], 2)
    return [alone, beset]


async def _measure(tarpits: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        async with _child("terminals", str(tarpits)) as terminals:
            ports = json.loads(await _line(terminals))
            async with _child("place", folder, json.dumps(ports)) as place:
                url = await _line(place)
                headers = {"Authorization": f"Bearer {API_KEY}"}
                async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
                    begun = time.monotonic()
                    await until(lambda: _online(http, TERMINALS - tarpits), seconds=90)
                    connecting = time.monotonic() - begun
                    return await _live(http, terminals, place, tarpits, connecting)


async def _live(
    http: httpx2.AsyncClient, terminals: Process, place: Process, tarpits: int, connecting: float
) -> Result:
    touched: dict[tuple[str, str, str], float] = {}
    heard: dict[tuple[str, str, str], float] = {}
    listening = asyncio.create_task(_listen(http, heard))
    await asyncio.sleep(0.5)
    before, begun = _cpu(place.pid), time.monotonic()
    await _say(terminals, "go")
    while (line := json.loads(await _line(terminals))) and "pin" in line:
        touched[line["serial"], line["pin"], line["time"]] = line["at"]
    wall, cpu = time.monotonic() - begun, _cpu(place.pid) - before
    with contextlib.suppress(AssertionError):
        await until(lambda: _all_heard(touched, heard), seconds=10)
    listening.cancel()
    delays = [heard[touch] - at for touch, at in touched.items() if touch in heard]
    cuts = statistics.quantiles(delays, n=100)
    return note(
        f"place-live-{TERMINALS}" + (f"-tarpits-{tarpits}" if tarpits else ""),
        delays,
        of="live punches",
        limit=LIMIT_SECONDS,
        settings={
            **POLLING,
            "tarpits": tarpits,
            "punches": len(touched),
            "unheard": len(touched) - len(delays),
            "p50_ms": round(1000 * cuts[49], 1),
            "p99_ms": round(1000 * cuts[98], 1),
            "operations_a_minute": round(line["requests"] / wall * 60),
            "place_cpu_percent": round(100 * cpu / wall, 1),
            "place_peak_mib": round(_peak_mib(place.pid)),
            "all_online_after_s": round(connecting, 1),
        },
    )


async def _listen(http: httpx2.AsyncClient, heard: dict[tuple[str, str, str], float]) -> None:
    async with http.stream("GET", "/v1/stream") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: ") and '"pin"' in line:
                punch = json.loads(line[6:])
                heard.setdefault((punch["terminal"], punch["pin"], punch["local_time"]), time.time())


async def _all_heard(touched: dict[tuple[str, str, str], float], heard: dict[tuple[str, str, str], float]) -> bool:
    return heard.keys() >= touched.keys()


async def _online(http: httpx2.AsyncClient, count: int) -> bool:
    await asyncio.sleep(0.5)
    return bool((await http.get("/health")).json()["terminals_online"] >= count)


@contextlib.asynccontextmanager
async def _child(*arguments: str) -> AsyncIterator[Process]:
    """A process of this module, ended with its standard input."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.place_poll_500",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    try:
        yield child
    finally:
        assert child.stdin is not None
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), 20)
        except TimeoutError:
            child.kill()
            await child.wait()


async def _line(child: Process) -> str:
    assert child.stdout is not None
    line = await asyncio.wait_for(child.stdout.readline(), 90)
    if not line:
        raise RuntimeError("a process of the benchmark ended too early")
    return line.decode().strip()


async def _say(child: Process, word: str) -> None:
    assert child.stdin is not None
    child.stdin.write(word.encode() + b"\n")
    await child.stdin.drain()


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _terminals(tarpits: int) -> None:
    """Child: all terminals; punches at the healthy ones after `go`, telling each."""
    requests = 0
    answer = Session.answer

    def counted(session: Session, request: object) -> object:
        nonlocal requests
        requests += 1
        return answer(session, request)  # type: ignore[arg-type]

    Session.answer = counted  # type: ignore[method-assign,assignment]
    async with contextlib.AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(SimulatedTerminal(serial=f"POLL{number:04}", users=PEOPLE, zone=UTC))
            for number in range(TERMINALS)
        ]
        for terminal in made[:tarpits]:
            await terminal.fault("silent")
        print(json.dumps([terminal.port for terminal in made]), flush=True)
        words = await _stdin()
        if not await words.readline():
            return
        dice, requests = random.Random(500), 0
        for number in range(round(SECONDS * PUNCHES_A_SECOND)):
            terminal = dice.choice(made[tarpits:])
            pin = str(1 + number % 20)
            at = time.time()
            punch = await terminal.punch(pin)
            told = {"serial": terminal.memory.serial, "pin": pin, "time": punch.time.text(), "at": at}
            print(json.dumps(told), flush=True)
            await asyncio.sleep(1 / PUNCHES_A_SECOND)
        print(json.dumps({"requests": requests}), flush=True)
        await words.readline()


async def _place(folder: str, ports: list[int]) -> None:
    """Child: the place."""
    terminals = [
        TerminalConfig.model_validate({"key": f"t-{port}", "name": f"T {port}", "host": "127.0.0.1", "port": port})
        for port in ports
    ]
    defaults = {"backoff_seconds": 1, "offline_after_seconds": 15, "log_level": "error"}
    async with running_place(Path(folder), terminals, zone="UTC", **{**defaults, **POLLING}) as place:
        print(place.url, flush=True)
        await (await _stdin()).readline()


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def _child_main(role: str, *arguments: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=_to_stderr)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    if role == "terminals":
        asyncio.run(_terminals(int(arguments[0])))
    else:
        asyncio.run(_place(arguments[0], json.loads(arguments[1])))


def _to_stderr(*_names: object) -> object:
    return structlog.PrintLogger(sys.stderr)


if __name__ == "__main__":
    _child_main(*sys.argv[1:])
