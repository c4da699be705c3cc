"""`/v1/overview`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from biometric_flow.api.gateway import Overview
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.overview import Overviews
from biometric_flow.gateway.routes.directory import NoQuery
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.identity.rbac import Permission


def overview_router(overviews: Overviews) -> APIRouter:
    """The operation of the overview page."""
    router = APIRouter(tags=["overview"])

    @router.get("/v1/overview", openapi_extra=needs(Permission.OVERVIEW_READ), responses=problems(401, 403))
    async def overview(query: Annotated[NoQuery, Query()], request: Request) -> Overview:
        """What the places add up to today, each by its own clock; places that are silent are named and left out."""
        return await overviews.of(account_of(request).tenant)

    return router
