"""Checkpoints, tiles and receipts: what lets anybody check this gateway and its places."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from biometric_flow.api.gateway import (
    CheckpointUpload,
    CosignedCheckpoint,
    DecidedLog,
    NewLogOrder,
    OutsideWitnessView,
    PlaceLog,
    RefusedCheckpoint,
)
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs, place_of
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.store import checkpoints
from biometric_flow.gateway.succession import Succession
from biometric_flow.gateway.witness import Witness
from biometric_flow.identity.rbac import Permission
from biometric_flow.ledger.merkle import read_tile_path
from biometric_flow.model.ids import PlaceId, PunchId
from biometric_flow.runtime.acting import takes_out
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.web import NotFound

PunchHex = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The punch's id.")]


LogNumber = Annotated[
    int | None, Query(ge=1, le=10_000, description="Which of the place's logs; the one that goes on.")
]


def ledger_router(database: Database, witness: Witness, succession: Succession, clock: Clock) -> APIRouter:
    """Operations of the witness."""
    router = APIRouter(tags=["ledger"])
    declared = needs(Permission.LEDGER_READ)

    @router.put(
        "/v1/places/{place}/checkpoint",
        openapi_extra=needs(Permission.LEDGER_WRITE, trail="the log of checkpoints, and the refused ones as evidence"),
        responses=problems(400, 401, 403, 404, 409, 413),
    )
    async def show(place: Slug, shown: CheckpointUpload, request: Request) -> CosignedCheckpoint:
        """Have a place's checkpoint cosigned; the answer comes once it is logged durably."""
        caller = place_of(request)
        note = await witness.take(caller.tenant, caller.place, shown.note, shown.key, clock.now())
        return CosignedCheckpoint(note=str(note), key=str(witness.key))

    @router.get(
        "/v1/places/{place}/checkpoint",
        openapi_extra=declared,
        response_class=PlainTextResponse,
        responses=problems(401, 403, 404),
    )
    async def read_checkpoint(place: Slug, request: Request, log: LogNumber = None) -> str:
        """The last checkpoint of a place, cosigned."""
        return await witness.newest(account_of(request).tenant, PlaceId(place), log)

    @router.get("/v1/places/{place}/logs", openapi_extra=declared, responses=problems(401, 403, 404))
    async def list_logs(place: Slug, request: Request) -> list[PlaceLog]:
        """The logs of a place, oldest first: one, until an operator has ended it."""
        return await witness.logs(account_of(request).tenant, PlaceId(place))

    @router.post(
        "/v1/places/{place}/logs",
        openapi_extra=needs(Permission.LEDGER_DECIDE),
        responses=problems(400, 401, 403, 404, 409),
    )
    async def end_log(place: Slug, order: NewLogOrder, request: Request) -> DecidedLog:
        """Decide that a place may begin another log: the signed note with which `ledger new-log` begins it.

        The log that goes on ends when the first entry of the next one arrives. Everything that is held of it stays.
        """
        caller = account_of(request)
        note = await succession.decide(
            caller.tenant, PlaceId(place), order.key, f"account:{caller.account}", order.reason
        )
        return DecidedLog(note=str(note))

    @router.get(
        "/v1/places/{place}/tile/{path:path}",
        openapi_extra=declared,
        response_class=Response,
        responses=problems(401, 403, 404),
    )
    async def read_tile(place: Slug, path: str, request: Request, log: LogNumber = None) -> Response:
        """A tile of the replica's tree or a bundle of its leaves (C2SP tlog-tiles)."""
        try:
            tile, is_bundle = read_tile_path(path)
        except ValueError as error:
            raise NotFound(str(error)) from None
        content = await witness.tile(account_of(request).tenant, PlaceId(place), tile, log, is_bundle=is_bundle)
        return Response(content, media_type="application/octet-stream")

    @router.get(
        "/v1/places/{place}/checkpoints/refused",
        openapi_extra=declared,
        responses=problems(401, 403),
    )
    async def list_refused(place: Slug, request: Request) -> list[RefusedCheckpoint]:
        """Checkpoints that were not cosigned, with the reason: evidence of a second history."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await checkpoints.refused(connection, PlaceId(place))
        return [RefusedCheckpoint(note=row.note, reason=row.reason, received_at=row.received_at) for row in rows]

    @router.get(
        "/v1/ledger/checkpoint",
        openapi_extra=declared,
        response_class=PlainTextResponse,
        responses=problems(401, 403, 404),
    )
    async def read_own_checkpoint(
        request: Request,
        witnessed: Annotated[bool, Query(description="The last one that a witness outside has cosigned.")] = False,
    ) -> str:
        """The last checkpoint of the gateway's own log, whose leaves are the checkpoints of this tenant's places.

        Cosignatures of witnesses outside stand in it once they were given.
        """
        return await witness.own(account_of(request).tenant, is_witnessed=witnessed)

    @router.get("/v1/ledger/witnesses", openapi_extra=declared, responses=problems(401, 403))
    async def list_witnesses(request: Request) -> list[OutsideWitnessView]:
        """Who outside cosigns the gateway's own log, how far, and what is wrong."""
        return await witness.outside(account_of(request).tenant)

    @router.get(
        "/v1/ledger/tile/{path:path}",
        openapi_extra=declared,
        response_class=Response,
        responses=problems(401, 403, 404),
    )
    async def read_own_tile(path: str, request: Request) -> Response:
        """A tile of the gateway's own log or a bundle of its leaves, the places' checkpoints (C2SP tlog-tiles)."""
        try:
            tile, is_bundle = read_tile_path(path)
        except ValueError as error:
            raise NotFound(str(error)) from None
        content = await witness.own_tile(account_of(request).tenant, tile, is_bundle=is_bundle)
        return Response(content, media_type="application/octet-stream")

    @router.get(
        "/v1/ledger/keys", openapi_extra=declared, response_class=PlainTextResponse, responses=problems(401, 403)
    )
    async def read_keys(request: Request) -> str:
        """The keys that verify the gateway's cosignatures and its own log, a line each."""
        return f"{witness.key}\n{witness.log_key(account_of(request).tenant)}\n"

    @router.get(
        "/v1/punches/{punch}/receipt",
        openapi_extra=needs(Permission.PUNCH_READ) | takes_out(),
        response_class=PlainTextResponse,
        responses=problems(401, 403, 404, 409),
    )
    async def read_receipt(punch: PunchHex, request: Request) -> str:
        """The receipt of a punch: a C2SP tlog-proof file that anybody can verify offline."""
        return await witness.receipt(account_of(request).tenant, PunchId(bytes.fromhex(punch)))

    @router.get(
        "/v1/punches/{punch}/receipt/witnesses",
        openapi_extra=needs(Permission.PUNCH_READ) | takes_out(),
        response_class=PlainTextResponse,
        responses=problems(401, 403, 404, 409),
    )
    async def read_witness_receipt(punch: PunchHex, request: Request) -> str:
        """That witnesses outside have seen the checkpoint over a punch: a C2SP tlog-proof of the gateway's own log."""
        return await witness.witness_receipt(account_of(request).tenant, PunchId(bytes.fromhex(punch)))

    return router
