"""`/metrics` and `/health/full`: how this gateway is, for Prometheus and for whoever keeps it running."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from biometric_flow.api.gateway import FullHealth, PlaceCondition
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.hub import Hub
from biometric_flow.gateway.links import Links
from biometric_flow.gateway.metrics import Meter, PlaceMeasured, ProcessMeasured, QuotaMeasured, breakers, exposition
from biometric_flow.gateway.pathless import pathless
from biometric_flow.gateway.place_calls import PlaceCalls
from biometric_flow.gateway.quotas import Quotas, used
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.store import places
from biometric_flow.gateway.store.words import Said
from biometric_flow.gateway.traffic.remembered import Memory
from biometric_flow.gateway.traffic.shedding import Shedder
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.backup_drill import Trouble
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


def metrics_router(
    database: Database,
    registry: Registry,
    hub: Hub,
    links: Links,
    calls: PlaceCalls,
    shedder: Shedder,
    memory: Memory,
    troubles: Callable[[], list[Trouble]],
    archive: Callable[[TenantId], list[Trouble]],
    quotas: Quotas,
    clock: Clock,
) -> APIRouter:
    """Operations about the process itself; `app.state.meter` has counted."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        openapi_extra=needs(Permission.METRICS_READ),
        response_class=Response,
        responses={**problems(401, 403), 200: {"description": "Text form.", "content": {"text/plain": {}}}},
    )
    async def metrics(request: Request) -> Response:
        """Counts in the text form of Prometheus; of places, those of the caller's tenant."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            rows = await places.listed(connection)
            taken = await used(connection)
        measured = [
            PlaceMeasured(
                row.place_id,
                row.last_heard,
                row.position,
                row.head,
                len(links.of(tenant, PlaceId(row.place_id))),
            )
            for row in rows
        ]
        listeners, waiting = hub.listeners(tenant)
        process = ProcessMeasured(
            shedder.under_way, shedder.capacity, shedder.shed, listeners, waiting, memory, len(troubles())
        )
        meter: Meter = request.app.state.meter
        share = QuotaMeasured(taken, quotas.of(tenant))
        text = exposition(meter, process, measured, calls, share, clock.now(), clock.monotonic())
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/health/full", openapi_extra=needs(Permission.PLACE_READ), responses=problems(401, 403))
    async def full(request: Request) -> FullHealth:
        """Every place with its link, its breakers and how far its ledger is held, and what is missing since when."""
        tenant, now, second = account_of(request).tenant, clock.now(), clock.monotonic()
        async with database.tenant(tenant) as connection:
            rows = await places.listed(connection)

        def condition(row: Said) -> PlaceCondition:
            place = PlaceId(row.place_id)
            return PlaceCondition(
                place=place,
                is_reporting=registry.is_reporting(row.last_heard, now),
                last_heard=row.last_heard,
                held=row.position,
                head=row.head,
                links=len(links.of(tenant, place)),
                breakers=dict(breakers(calls, place, second)),
            )

        known = [condition(row) for row in rows]
        silent = [one.place for one in known if not one.is_reporting]
        backups = [f"{row.name}: {row.backup}" for row in rows if row.backup]
        backups = list(map(pathless, [*backups, *(f"the gateway: {one.text}" for one in troubles())]))
        hot = [pathless(one.text) for one in archive(tenant)]
        status: Literal["ok", "degraded"] = "degraded" if silent or backups or hot else "ok"
        return FullHealth(status=status, places=known, missing=silent, backups=backups, archive=hot)

    return router
