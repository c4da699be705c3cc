"""A real place process's app, served on a free port inside the test's event loop."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import uvicorn

from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.place import Place
from biometric_flow.place.app import create_app
from biometric_flow.place.roster import DevicesFile, TerminalConfig
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.clock import Clock, SystemClock
from biometric_flow.runtime.patience import server_config
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal

API_KEY = "test-place-api-key-that-is-long-enough-0123456789"


@dataclass(frozen=True, slots=True)
class RunningPlace:
    """A place that serves, and a client that may ask it."""

    url: str
    http: httpx2.AsyncClient
    app: Any

    async def get(self, path: str, **query: object) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def punches(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, object] = {}
        while True:
            page = await self.get("/v1/punches", limit=1000, **cursor)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    async def terminal(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/v1/terminals/{key}")
        return found


@contextlib.asynccontextmanager
async def running_place(
    folder: Path,
    terminals: Sequence[TerminalConfig] = (),
    zone: str = "Africa/Cairo",
    place: str = "cairo",
    clock: Clock | None = None,
    **settings: object,
) -> AsyncIterator[RunningPlace]:
    quick = {
        "reconcile_seconds": 0.5,
        "keepalive_seconds": 0.3,
        "connect_seconds": 2,
        "backoff_seconds": 0.05,
        "backoff_max_seconds": 0.2,
        "blocked_retry_seconds": 0.2,
        "offline_after_seconds": 0.6,
        "report_seconds": 0.3,
        "rotation_settle_seconds": 0.1,
        "checkpoint_quiet_seconds": 0.05,
    }
    values = PlaceSettings.model_validate({"id": place, "data": folder, "api_key": API_KEY, **quick, **settings})
    folder.mkdir(parents=True, exist_ok=True)
    where = Place(PlaceId(place), TenantId("demo"), place.title(), ZoneInfo(zone))
    app = create_app(values, where, DevicesFile(terminals=tuple(terminals)), folder, clock or SystemClock())
    async with serving(app) as url:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=10) as http:
            yield RunningPlace(url, http, app)


@contextlib.asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[str]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server = uvicorn.Server(server_config(app, graceful_seconds=1, lifespan="on", proxy_headers=False))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: _started(server, task))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


async def _started(server: uvicorn.Server, task: "asyncio.Task[None]") -> bool:
    if task.done():
        task.result()
        raise AssertionError("the server ended before it served")
    return server.started


async def until(fact: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Wait for a fact, or fail when it has not come true in time."""
    deadline = time.monotonic() + seconds
    while not await fact():
        assert time.monotonic() < deadline, f"not true within {seconds} s: {fact}"
        await asyncio.sleep(0.02)


def configured(simulator: SimulatedTerminal, key: str = "gate", comm_key: str | None = None) -> TerminalConfig:
    return TerminalConfig.model_validate(
        {"key": key, "name": key.title(), "host": "127.0.0.1", "port": simulator.port, "comm_key": comm_key}
    )


def truth_of(simulator: SimulatedTerminal) -> set[tuple[str, str, int]]:
    """What the terminal itself says happened: PIN, wall-clock time, state."""
    return {_fact(punch) for punch in simulator.truth()}


def seen_in(punches: Sequence[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(punch["pin"], punch["local_time"], punch["state"]) for punch in punches]


def _fact(punch: StoredPunch) -> tuple[str, str, int]:
    return punch.pin, punch.time.text(), punch.state
