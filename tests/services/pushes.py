"""A real place whose push port is open, and terminals' requests as bytes on a socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2

from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.place import Place
from biometric_flow.place.app import create_app
from biometric_flow.place.biometrics.caretaker import Caretaker
from biometric_flow.place.push.server import PushServer
from biometric_flow.place.roster import DevicesFile, TerminalConfig
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.key_store import KeyStore
from tests.services.places import API_KEY, RunningPlace, serving

SECRET = "a-push-secret-of-enough-random-bits"


@dataclass(frozen=True, slots=True)
class PushPlace(RunningPlace):
    """A place that terminals can dial."""

    push: str
    """Where they dial: scheme, host and port."""
    server: PushServer
    caretaker: Caretaker
    keys: KeyStore

    async def dial(
        self, method: str, path: str, body: bytes = b"", secret: str = SECRET, serial: str = "PUSH0001"
    ) -> tuple[int, str]:
        """One request of a terminal: status and body."""
        url = f"{self.push}/p/{secret}/iclock/{path}" if secret else f"{self.push}/iclock/{path}"
        url += ("&" if "?" in path else "?") + f"SN={serial}"
        async with httpx2.AsyncClient(timeout=60) as http:
            answer = await http.request(method, url, content=body)
        return answer.status_code, answer.text

    async def upload(self, table: str, body: bytes, stamp: str = "", **query: str) -> tuple[int, str]:
        extra = "".join(f"&{name}={value}" for name, value in query.items())
        return await self.dial("POST", f"cdata?table={table}&Stamp={stamp}{extra}", body)


def pushing(serial: str = "PUSH0001", key: str = "door", secret: str = SECRET, **more: object) -> TerminalConfig:
    return TerminalConfig.model_validate(
        {"key": key, "name": key.title(), "protocol": "push", "serial": serial, "push_secret": secret, **more}
    )


@contextlib.asynccontextmanager
async def push_place(
    folder: Path, terminals: Sequence[TerminalConfig] = (), zone: str = "Africa/Cairo", **settings: object
) -> AsyncIterator[PushPlace]:
    quick = {
        "reconcile_seconds": 0.5,
        "keepalive_seconds": 0.3,
        "connect_seconds": 2,
        "backoff_seconds": 0.05,
        "backoff_max_seconds": 0.2,
        "offline_after_seconds": 0.6,
        "push_port": 0,
        "push_poll_seconds": 1,
        "push_answer_seconds": 0.5,
        "rotation_settle_seconds": 0.1,
    }
    values = PlaceSettings.model_validate({"id": "cairo", "data": folder, "api_key": API_KEY, **quick, **settings})
    folder.mkdir(parents=True, exist_ok=True)
    where = Place(PlaceId("cairo"), TenantId("demo"), "Cairo", ZoneInfo(zone))
    app = create_app(values, where, DevicesFile(terminals=tuple(terminals)), folder, SystemClock())
    inner = app.app.app.state  # type: ignore[attr-defined]
    scheme = "https" if values.push_tls_certificate else "http"
    async with serving(app) as url:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=10) as http:
            port = inner.push_port.getsockname()[1]
            inside = inner.place
            yield PushPlace(url, http, app, f"{scheme}://127.0.0.1:{port}", inner.push, inside.biometrics, inside.keys)


async def raw_answer(url: str, request: bytes, seconds: float = 5) -> bytes:
    """What comes back for bytes that need not be HTTP."""
    host, _, port = url.rpartition("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(seconds):
            writer.write(request)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
                writer.write_eof()
                return await reader.read(65536)
    finally:
        writer.close()
    return b""
