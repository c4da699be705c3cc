"""By which ids a line of the gateway's log is found again: the request's, its tenant's, its place's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.services.gateways import SECRETS, RunningGateway
from tests.services.places import running_place, serving, until

log = structlog.get_logger()


class Saying:
    """A gateway that runs, and says a line whenever it begins to answer a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # The gateway has its own already.
            for done in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{done}.complete"})
            return

        async def saying_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                log.info("answering", path=scope["path"])
            await send(message)

        await self._app(scope, receive, saying_send)


@pytest.fixture
async def said(gateway: RunningGateway) -> AsyncIterator[tuple[httpx2.AsyncClient, list[Any]]]:
    """A client of the gateway, and the lines that its requests cause."""
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        async with (
            serving(Saying(gateway.app)) as url,
            httpx2.AsyncClient(base_url=url, timeout=20, trust_env=False) as client,
        ):
            yield client, lines


def _line(lines: list[Any], path: str) -> dict[str, Any]:
    return [one for one in lines if one["event"] == "answering" and one["path"] == path][-1]


async def test_what_a_request_causes_is_logged_with_its_id_its_tenant_and_its_place(
    gateway: RunningGateway, said: tuple[httpx2.AsyncClient, list[Any]], tmp_path: Path
) -> None:
    client, lines = said
    headers = {"Authorization": f"Bearer {gateway.token}"}
    asked = "/v1/places/cairo/health"
    async with running_place(tmp_path, gateway_url=gateway.url, gateway_credential=SECRETS["cairo"]):

        async def is_linked() -> bool:
            return (await client.get(asked, headers=headers)).status_code == 200

        await until(is_linked)
    answer = await client.get("/v1/me", headers=headers)
    line = _line(lines, "/v1/me")
    assert (line["tenant"], line["request_id"]) == ("demo", answer.headers["x-request-id"])
    assert "place" not in line
    assert (_line(lines, asked)["tenant"], _line(lines, asked)["place"]) == ("demo", "cairo")
    refused = "/v1/places"
    assert (await client.get(refused, headers={"Authorization": f"Bearer bfp_{SECRETS['cairo']}"})).status_code == 403
    assert (_line(lines, refused)["tenant"], _line(lines, refused)["place"]) == ("demo", "cairo")
    assert (await client.get("/v1/places/x%20Amina%20Hassan/health", headers=headers)).status_code == 404
    assert all(one.get("place", "cairo") == "cairo" for one in lines)


async def test_a_request_that_waits_behind_another_on_its_connection_is_not_logged_as_its_tenants(
    gateway: RunningGateway, said: tuple[httpx2.AsyncClient, list[Any]]
) -> None:
    client, lines = said
    address = urlsplit(str(client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    first = f"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n\r\n"
    writer.write(f"{first}GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).count(b"HTTP/1.1 20") == 2
    writer.close()
    mine, public = _line(lines, "/v1/me"), _line(lines, "/health/live")
    assert (mine["tenant"], "tenant" in public) == ("demo", False)
    assert mine["request_id"] != public["request_id"]
