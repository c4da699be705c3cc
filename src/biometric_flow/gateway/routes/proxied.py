"""`/v1/places/{place}/...`: what only the place itself can answer, asked there for the caller."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from starlette.responses import Response, StreamingResponse

from biometric_flow.api.jobs import JobOrder, JobView
from biometric_flow.api.offered import (
    DISMISS,
    HEALTH,
    JOB,
    JOBS,
    LIVE,
    OFFERED,
    ORDER,
    QUARANTINE,
    ROLLOUTS,
    TERMINAL,
    TERMINALS,
    Offer,
)
from biometric_flow.api.place import PlaceHealth, QuarantinedRow, TerminalView
from biometric_flow.api.rollouts import RolloutView
from biometric_flow.gateway.access import AccountPrincipal, account_of, needs
from biometric_flow.gateway.place_calls import PlaceCalls, PlaceRequest
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.succession import PlaceUnknown
from biometric_flow.identity.grants import Scope, ScopeKind
from biometric_flow.identity.job_kinds import NEEDED
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.deadline import timeout_of
from biometric_flow.runtime.logging import bind_request
from biometric_flow.runtime.web import Forbidden

_SENT: Final = ("content-type", "accept", "if-none-match", "if-match", "last-event-id")
_PROBLEMS: Final = (400, 401, 403, 404, 409, 413, 422, 429, 502, 503, 504)


class UpgradeNeeded(BiometricFlowError):
    """A link is a WebSocket."""

    code = "link.upgrade_needed"


PERMISSIONS: Final[dict[Offer, Permission]] = {
    HEALTH: Permission.PLACE_READ,
    TERMINALS: Permission.TERMINAL_READ,
    TERMINAL: Permission.TERMINAL_READ,
    DISMISS: Permission.TERMINAL_OPERATE,
    JOBS: Permission.TERMINAL_READ,
    JOB: Permission.TERMINAL_READ,
    ORDER: Permission.TERMINAL_OPERATE,
    QUARANTINE: Permission.PUNCH_READ,
    ROLLOUTS: Permission.TERMINAL_READ,
    LIVE: Permission.PUNCH_READ,
}

_MODELS: Final[dict[Offer, Any]] = {
    HEALTH: PlaceHealth,
    TERMINALS: list[TerminalView],
    TERMINAL: TerminalView,
    JOBS: list[JobView],
    JOB: JobView,
    ORDER: JobView,
    QUARANTINE: list[QuarantinedRow],
    ROLLOUTS: list[RolloutView],
}
_STATUS: Final = {ORDER: 202, DISMISS: 204}


def proxied_router(calls: PlaceCalls, clock: Clock) -> APIRouter:
    """Operations that travel to a place."""
    router = APIRouter(tags=["at the place"])
    for offer in OFFERED:
        router.add_api_route(
            offer.at_gateway,
            _endpoint(calls, offer, clock),
            methods=[offer.method],
            name=f"{offer.method.lower()}{offer.at_gateway.replace('/', '_')}",
            description="Asked at the place itself; 503 while no way leads there, 504 when it is too slow.",
            openapi_extra={**needs(PERMISSIONS[offer]), **_described(offer)},
            status_code=_STATUS.get(offer, 200),
            response_model=None,
            response_class=Response,
            responses={**problems(*_PROBLEMS), **_answers(offer)},
        )

    @router.get("/v1/places/{place}/link", openapi_extra=needs(Permission.LEDGER_WRITE), responses=problems(401, 426))
    async def link(place: str) -> None:
        """The WebSocket that a place keeps open: uploads and answers up, questions down."""
        raise UpgradeNeeded(f"expected a WebSocket at the link of {place}, got a plain request")

    return router


def _answers(offer: Offer) -> dict[int | str, dict[str, Any]]:
    if offer.kind == "stream":
        return {
            200: {"description": "Server-sent events `punch` and `terminal`.", "content": {"text/event-stream": {}}}
        }
    return {_STATUS.get(offer, 200): {"model": _MODELS[offer]}} if offer in _MODELS else {}


def _described(offer: Offer) -> dict[str, Any]:
    names = [part[1:-1] for part in offer.at_gateway.split("/") if part.startswith("{")]
    described: dict[str, Any] = {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    }
    if offer in (JOBS, QUARANTINE, ROLLOUTS):
        described["parameters"].append({"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1}})
    if offer is ORDER:
        described["x-permission-by-kind"] = {kind: permission.value for kind, permission in sorted(NEEDED.items())}
    return described


def _endpoint(calls: PlaceCalls, offer: Offer, clock: Clock) -> Callable[..., Awaitable[Response]]:
    async def ask(request: Request) -> Response:
        answer = await calls.ask(await _request(calls, offer, clock, request))
        return Response(answer.body, answer.status, dict(answer.headers))

    async def order(request: Request, order: Annotated[JobOrder, Body()]) -> Response:
        asked, caller = await _request(calls, offer, clock, request), account_of(request)
        needed = NEEDED[order.kind]
        reach = caller.reach(needed, clock.now())
        if reach is None or not reach.covers(Scope(ScopeKind.PLACE, asked.place)):
            raise Forbidden(f"expected a grant with {needed} for this place beside {PERMISSIONS[offer]}: {order.kind}")
        answer = await calls.ask(asked)
        return Response(answer.body, answer.status, dict(answer.headers))

    if offer.kind == "stream":
        return _stream(calls, offer, clock)
    return order if offer is ORDER else ask


def _stream(calls: PlaceCalls, offer: Offer, clock: Clock) -> Callable[[Request], Awaitable[Response]]:
    async def ask(request: Request) -> Response:
        stream = await calls.stream(await _request(calls, offer, clock, request))
        chunks = _until(stream.chunks, account_of(request).expires_at, clock)
        return StreamingResponse(chunks, stream.status, {"X-Accel-Buffering": "no", **dict(stream.headers)})

    return ask


async def _until(chunks: Any, end: datetime, clock: Clock) -> Any:
    """A stream ends with the access token of whoever reads it; a place says something every ten seconds."""
    try:
        async for chunk in chunks:
            yield chunk
            if clock.now() >= end:
                return
    finally:
        await chunks.aclose()


async def _request(calls: PlaceCalls, offer: Offer, clock: Clock, request: Request) -> PlaceRequest:
    caller: AccountPrincipal = account_of(request)
    place = PlaceId(request.path_params["place"])
    reach = caller.standing.reach(PERMISSIONS[offer], clock.now())
    if not calls.knows(caller.tenant, place) or reach is None or not reach.covers(Scope(ScopeKind.PLACE, place)):
        raise PlaceUnknown(f"there is no place {place}")
    bind_request(place=place)
    waits = timeout_of(request.scope)
    raw = (request.scope.get("raw_path") or request.url.path.encode()).split(b"?")[0].decode("latin-1")
    inside = raw.split(f"/places/{place}", 1)[1]
    path = inside if offer is HEALTH else "/v1" + inside
    query = request.scope["query_string"].decode("latin-1")
    return PlaceRequest(
        caller.tenant,
        place,
        offer,
        f"{path}?{query}" if query else path,
        await request.body(),
        tuple((name, value) for name in _SENT if (value := request.headers.get(name)) is not None),
        f"account:{caller.account}",
        request.state.request_id,
        None if waits is None else waits / 1000,
    )
