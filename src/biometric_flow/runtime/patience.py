"""How every port of ours is served: a request's head and body have to come in time, whoever sends them."""

import asyncio
from pathlib import Path
from typing import Final, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 20.0
"""From the connection, or from a request's first byte, to the end of its head."""

BODY_SECONDS: Final = 120.0
"""The whole of a body. 8 MiB of a terminal on a poor line (0.6 Mbit/s) come within it."""

_KEEP_ALIVE_SECONDS: Final = 30
_HEAD_MAX: Final = 64 * 1024


def server_config(
    app: ASGIApp,
    *,
    lifespan: Literal["auto", "on", "off"] = "auto",
    ws: Literal["auto", "none"] = "auto",
    proxy_headers: bool = True,
    graceful_seconds: int = 2,
    connections_max: int | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> uvicorn.Config:
    """The settings that all servers share; open streams are cut after `graceful_seconds` when it ends."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan=lifespan,
        ws=ws,
        proxy_headers=proxy_headers,
        timeout_graceful_shutdown=graceful_seconds,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        limit_concurrency=connections_max,
        h11_max_incomplete_event_size=_HEAD_MAX,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, whose patience ends.

    uvicorn itself has a deadline for the pause between two requests only, and gives that up at the first byte: who
    sends a head byte by byte, or none, would hold a connection for ever, and the push port has a limited number.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Blank lines before a request end uvicorn's own deadline, so ours begins with them."""
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is there; the body may take longer."""
        self._stop()
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self._timer = self.loop.call_later(BODY_SECONDS, self._body_is_late)

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._stop()
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _body_is_late(self) -> None:
        if self.flow.read_paused:  # it waits for us, not we for it
            self._timer = self.loop.call_later(BODY_SECONDS, self._body_is_late)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._stop()
        self.transport.abort()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
