"""The query behind a place's plan file."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.plan_file import PlanCorrection, PlanFile, PlanLeave, PlanPart
from biometric_flow.gateway.store import plans, register
from biometric_flow.gateway.store.hours_tables import leave_request, pin_holding, regularisation
from biometric_flow.gateway.store.words import LEAVE, REGULARISATION, apart_from


async def plan_of(connection: AsyncConnection, place_id: str, now: datetime) -> PlanFile:
    """The plan of everybody who holds a PIN at a place."""
    held = select(pin_holding.c.person_id).where(pin_holding.c.place_id == place_id).distinct()
    ids = list((await connection.execute(held)).scalars())
    people = await register.get(connection, ids)
    leaves = await connection.execute(
        select(*apart_from(LEAVE, leave_request))
        .where(leave_request.c.person_id.in_(ids), leave_request.c.status == "approved")
        .order_by(leave_request.c.first_day, leave_request.c.leave_id)
    )
    corrections = await connection.execute(
        select(*apart_from(REGULARISATION, regularisation))
        .where(regularisation.c.person_id.in_(ids), regularisation.c.status == "approved")
        .order_by(regularisation.c.number)
    )
    return PlanFile(
        schema=1,
        place=place_id,
        made_at=now,
        people=sorted(people.values(), key=lambda one: one.number),
        documents=[_part(row) for row in await plans.documents(connection)],
        packs=[row.body for row in await plans.packs(connection)],
        leaves=[
            PlanLeave.model_validate({name: getattr(row, name) for name in PlanLeave.model_fields}) for row in leaves
        ],
        corrections=[
            PlanCorrection.model_validate({name: getattr(row, name) for name in PlanCorrection.model_fields})
            for row in corrections
        ],
    )


def _part(row: object) -> PlanPart:
    return PlanPart.model_validate({name: getattr(row, name) for name in PlanPart.model_fields})
