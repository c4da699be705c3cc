"""Requests that say how long their caller waits: nobody works on a read whose caller has left."""

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.api.offered import TIMEOUT_HEADER
from biometric_flow.model.errors import BiometricFlowError

LONGEST_MS: Final = 600_000
_READS: Final = frozenset({"GET", "HEAD"})


class DeadlinePassed(BiometricFlowError):
    """The answer was not ready within the time that the caller waits."""

    code = "request.deadline_passed"
    retryable = True


async def within_deadline(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Call an app. A read has to begin its answer by its caller's deadline; a write is brought to its end.

    Raises DeadlinePassed.
    """
    milliseconds = timeout_of(scope)
    if milliseconds is None or scope["method"] not in _READS:
        await app(scope, receive, send)
        return

    async def begun(message: Message) -> None:
        timeout.reschedule(None)
        await send(message)

    try:
        async with asyncio.timeout(milliseconds / 1000) as timeout:
            await app(scope, receive, begun)
    except TimeoutError:
        raise DeadlinePassed(f"no answer within the {milliseconds} ms that the caller waits") from None


def timeout_of(scope: Scope) -> int | None:
    """How many milliseconds the caller waits; None when it does not say, or nothing that makes sense."""
    given = Headers(scope=scope).get(TIMEOUT_HEADER, "")
    if not given.isascii() or not given.isdecimal() or len(given) > 9:
        return None
    return min(int(given), LONGEST_MS)
