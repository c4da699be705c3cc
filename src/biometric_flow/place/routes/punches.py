"""Punches of this place, and the rows that were put aside."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import PlainTextResponse

from biometric_flow.api.moments import Instant
from biometric_flow.api.place import PunchPage, PunchView, QuarantinedRow, RowDecision
from biometric_flow.model.ids import PunchId, TerminalSerial, canonical_pin
from biometric_flow.model.punch import Punch
from biometric_flow.place.errors import CursorInvalid, PinInvalid
from biometric_flow.place.quarantine import Decision, Touch, punch_of
from biometric_flow.place.reader import PunchFilter
from biometric_flow.place.state import State
from biometric_flow.runtime.acting import takes_out

router = APIRouter(prefix="/v1", tags=["punches"])

BEFORE_ALL = (-(2**62), 0)


@router.get("/punches")
async def list_punches(
    state: State,
    since: Annotated[Instant | None, Query(alias="from", description="Included.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Not included.")] = None,
    pin: Annotated[str | None, Query(max_length=24)] = None,
    terminal: Annotated[str | None, Query(max_length=32, description="Serial number.")] = None,
    cursor: Annotated[str | None, Query(max_length=60)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> PunchPage:
    """Punches by instant, oldest first. A page's cursor stays valid while new punches arrive."""
    after = _position(cursor) if cursor else BEFORE_ALL
    found = state.reader.punches(PunchFilter(since, until, pin, terminal), after, limit + 1)
    items = found[:limit]
    following = None
    if len(found) > limit:
        sequence, last = items[-1]
        following = f"{int(last.instant.timestamp())}.{sequence}"
    return PunchPage(items=[punch_view(punch) for _, punch in items], next_cursor=following)


@router.get("/punches/{punch}/receipt", response_class=PlainTextResponse, openapi_extra=takes_out())
async def read_receipt(
    state: State, punch: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The punch's id.")]
) -> str:
    """The punch's receipt: a C2SP tlog-proof file that anybody can verify offline, see docs/ledger.md."""
    return state.reader.receipt(PunchId(bytes.fromhex(punch)))


@router.get("/quarantine")
async def list_quarantine(state: State, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[QuarantinedRow]:
    """Rows that could not become punches, newest first, with their bytes."""
    return [
        QuarantinedRow(
            id=row.hex(),
            decision=decision,
            terminal=terminal,
            reason=reason,
            detail=detail,
            raw=raw.hex(),
            first_seen=seen,
        )
        for terminal, reason, detail, raw, seen, row, decision in state.reader.quarantine(limit)
    ]


@router.post("/quarantine/{row}/decision", status_code=204)
async def decide(
    row: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The row's id.")],
    said: RowDecision,
    state: State,
) -> None:
    """Accept a row as the punch it is, or reject it. The decision and the punch are entries of the ledger."""
    now = state.clock.now()
    touch = None
    if said.touch is not None:
        given = said.touch
        try:
            pin = canonical_pin(given.pin)
        except ValueError as error:
            raise PinInvalid(str(error)) from error
        touch = Touch(pin, given.local_time.replace(microsecond=0), given.state, given.verify, given.work_code)

    def become(terminal: TerminalSerial) -> Punch | None:
        return None if touch is None else punch_of(touch, state.place.tenant, terminal, state.place.zone, now)

    word: Literal["accepted", "rejected"] = "rejected" if touch is None else "accepted"
    await state.writer.decide(Decision(bytes.fromhex(row), word, said.by, said.reason, now), become)


def punch_view(punch: Punch) -> PunchView:
    """A punch as the API shows it."""
    return PunchView(
        id=punch.id.hex(),
        terminal=punch.terminal,
        pin=punch.pin,
        local_time=punch.local_time,
        instant=punch.instant,
        state=punch.state,
        verify=punch.verify,
        work_code=punch.work_code,
        drift_ms=None if punch.drift is None else round(punch.drift.total_seconds() * 1000),
        received_at=punch.received_at,
        channel=punch.channel,
    )


def _position(cursor: str) -> tuple[int, int]:
    instant, _, sequence = cursor.partition(".")
    try:
        return int(instant), int(sequence)
    except ValueError:
        raise CursorInvalid(f"expected `next_cursor` of an earlier page, got {cursor!r}") from None
