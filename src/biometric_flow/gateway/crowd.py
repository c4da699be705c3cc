"""The outermost door: who comes when too many are inside is asked to come back, before anything is spent on them."""

from typing import Final
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.gateway.traffic.shedding import Shedder, urgency_of
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.web import problem_response

_STREAM: Final = b"text/event-stream"


class RequestShed(BiometricFlowError):
    """Too many requests are under way."""

    code = "request.shed"
    retryable = True
    retry_after = 1


class Crowd:
    """ASGI middleware: sheds by urgency. A stream that has begun is listening, not working, and is not counted."""

    def __init__(self, app: ASGIApp, shedder: Shedder) -> None:
        self.app, self._shedder = app, shedder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; links pass, their requests are counted one by one."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self._shedder.take(urgency_of(scope["method"], scope["path"])):
            error = RequestShed("too many requests are under way; try again in a second")
            await problem_response(error, str(uuid4()))(scope, receive, send)
            return
        is_counted = True

        async def watched(message: Message) -> None:
            nonlocal is_counted
            if message["type"] == "http.response.start" and is_counted:
                kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
                if any(kind.startswith(_STREAM) for kind in kinds):
                    is_counted = False
                    self._shedder.done()
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            if is_counted:
                self._shedder.done()
