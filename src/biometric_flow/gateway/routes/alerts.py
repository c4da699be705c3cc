"""`/v1/alerts` and `/v1/alert-channels`: what is wrong, who takes care of it, and where it is told."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.alerts import AlertView, Channel, ChannelWanted, QuietHours
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.alerts.channels import Couriers, service_of
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.store import alerts
from biometric_flow.gateway.store.words import Said
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.acting import becomes
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


class AlertUnknown(BiometricFlowError):
    """There is no such alert, or none that the caller may see."""

    code = "alert.unknown"


class ChannelUnknown(BiometricFlowError):
    """There is no such channel."""

    code = "alert.channel_unknown"


class AlertQuery(BaseModel):
    """Which alerts."""

    model_config = ConfigDict(extra="forbid")

    is_open: bool = Field(True, alias="open", description="false: those that are over as well.")
    limit: int = Field(100, ge=1, le=1000)


def alerts_router(database: Database, couriers: Couriers, clock: Clock) -> APIRouter:
    """Operations of alerts."""
    router = APIRouter(tags=["alerts"], dependencies=STRICT)
    configures = needs(Permission.ALERT_CONFIGURE)

    @router.get("/v1/alerts", openapi_extra=needs(Permission.ALERT_READ, shows="alert"), responses=problems(401, 403))
    async def listed(query: Annotated[AlertQuery, Query()], request: Request) -> list[AlertView]:
        """What is wrong, newest first; of the places that the caller reaches."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await alerts.listed(connection, is_open=query.is_open, limit=query.limit)
        return [alert_view(row) for row in rows]

    @router.post(
        "/v1/alerts/{alert}/acknowledge",
        openapi_extra=needs(Permission.ALERT_ACKNOWLEDGE),
        responses=problems(401, 403, 404),
    )
    async def acknowledge(alert: UUID, request: Request) -> AlertView:
        """Say that somebody takes care of it: it is not told again until it is over."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            row = await alerts.acknowledge(connection, alert, principal.account, clock.now())
            if row is None:
                raise AlertUnknown("expected the id of an alert, there is none with this")
            becomes(alert_view(row))
        return alert_view(row)

    @router.get("/v1/alert-channels", openapi_extra=configures, responses=problems(401, 403))
    async def channels(request: Request) -> list[Channel]:
        """Where alerts are told, and whether it works."""
        async with database.tenant(account_of(request).tenant) as connection:
            return [_channel(row) for row in await alerts.channels(connection)]

    @router.put("/v1/alert-channels/{name}", openapi_extra=configures, responses=problems(400, 401, 403))
    async def save(name: Slug, wanted: ChannelWanted, request: Request) -> Channel:
        """Make or replace a channel; it is told from the next alert on."""
        tenant, url = account_of(request).tenant, wanted.url.get_secret_value()
        await couriers.check(url)
        quiet = None if wanted.quiet is None else wanted.quiet.model_dump(mode="json")
        async with database.tenant(tenant) as connection:
            await alerts.save_channel(connection, tenant, name, url=url, quiet=quiet, is_enabled=wanted.is_enabled)
            [row] = [one for one in await alerts.channels(connection) if one.name == name]
            becomes(_channel(row))
        return _channel(row)

    @router.post("/v1/alert-channels/{name}/test", openapi_extra=configures, responses=problems(401, 403, 404, 502))
    async def test(name: Slug, request: Request) -> Channel:
        """Send a message there now and say whether it was taken."""
        async with database.tenant(account_of(request).tenant) as connection:
            found = [one for one in await alerts.channels(connection) if one.name == name]
        if not found:
            raise ChannelUnknown("expected the name of a channel, there is none with this")
        await couriers.send(found[0].url, "BiometricFlow: a test", "Alerts arrive here.")
        return _channel(found[0])

    @router.delete(
        "/v1/alert-channels/{name}", openapi_extra=configures, responses=problems(401, 403, 404), status_code=204
    )
    async def remove(name: Slug, request: Request) -> None:
        """Remove a channel, with what waits for it."""
        async with database.tenant(account_of(request).tenant) as connection:
            if not await alerts.remove_channel(connection, name):
                raise ChannelUnknown("expected the name of a channel, there is none with this")

    return router


def alert_view(row: Said) -> AlertView:
    """One alert."""
    return AlertView(
        id=row.alert_id,
        kind=row.kind,
        place=row.place_id,
        subject=row.subject,
        text=row.text,
        is_urgent=row.is_urgent,
        raised_at=row.raised_at,
        told_at=row.told_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
    )


def _channel(row: Said) -> Channel:
    quiet = None if row.quiet is None else QuietHours.model_validate(row.quiet)
    return Channel(
        name=row.name,
        service=service_of(row.url),
        quiet=quiet,
        is_enabled=row.is_enabled,
        waiting=row.waiting,
        failure=row.failure,
    )
