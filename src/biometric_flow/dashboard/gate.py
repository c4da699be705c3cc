"""The gate in front of every path: no login, no page and no WebSocket; and the headers of every answer."""

import asyncio
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.dashboard.login import Login, Logins
from biometric_flow.dashboard.look import COOKIE, made_for, read_look
from biometric_flow.dashboard.static import CONTENT_SECURITY_POLICY
from biometric_flow.dashboard.words import _

OPEN_PATHS: Final = ("/sign-in", "/invitation", "/health", "/offline", "/manifest.webmanifest", "/service-worker.js")
OPEN_FORMS: Final = ("/sign-out", "/look")
"""What strangers may send too, from a page of ours."""
OPEN_FOLDERS: Final = ("/assets/", "/static/")
"""Public code and styles; the sign-in page needs the first and fetches the second while the person types."""


class Gate:
    """ASGI middleware. Puts the Login into `scope["state"]["login"]`; ends sockets when their login ends."""

    def __init__(self, app: ASGIApp, logins: Logins, cookie_name: str, *, is_https: bool) -> None:
        self._app, self._logins, self._cookie_name, self._is_https = app, logins, cookie_name, is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or socket; lifespan events pass through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        accepted = connection.headers.get("accept-language", "")
        made_for(read_look(connection.query_params, connection.cookies.get(COOKIE, ""), accepted))
        login = self._logins.find(connection.cookies.get(self._cookie_name))
        scope.setdefault("state", {})["login"] = login
        if scope["type"] == "websocket":
            await self._socket(login, scope, receive, send)
        else:
            await self._request(login, scope, receive, self._with_headers(send))

    async def _request(self, login: Login | None, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        answer: Response | None = None
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            pass
        elif scope["method"] not in ("GET", "HEAD") and not is_same_origin(Headers(scope=scope)):
            answer = PlainTextResponse(_("This request came from another site and was not carried out."), 403)
        elif login is None and path not in OPEN_FORMS:
            answer = _refusal(scope)
        await (answer or self._app)(scope, receive, send)

    async def _socket(self, login: Login | None, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if login is None or not is_same_origin(headers):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return

        async def receive_while_signed_in() -> Message:
            message = asyncio.ensure_future(receive())
            end = asyncio.ensure_future(login.ended.wait())
            try:
                await asyncio.wait((message, end), return_when=asyncio.FIRST_COMPLETED)
                if end.done():
                    await send({"type": "websocket.close", "code": 1008})
                    return {"type": "websocket.disconnect", "code": 1008}
                return message.result()
            finally:
                message.cancel()
                end.cancel()

        await self._app(scope, receive_while_signed_in, send)

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                # Not no-referrer: that makes browsers send `Origin: null` with forms, and the origin is our CSRF check.
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
                headers.setdefault("Cache-Control", "no-store")
                if self._is_https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        return send_with_headers


def is_same_origin(headers: Headers) -> bool:
    """True when the browser says that this request comes from a page of this very host (CSRF, socket hijacking)."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") in ("same-origin", "none")
    return origin.partition("://")[2] == headers.get("host", "")


def _refusal(scope: Scope) -> Response:
    if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith(("/_stcore/", "/live/stream")):
        return PlainTextResponse(_("Signed out"), 401)
    wanted = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
    return RedirectResponse("/sign-in" + ("" if wanted == "/" else f"?next={quote(wanted[:500], safe='/')}"), 303)
