"""`/health` and `/openapi.json`: what anyone may ask."""

from typing import Any

from fastapi import APIRouter, Request

from biometric_flow import __version__
from biometric_flow.api.gateway import GatewayHealth
from biometric_flow.gateway.access import needs
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.identity.rbac import Permission
from biometric_flow.runtime.database import Database, DatabaseUnavailable
from biometric_flow.runtime.leaving import Leaving


def health_router(database: Database, leaving: Leaving) -> APIRouter:
    """Operations that need no credential."""
    router = APIRouter(tags=["health"])

    @router.get("/health", openapi_extra=needs(Permission.PUBLIC))
    async def health() -> GatewayHealth:
        """Is the gateway well? Answers 200 as long as the process serves; `status` says how well."""
        is_there = await database.answers()
        return GatewayHealth(
            status="ok" if is_there else "degraded",
            version=__version__,
            database="ok" if is_there else "unavailable",
        )

    @router.get("/health/live", openapi_extra=needs(Permission.PUBLIC), status_code=204)
    async def live() -> None:
        """The process serves. One that does not answer should be started again."""

    @router.get("/health/ready", openapi_extra=needs(Permission.PUBLIC), status_code=204, responses=problems())
    async def ready() -> None:
        """Requests can be answered: 503 while the database is away or this instance ends, so that another is asked."""
        leaving.refuse()
        if not await database.answers():
            raise DatabaseUnavailable("the database does not answer; this instance is not ready")

    @router.get("/openapi.json", openapi_extra=needs(Permission.PUBLIC), include_in_schema=False)
    async def document(request: Request) -> dict[str, Any]:
        """This API's OpenAPI document."""
        described: dict[str, Any] = request.app.openapi()
        return described

    return router
