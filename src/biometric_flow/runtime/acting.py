"""Who does what in the request that is under way: set at the door of a process, read where a change is committed.

Every operation that can write, or hands out what leaves the system, gets an `Action` before anything else happens to
its request. Whatever commits a change
adds the action's leaf in the same transaction; what changed nothing, because it was refused or failed, is recorded
before its answer leaves. So no answer to a write goes out without one.
"""

from asyncio import Task, create_task
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.ledger.decisions import OperationDone
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.logging import leave_request
from biometric_flow.runtime.reach import limit
from biometric_flow.runtime.web import status_of

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
TRAIL: Final = "x-trail"
"""Where an operation that leaves no leaf of its own is recorded instead; stands in the API document."""
TAKES_OUT: Final = "x-takes-out"
"""An operation that reads and is recorded all the same: what it gives leaves the system, as a file or a proof."""
WATCHED: Final = "watched"
"""In a request's state: under what it was let in that has all of it recorded, also reading. It stands in the leaf."""
PERSONAL: Final = frozenset({"pin", "person", "email"})
"""Names in a path whose values are recorded as keyed commitments only (security-design L2)."""
_VALUE: Final = 120
STRANGERS_A_MINUTE: Final = 60
"""Leaves that people without a credential can cause; what is beyond is counted in the next one."""


class Commit(Protocol):
    """A keyed hash of a value: equal for equal values of one log, and to nobody else a hint."""

    def __call__(self, name: str, value: bytes) -> bytes:
        """32 bytes. `name` says what the value is: `pin`, `before`..."""
        ...


@dataclass(slots=True)
class Action:
    """One use of an operation that is recorded. Handlers may add to it; the trail turns it into a leaf."""

    operation: str
    at: datetime
    actor: str = ""
    source: str = ""
    expected: int = 200
    """The status of its success."""
    elsewhere: str = ""
    """Where it is recorded instead, for what only carries records; refusals at the door are recorded all the same."""
    scope: dict[str, str] = field(default_factory=dict)
    personal: dict[str, str] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    tenant: str = ""
    """Whose log it belongs to, where the request's credential does not say it."""
    refusal: BiometricFlowError | None = None
    before: bytes = b""
    after: bytes = b""
    is_pending: bool = False
    """Its leaf is part of a transaction that was not committed yet."""
    is_recorded: bool = False

    def about(self, name: str, value: str) -> None:
        """Say what it is about; values of PERSONAL names are kept as commitments."""
        (self.personal if name in PERSONAL else self.scope)[name] = value[:_VALUE]

    def done(self, commit: Commit, status: int | None = None) -> OperationDone:
        """What is recorded of it. `status` is that of its answer, where that is known."""
        result = str(self.expected if status is None else status)
        code = self.refusal.code if self.refusal else self.state.get("problem", "")
        if code:
            result = f"{status_of(code)} {code}"
        watched = {WATCHED: str(self.state[WATCHED])} if WATCHED in self.state else {}
        hidden = {name: commit(name, value.encode()).hex() for name, value in self.personal.items()}
        return OperationDone(
            actor=self.actor or str(self.state.get("actor", "")),
            operation=self.operation,
            scope=tuple(sorted({**self.scope, **hidden, **watched}.items())),
            request=str(self.state.get("request_id", "")),
            source=str(self.state.get("address", "")) or self.source,
            result=result,
            before=commit("before", self.before) if self.before else b"",
            after=commit("after", self.after) if self.after else b"",
            at=self.at,
        )


_ACTING: ContextVar[Action | None] = ContextVar("acting", default=None)


def acting() -> Action | None:
    """The action of the request under way, None outside of one that can write."""
    return _ACTING.get()


def replaces(before: object) -> None:
    """Say what the request under way is about to change; a keyed hash of it is recorded."""
    action = _ACTING.get()
    if action is not None:
        action.before = to_json(before)


def becomes(after: object) -> None:
    """Say what the request under way leaves behind; a keyed hash of it is recorded."""
    action = _ACTING.get()
    if action is not None:
        action.after = to_json(after)


@contextmanager
def acting_as(action: Action | None) -> Iterator[Action | None]:
    """Everything committed inside belongs to this action; to none with None."""
    token = _ACTING.set(action)
    try:
        yield action
    finally:
        _ACTING.reset(token)


def unattended(work: Coroutine[Any, Any, ResultT], name: str) -> Task[ResultT]:
    """Start what outlives the request under way: it acts in nobody's name, and its log lines carry no request's ids."""
    context = copy_context()
    context.run(_leave_request)
    return create_task(work, name=name, context=context)


def _leave_request() -> None:
    _ACTING.set(None)
    limit(None)
    leave_request()


class Trail(Protocol):
    """Records what was refused or changed nothing."""

    async def settle(self, action: Action, status: int) -> None:
        """Add the leaf of an action that no transaction recorded. Raises BiometricFlowError."""
        ...


class Door:
    """ASGI middleware around an app: each request to be recorded gets its action, and none leaves without."""

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter], trail: Trail, clock: Clock) -> None:
        self.app, self._trail, self._clock = app, trail, clock
        self._strangers: deque[float] = deque()
        self._left_out = 0
        served = list(routers)
        self._routes = list(recorded_routes(served))
        self._all = [route for router in served for route in router.routes if isinstance(route, APIRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; what only reads, and is not watched, passes through, and what no operation answers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        action = self._action(scope, self._routes)

        async def recorded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                done = action
                if done is None and WATCHED in scope.get("state", ()):
                    done = self._action(scope, self._all)
                if done is not None and not done.is_recorded:
                    await self._settle(done, message["status"])
            await send(message)

        with acting_as(action):
            await self.app(scope, receive, recorded_send)

    async def _settle(self, action: Action, status: int) -> None:
        action.is_recorded = True
        if action.elsewhere and status not in (401, 403):
            return
        if not (action.tenant or action.state.get("actor")) and not self._may_record_stranger(action):
            log.warning("operation_refused", operation=action.operation, status=status, source=action.source)
            return
        try:
            with acting_as(None):
                await self._trail.settle(action, status)
        except BiometricFlowError as error:
            # Nothing was changed, or its own transaction would hold the leaf; the log line is what is left.
            log.error("operation_not_recorded", operation=action.operation, status=status, reason=str(error))

    def _may_record_stranger(self, action: Action) -> bool:
        now = self._clock.monotonic()
        while self._strangers and self._strangers[0] < now - 60:
            self._strangers.popleft()
        if len(self._strangers) >= STRANGERS_A_MINUTE:
            self._left_out += 1
            return False
        self._strangers.append(now)
        if self._left_out:
            action.about("left_out_before", str(self._left_out))
            self._left_out = 0
        return True

    def _action(self, scope: Scope, routes: Iterable[APIRoute]) -> Action | None:
        for route in routes:
            found = route.path_regex.match(scope["path"]) if scope["method"] in (route.methods or ()) else None
            if found:
                client = scope.get("client")
                action = Action(
                    f"{scope['method']} {route.path_format}",
                    self._clock.now(),
                    source=client[0] if client else "",
                    expected=route.status_code or 200,
                    elsewhere=str((route.openapi_extra or {}).get(TRAIL, "")),
                    state=scope.setdefault("state", {}),
                )
                for name, value in found.groupdict().items():
                    action.about(name, value)
                return action
        return None


def takes_out() -> dict[str, Any]:
    """Declare that a reading operation is recorded: `@router.get(..., openapi_extra=takes_out())`."""
    return {TAKES_OUT: True}


def recorded_routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """The operations that leave a leaf: all whose method is not one for reading, and what takes something out."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and (
                set(route.methods or ()) - READS or TAKES_OUT in (route.openapi_extra or {})
            ):
                yield route
