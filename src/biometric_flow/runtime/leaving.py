"""How a process ends behind a load balancer: it says that it leaves, serves on for a while, and then stops."""

from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.model.errors import BiometricFlowError

TICKS: Final = 10
"""How often a second the server looks whether it has to end."""


class InstanceLeaving(BiometricFlowError):
    """This instance was told to end; others go on."""

    code = "instance.leaving"
    retryable = True
    retry_after = 1


class Leaving:
    """Whether this process was told to end."""

    has_begun: bool = False

    def refuse(self) -> None:
        """For what a load balancer asks. Raises InstanceLeaving."""
        if self.has_begun:
            raise InstanceLeaving("this instance is about to end; ask another one")


class LeavingDoor:
    """ASGI middleware: while the process leaves, each answer ends its connection, so that the next comes elsewhere."""

    def __init__(self, app: ASGIApp, leaving: Leaving) -> None:
        self.app, self._leaving = app, leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start" and self._leaving.has_begun:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self.app(scope, receive, last)


class LeavingServer(uvicorn.Server):
    """Serves on for `seconds` after it was told to end; told again, it ends at once."""

    def __init__(self, config: uvicorn.Config, leaving: Leaving, seconds: float) -> None:
        super().__init__(config)
        self._leaving, self._ticks = leaving, int(seconds * TICKS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        is_first = not self._leaving.has_begun
        self._leaving.has_begun = True
        super().handle_exit(sig, frame)
        self.should_exit = not is_first or self._ticks == 0

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to end?"""
        if self._leaving.has_begun:
            self._ticks -= 1
            self.should_exit |= self._ticks <= 0
        return await super().on_tick(counter)
