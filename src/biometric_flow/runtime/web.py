"""The HTTP baseline of every service, as pure ASGI: request id, size limit, authentication, problem documents.

The order is security-design A1: size limit, authentication, authorization, and only then is a body parsed.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.api.problems import MEDIA_TYPE, STATUS, FieldProblem, problem
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.deadline import within_deadline
from biometric_flow.runtime.logging import bind_request, leave_request

log = structlog.get_logger()

_PLAIN: Final = {
    400: "request.malformed",
    404: "request.not_found",
    405: "request.method_not_allowed",
    413: "request.too_large",
}
MAX_BODY: Final = 2 * 1024 * 1024


class RequestTooLarge(BiometricFlowError):
    """The body is larger than this service reads."""

    code = "request.too_large"


class Unauthenticated(BiometricFlowError):
    """No credential, or one that is not valid any more."""

    code = "access.unauthenticated"


class Forbidden(BiometricFlowError):
    """A valid credential without the right to do this."""

    code = "access.forbidden"


class NotFound(BiometricFlowError):
    """Nothing here, or nothing that the caller may see: the two are not told apart."""

    code = "request.not_found"


class Guard(Protocol):
    """Decides about a request from its head alone, before a byte of its body is read."""

    async def __call__(self, scope: Scope) -> None:
        """Put what it found into `scope["state"]`, or raise Unauthenticated or Forbidden."""
        ...


class Baseline:
    """ASGI middleware: request id, size limit, guard, security headers, and every error as a problem document."""

    def __init__(self, app: ASGIApp, guard: Guard, max_body: int = MAX_BODY) -> None:
        self.app, self.guard, self.max_body = app, guard, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; lifespan events pass through."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        # A request that came over a link keeps the id that the gateway gave it.
        request_id = scope.setdefault("state", {}).setdefault("request_id", str(uuid4()))
        # A request that waited behind another on one connection begins in that one's context.
        leave_request()
        bind_request(request_id=request_id)
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
            await send(message)

        try:
            bounded = self._bounded(scope, receive)
            await self.guard(scope)
            await within_deadline(self.app, scope, bounded, send_with_headers)
        except BiometricFlowError as error:
            if has_started:
                raise
            scope["state"]["problem"] = error.code
            await problem_response(error, request_id)(scope, receive, send_with_headers)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self.max_body:
            raise RequestTooLarge(f"expected a body of at most {self.max_body} bytes, got {declared[:20]}")
        received = 0

        async def bounded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body:
                raise RequestTooLarge(f"expected a body of at most {self.max_body} bytes, got more")
            return message

        return bounded_receive


def problem_response(error: BiometricFlowError, request_id: str) -> JSONResponse:
    """One of our errors as a problem document.

    One with `retry_after` (whole seconds) says so in a header, one with `fields` (FieldProblem) names them; what one
    has in `more` (texts by name) stands in the document.
    """
    document = problem(error.code, str(error), request_id, retryable=error.retryable)
    for name, value in getattr(error, "more", {}).items():
        setattr(document, name, value)
    document.errors = list(getattr(error, "fields", ()))
    headers = {"WWW-Authenticate": "Bearer"} if document.status == 401 else {}
    seconds = getattr(error, "retry_after", None)
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    return JSONResponse(document.model_dump(), document.status, headers, MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Make every error that a handler raises a problem document."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BiometricFlowError)
        request.state.problem = error.code
        return problem_response(error, request.state.request_id)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        malformed = any(found["type"] == "json_invalid" for found in error.errors())
        code = "request.malformed" if malformed else "request.invalid"
        request.state.problem = code
        detail = "the request does not have the form that the API document describes; see `errors`"
        document = problem(code, detail, request.state.request_id)
        document.errors = [
            FieldProblem(field=".".join(map(str, found["loc"])), expected=found["msg"]) for found in error.errors()
        ]
        return JSONResponse(document.model_dump(), document.status, media_type=MEDIA_TYPE)

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = request.state.problem = _PLAIN.get(error.status_code, "internal")
        document = problem(code, f"{request.method} {request.url.path}: {error.detail}", request.state.request_id)
        return JSONResponse(document.model_dump(), document.status, error.headers, MEDIA_TYPE)

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        request.state.problem = "internal"
        log.error("request_failed", path=request.url.path, exc_info=error)
        document = problem("internal", "something failed here; the request id names it", request.state.request_id)
        return JSONResponse(document.model_dump(), document.status, media_type=MEDIA_TYPE)

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]]] = [
        (BiometricFlowError, ours),
        (RequestValidationError, invalid),
        (HTTPException, plain),
        (Exception, unexpected),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


def status_of(code: str) -> int:
    """The HTTP status that an error's code is answered with."""
    return STATUS[code]


def bearer(scope: Scope) -> str:
    """The bearer token of a request's Authorization header. Raises Unauthenticated when there is none."""
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 4096:
        raise Unauthenticated("expected a header `Authorization: Bearer <token>`; sign in at /v1/auth/token for one")
    return token


def dumps(value: object) -> str:
    """Compact JSON, for stream events."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
