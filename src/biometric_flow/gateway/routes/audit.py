"""`/v1/audit`: what was done and refused, for people to read and for anybody to check."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.audit import AuditEntry, AuditPage
from biometric_flow.api.place import LedgerEntry, LedgerPage
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.trail import AuditTrail
from biometric_flow.identity.rbac import Permission
from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.decisions import OperationDone
from biometric_flow.ledger.events import decode
from biometric_flow.ledger.merkle import read_tile_path
from biometric_flow.runtime.web import NotFound


class AuditQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, lt=2**63, description="The position that the first entry follows.")
    limit: int = Field(100, ge=1, le=1000)


def audit_router(trail: AuditTrail) -> APIRouter:
    """Operations of the audit trail; all of them read."""
    router = APIRouter(tags=["audit"])
    declared = needs(Permission.AUDIT_READ)

    @router.get("/v1/audit", openapi_extra=declared, responses=problems(401, 403))
    async def read_trail(query: Annotated[AuditQuery, Query()], request: Request) -> AuditPage:
        """What was done and refused, oldest first."""
        tenant = account_of(request).tenant
        found = await trail.page(tenant, query.after, query.limit)
        return AuditPage(head=await trail.size(tenant), items=[_view(entry) for entry in found])

    @router.get("/v1/audit/entries", openapi_extra=declared, responses=problems(401, 403))
    async def read_entries(query: Annotated[AuditQuery, Query()], request: Request) -> LedgerPage:
        """The same as leaves, records and openings, which can be checked by their bytes alone."""
        tenant = account_of(request).tenant
        found = await trail.page(tenant, query.after, query.limit)
        return LedgerPage(head=await trail.size(tenant), entries=[_wire(entry) for entry in found])

    @router.get(
        "/v1/audit/checkpoint",
        openapi_extra=declared,
        response_class=PlainTextResponse,
        responses=problems(401, 403, 404),
    )
    async def read_checkpoint(request: Request) -> str:
        """The signed checkpoint over all of it."""
        return await trail.checkpoint(account_of(request).tenant)

    @router.get("/v1/audit/key", openapi_extra=declared, response_class=PlainTextResponse, responses=problems(401, 403))
    async def read_key(request: Request) -> str:
        """What verifies that checkpoint, as a C2SP vkey."""
        return f"{trail.log_key(account_of(request).tenant)}\n"

    @router.get(
        "/v1/audit/tile/{path:path}",
        openapi_extra=declared,
        response_class=Response,
        responses=problems(401, 403, 404),
    )
    async def read_tile(path: str, request: Request) -> Response:
        """A tile of its tree or a bundle of its leaves (C2SP tlog-tiles)."""
        try:
            tile, is_bundle = read_tile_path(path)
        except ValueError as error:
            raise NotFound(str(error)) from None
        content = await trail.tile(account_of(request).tenant, tile, is_bundle=is_bundle)
        return Response(content, media_type="application/octet-stream")

    return router


def _view(entry: SealedEntry) -> AuditEntry:
    event = decode(entry.record)
    assert isinstance(event, OperationDone)
    return AuditEntry(
        sequence=entry.sequence,
        at=event.at,
        actor=event.actor,
        operation=event.operation,
        scope=dict(event.scope),
        request=event.request,
        source=event.source,
        result=event.result,
        before=event.before.hex(),
        after=event.after.hex(),
    )


def _wire(entry: SealedEntry) -> LedgerEntry:
    return LedgerEntry.model_construct(
        sequence=entry.sequence, leaf=entry.leaf, record=entry.record, opening=entry.opening
    )
