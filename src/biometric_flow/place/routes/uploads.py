"""The archive of uploads, and the work codes that terminals told."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from biometric_flow.api.uploads import ArchivedUploadView, ReplayResult, WorkCodeName, WorkCodeView
from biometric_flow.place.errors import TerminalUnknown
from biometric_flow.place.push.replay import replay
from biometric_flow.place.routes.push import Push
from biometric_flow.place.state import State
from biometric_flow.runtime.acting import takes_out

router = APIRouter(prefix="/v1", tags=["push"])

_NEWEST = 2**62


@router.get("/uploads")
async def list_uploads(
    push: Push,
    terminal: Annotated[str | None, Query(max_length=32, description="Serial number.")] = None,
    table: Annotated[str | None, Query(max_length=32, description="In capitals, such as ATTLOG.")] = None,
    before: Annotated[int, Query(gt=0, le=_NEWEST, description="Numbers below this only.")] = _NEWEST,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ArchivedUploadView]:
    """What terminals uploaded, newest first, and what became of it."""
    found = await push.desk.archive.listed(terminal, table, before, limit)
    return [ArchivedUploadView.model_validate(one, from_attributes=True) for one in found]


@router.get("/uploads/{number}/body", response_class=Response, openapi_extra=takes_out())
async def read_body(number: int, push: Push) -> Response:
    """The body as it came, without templates, pictures, passwords and identity cards."""
    _, body = await push.desk.archive.get(number)
    return Response(body, media_type="application/octet-stream")


@router.post("/uploads/{number}/replay")
async def replay_upload(number: int, state: State, push: Push) -> ReplayResult:
    """Take an archived upload in once more; it becomes the same punches, so that nothing is new."""
    upload, body = await push.desk.archive.get(number)
    entry = next((one for one in state.roster if one.serial == upload.terminal), None)
    if entry is None:
        raise TerminalUnknown(f"expected a terminal of this place with the serial number {upload.terminal}, got none")
    return await replay(push.desk.intake, entry, upload, body, state.place.tenant)


@router.get("/work-codes")
async def list_work_codes(
    push: Push, terminal: Annotated[str | None, Query(max_length=32, description="Serial number.")] = None
) -> list[WorkCodeView]:
    """Names of the work codes that stand beside punches, by code."""
    return [
        WorkCodeView(terminal=serial, code=code, name=name, seen_at=seen)
        for serial, code, name, seen in push.desk.reader.work_codes(terminal)
    ]


@router.put("/work-codes/{code}")
async def name_work_code(
    code: Annotated[str, Path(pattern="^[0-9A-Za-z_-]{1,24}$")], given: WorkCodeName, state: State
) -> WorkCodeView:
    """Name a work code for the whole place; on the pull channel their table has no public layout."""
    now = state.clock.now()
    await state.writer.call(state.work_codes.name, code, given.name, now)
    return WorkCodeView(terminal="", code=code, name=given.name, seen_at=now)
