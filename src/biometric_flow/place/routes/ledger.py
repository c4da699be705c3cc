"""The ledger itself, for whoever keeps a copy."""

from typing import Annotated

from fastapi import APIRouter, Query

from biometric_flow.api.place import LedgerPage
from biometric_flow.place.state import State
from biometric_flow.place.uplink import wire

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
