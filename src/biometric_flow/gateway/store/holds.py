"""Legal holds as they are stored: sealed whole under the tenant's key, about a person by their id."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.retention import Hold
from biometric_flow.gateway.store import directory
from biometric_flow.gateway.store.privacy_tables import legal_hold
from biometric_flow.gateway.store.words import HOLD, opened, sealed
from biometric_flow.model.ids import TenantId

GONE: Final = "erased"
"""Whom a hold was about who is not in the register any more."""


async def every(connection: AsyncConnection) -> list[Hold]:
    """All there ever were, newest first; `who` is an employee number, or says that the person is gone."""
    found = await _bodies(connection)
    known = await directory.look(connection)
    return sorted((_told(one, known) for one in found.values()), key=lambda one: one.placed_at, reverse=True)


async def put(connection: AsyncConnection, tenant: TenantId, hold: Hold) -> None:
    """Keep a hold as it is now, about a person by their id."""
    body = hold.model_dump(mode="json")
    if hold.scope == "person" and hold.who != GONE:
        body["who"] = str((await directory.look(connection)).with_number(hold.who) or GONE)
    [row] = await sealed(connection, HOLD, [{"tenant_id": tenant, "hold_id": hold.id, "body": body}])
    kept = insert(legal_hold).values(row)
    new = {"body": row["body"]}
    await connection.execute(kept.on_conflict_do_update(index_elements=["tenant_id", "hold_id"], set_=new))


async def unname(connection: AsyncConnection, person_id: UUID) -> None:
    """Forget whom holds were about who is erased: that there was a hold, and why, stays."""
    mine = {
        hold_id: {**body, "who": GONE}
        for hold_id, body in (await _bodies(connection)).items()
        if body["scope"] == "person" and body["who"] == str(person_id)
    }
    rows = [{"hold_id": hold_id, "body": body} for hold_id, body in mine.items()]
    for row in await sealed(connection, HOLD, rows):
        this = update(legal_hold).where(legal_hold.c.hold_id == row["hold_id"])
        await connection.execute(this.values(body=row["body"]))


async def _bodies(connection: AsyncConnection) -> dict[str, dict[str, Any]]:
    rows = await opened(connection, HOLD, await connection.execute(select(legal_hold)))
    return {row.hold_id: row.body for row in rows}


def _told(body: dict[str, Any], known: directory.Directory) -> Hold:
    hold = Hold.model_validate(body)
    if hold.scope != "person" or hold.who == GONE:
        return hold
    found = known.number_of(UUID(hold.who))
    return hold.model_copy(update={"who": found.number if found else GONE})
