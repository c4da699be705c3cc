"""The ledger itself, for whoever keeps a copy: entries, checkpoint and tiles (C2SP tlog-tiles)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from biometric_flow.api.place import LedgerPage
from biometric_flow.ledger.merkle import TILE_WIDTH, bundle, is_within, read_tile_path
from biometric_flow.place.state import State
from biometric_flow.place.uplink import wire
from biometric_flow.runtime.web import NotFound

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])


@router.get("/entries")
async def list_entries(
    state: State,
    after: Annotated[int, Query(ge=0, description="The position that the first entry follows.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> LedgerPage:
    """Entries after a position, in order. Each can be checked by its bytes alone, see docs/ledger.md."""
    entries = state.reader.entries(after, limit)
    return LedgerPage(head=state.reader.head(), entries=[wire(entry) for entry in entries])


@router.get("/key", response_class=PlainTextResponse)
async def read_key(state: State) -> str:
    """The public key that signs this place's checkpoints, as a C2SP vkey."""
    return f"{state.ledger_key}\n"


@router.get("/checkpoint", response_class=PlainTextResponse)
async def read_checkpoint(state: State) -> str:
    """The last signed checkpoint, with cosignatures once there are some."""
    signed = state.reader.tree.newest()
    if signed is None:
        raise NotFound("nothing was recorded and signed so far")
    return str(signed.note)


@router.get("/tile/{path:path}", response_class=Response)
async def read_tile(state: State, path: str) -> Response:
    """A tile of the tree or a bundle of its leaves, as far as the last checkpoint reaches."""
    signed = state.reader.tree.newest()
    try:
        tile, is_bundle = read_tile_path(path)
    except ValueError as error:
        raise NotFound(str(error)) from None
    if signed is None or not is_within(tile, signed.size):
        raise NotFound(f"the last checkpoint is over {signed.size if signed else 0} leaves: it has no such tile")
    if is_bundle:
        content = bundle(entry.leaf for entry in state.reader.entries(tile.index * TILE_WIDTH, tile.width))
    else:
        content = b"".join(state.reader.tree.tile(tile))
    return Response(content, media_type="application/octet-stream")
