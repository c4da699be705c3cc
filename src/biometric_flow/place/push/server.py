"""The push port: lets terminals in, reads bounded bodies, and says yes only after the desk did its work."""

import asyncio
import contextlib
import ssl
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from socket import socket
from typing import Final
from urllib.parse import parse_qsl

import structlog
import uvicorn
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.push.desk import Answer, Desk, Request
from biometric_flow.place.push.doorkeeper import Doorkeeper, Knock, Refused, Seen, is_serial, read_knock
from biometric_flow.place.push.files import ENDPOINT, offered
from biometric_flow.place.roster import Roster, RosterEntry
from biometric_flow.place.workplace import Workplace
from biometric_flow.runtime.errors import SettingsInvalid
from biometric_flow.runtime.patience import server_config
from biometric_flow.zk.push.text import BODY_MAX, Fields

log = structlog.get_logger()

BODY_SECONDS: Final = 60.0
"""The whole of a body must come within this time."""

WAITING_MAX: Final = 8
"""Requests of one terminal that may wait for their turn; one at a time is worked on."""

SILENT_POLLS: Final = 3
"""Polls that a terminal may miss before it counts as lost."""

_FORBIDDEN: Final = Answer("Forbidden", 403)
_CONNECTIONS_MAX: Final = 2000


class BodyTooLarge(Exception):
    """More than a terminal ever sends."""


class PushServer:
    """The ASGI application of the push port."""

    def __init__(self, workplace: Workplace, roster: Roster, desk: Desk) -> None:
        self.desk = desk
        self.seen = Seen()
        self.refused: Counter[str] = Counter()
        """Reason -> requests that were not let in since this process started."""
        self.doorkeeper = Doorkeeper(roster)
        self._at = workplace
        self._roster = roster
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[str, int] = defaultdict(int)
        self._heard: dict[str, datetime] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of a terminal."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Exception as error:
            log.exception("push_request_failed", error=type(error).__name__)
            answer = Answer("Error", 500)
        body = answer.content or answer.body.encode("utf-8", "replace")
        kind = b"application/octet-stream" if answer.content else b"text/plain"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def watch(self) -> None:
        """Notice, for ever, which terminals have stopped dialling."""
        patience = timedelta(seconds=SILENT_POLLS * self._at.settings.push_poll_seconds)
        while True:
            await self._at.clock.sleep(min(1.0, patience.total_seconds() / 4))
            now = self._at.clock.now()
            for key, heard in list(self._heard.items()):
                if now - heard > patience:
                    del self._heard[key]
                    seconds = round(patience.total_seconds())
                    reason = f"expected a request every {self._at.settings.push_poll_seconds} s, none for {seconds} s"
                    self._at.health.lost(key, now, reason, "terminal.silent")
                    log.info("terminal_lost", terminal=key, code="terminal.silent", reason=reason)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        query = _query(scope)
        address = scope["client"][0] if scope.get("client") else ""
        knock = None if query is None else read_knock(scope["path"], query, address)
        if query is None or knock is None:
            return Answer("Not Found", 404)
        try:
            entry = self.doorkeeper.admit(knock, query)
        except Refused as refusal:
            self.refused[str(refusal)] += 1
            self._turned_away(knock, str(refusal), query)
            return _FORBIDDEN
        if self._waiting[entry.key] >= WAITING_MAX:
            return Answer("Busy", 503)
        self._waiting[entry.key] += 1
        try:
            async with self._turns[entry.key]:
                return await self._work(entry, knock, query, scope, receive)
        finally:
            self._waiting[entry.key] -= 1

    async def _work(self, entry: RosterEntry, knock: Knock, query: Fields, scope: Scope, receive: Receive) -> Answer:
        headers = Headers(scope=scope)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(headers, receive)
        except BodyTooLarge:
            log.warning("push_body_too_large", terminal=entry.key, limit=BODY_MAX)
            return Answer("Too Large", 413)
        except TimeoutError:
            return Answer("Timeout", 408)
        self._contact(entry)
        request = Request(entry, scope["method"], knock.endpoint, query, body, _token(headers))
        try:
            if knock.endpoint == ENDPOINT:
                return await self._file(entry, query)
            return await self.desk.answer(request)
        except StorageUnavailable as error:
            log.error("push_not_kept", terminal=entry.key, reason=str(error))
            return Answer("Storage failed", 503)

    async def _file(self, entry: RosterEntry, query: Fields) -> Answer:
        at, identity = self._at, query.first("url")[:64]
        content: bytes = await at.writer.call(offered, at.blobs, entry.key, identity)
        log.info("blob_fetched" if content else "blob_not_offered", terminal=entry.key)
        return Answer(content=content) if content else Answer("Not Found", 404)

    def _contact(self, entry: RosterEntry) -> None:
        now = self._at.clock.now()
        self.seen.forget(entry.serial)
        self._at.health.contacted(entry.key, now)
        if entry.protocol == "push":
            self._heard[entry.key] = now
            self._at.health.online(entry.key, now)

    def _turned_away(self, knock: Knock, reason: str, query: Fields) -> None:
        if is_serial(knock.serial) and self.seen.note(knock, reason, query, self._at.clock.now()):
            log.info("push_turned_away", serial=knock.serial, address=knock.address, reason=reason)


class PushListener(uvicorn.Server):
    """Serves the push port inside the place's own event loop, which keeps the signals to itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the place's main server."""
        yield


def listener(app: PushServer, certificate: Path | None, key: Path | None) -> PushListener:
    """A server for an application. Raises SettingsInvalid when certificate or key cannot be used."""
    config = server_config(
        app,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        connections_max=_CONNECTIONS_MAX,
        certificate=certificate,
        key=key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsInvalid(
            f"push_tls_certificate and push_tls_key: expected a PEM certificate and its key, got: {error}"
        ) from None
    return PushListener(config)


async def serve(server: PushListener, bound: socket) -> None:
    """Serve on a bound socket until cancelled; requests under way are finished."""
    task = asyncio.create_task(server.serve(sockets=[bound]), name="push-port")
    try:
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


def _query(scope: Scope) -> Fields | None:
    raw: bytes = scope.get("query_string", b"")
    if len(raw) > 4096:
        return None
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=64, errors="replace")
    except ValueError:
        return None
    return Fields(dict(pairs))


async def _body(headers: Headers, receive: Receive) -> bytes:
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:12]) > BODY_MAX:
        raise BodyTooLarge
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise TimeoutError
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > BODY_MAX:
            raise BodyTooLarge
        if not message.get("more_body"):
            return b"".join(pieces)


def _token(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")[:1024]).get("token")
    except CookieError:
        return ""
    return morsel.value if morsel else ""
