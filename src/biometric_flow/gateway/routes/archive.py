"""`/v1/archive/...`: cold punches in Parquet files: make, list, check against the ledger, bring back."""

from fastapi import APIRouter, Request

from biometric_flow.api.archive import Archived, ArchiveFile, ArchiveVerified, ArchiveWanted, Restored
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.archive.mover import Mover
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.identity.rbac import Permission


def archive_router(mover: Mover) -> APIRouter:
    """Operations of the archive."""
    router = APIRouter(tags=["archive"])
    reads, writes = needs(Permission.PRIVACY_READ), needs(Permission.PRIVACY_WRITE)

    @router.get("/v1/archive/files", openapi_extra=reads, responses=problems(401, 403))
    async def list_files(request: Request) -> list[ArchiveFile]:
        """All archived files, by place and month."""
        return await mover.files(account_of(request).tenant)

    @router.post("/v1/archive/files", openapi_extra=writes, responses=problems(400, 401, 403, 409, 503))
    async def create(wanted: ArchiveWanted, request: Request) -> Archived:
        """Move punches that are older than so many whole months; they are told as before. Ask again while `is_more`."""
        made, is_more = await mover.create(account_of(request).tenant, wanted.months, wanted.files)
        return Archived(files=made, is_more=is_more)

    @router.get("/v1/archive/files/{file}/verified", openapi_extra=reads, responses=problems(401, 403, 409, 503))
    async def verify(file: str, request: Request) -> ArchiveVerified:
        """Check every row of a file against the tree of its place's ledger; the first bad one is named."""
        return await mover.verify(account_of(request).tenant, file)

    @router.post("/v1/archive/files/{file}/restore", openapi_extra=writes, responses=problems(400, 401, 403, 409, 503))
    async def restore(file: str, request: Request) -> Restored:
        """Make a file's punches hot again."""
        return Restored(file=file, rows=await mover.restore(account_of(request).tenant, file))

    return router
