"""Erasing a person here and at all their places, unless something has to stay (security-design E1, E3)."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.erasures import GatewayErasure, GatewayErasureWanted
from biometric_flow.api.retention import PlaceHold, Stay, in_force, stays
from biometric_flow.gateway.erasure_register import ErasureTold, Marks
from biometric_flow.gateway.people.errors import PersonUnknown
from biometric_flow.gateway.store import erasures, holds, places, privacy, register
from biometric_flow.gateway.store.words import Said
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import Action, acting_as
from biometric_flow.runtime.database import Database

SHARED: Final = "somebody else holds or held one of their PINs, which a place erases as a whole"
SHOWN: Final = 1000
"""Erasures in a list."""


class PinShared(BiometricFlowError):
    """Entries about one of the person's PINs are about somebody else too, and go only as a whole."""

    code = "privacy.pin_shared"


async def ask(
    connection: AsyncConnection, tenant: TenantId, wanted: GatewayErasureWanted, marks: Marks, now: datetime
) -> GatewayErasure:
    """Erase a person, or keep in mind that it was asked for while something stays. Raises PersonUnknown, PinShared."""
    await register.lock(connection, tenant)
    found = (await register.by_numbers(connection, [wanted.number])).get(wanted.number)
    if found is None:
        raise PersonUnknown("expected the number of somebody who works or worked here, nobody has it")
    shared = await erasures.shared_pin(connection, found.id)
    if shared is not None:
        raise PinShared(
            f"expected PINs that nobody else held, one at {shared} had another holder at another time;"
            " a place erases a PIN as a whole, the other's punches too: correct the holders, if they are wrong"
        )
    key = await erasures.of_person(connection, found.id)
    if key is None:
        key = secrets.token_bytes(16)
        await erasures.put(connection, tenant, key, found.id, wanted.by, wanted.reason, now)
    left = await _begin(connection, tenant, key, found.id, marks, now)
    return await _view(connection, await erasures.get(connection, key), left)


async def prepare(connection: AsyncConnection, tenant: TenantId) -> None:
    """Take the locks of `look`, for whoever does more in the same transaction before."""
    if await erasures.waiting(connection):
        await register.lock(connection, tenant)
        await places.lock_all(connection)


async def look(connection: AsyncConnection, tenant: TenantId, marks: Marks, now: datetime) -> int:
    """Begin the erasures that nothing holds back any more; how many."""
    waiting, begun = await erasures.waiting(connection), 0
    if waiting:
        await register.lock(connection, tenant)
    for row in waiting:
        begun += not await _begin(connection, tenant, row.erasure_id, row.person_id, marks, now)
    return begun


async def every(connection: AsyncConnection, now: datetime) -> list[GatewayErasure]:
    """All erasures, newest first, with what holds those that wait."""
    return [
        await _view(connection, row, await _stays(connection, row.person_id, now) if row.person_id else [])
        for row in await erasures.every(connection, SHOWN)
    ]


async def replay(database: Database, marks: Marks, told: Iterable[ErasureTold], now: datetime) -> int:
    """Do again in a database that was put back what had begun since; how many people it had brought back.

    Each tenant's audit log says so. Raises DatabaseUnavailable.
    """
    by_tenant: dict[TenantId, list[ErasureTold]] = {}
    for one in sorted(told, key=lambda one: one.begun_at):
        by_tenant.setdefault(one.tenant, []).append(one)
    total = 0
    for tenant, erased in by_tenant.items():
        action = Action("erase again what a backup brought back", now, actor="process:restore")
        with acting_as(action):
            async with database.tenant(tenant) as connection:
                missing = await erasures.not_begun(connection, erased)
                count = sum([await erasures.begin_again(connection, one, marks, now) for one in missing])
                action.about("erasures", str(len(missing)))
        total += count
    return total


async def _begin(
    connection: AsyncConnection, tenant: TenantId, key: bytes, person_id: UUID, marks: Marks, now: datetime
) -> list[Stay]:
    left = await _stays(connection, person_id, now)
    if not left:
        await erasures.begin(connection, tenant, key, person_id, marks, now)
    return left


async def _stays(connection: AsyncConnection, person_id: UUID, now: datetime) -> list[Stay]:
    about = [
        PlaceHold(hold=hold, pins=None)
        for hold in await holds.every(connection)
        if hold.ended_at is None
        and (hold.scope == "everybody" or person_id in await privacy.people_of(connection, hold))
    ]
    policy = in_force(await privacy.policies(connection), now.date())
    shared = await erasures.shared_pin(connection, person_id)
    others = [] if shared is None else [Stay(data="attendance", why=SHARED, until=None)]
    return others + stays("", await erasures.last_punch(connection, person_id), policy, about, now)


async def _view(connection: AsyncConnection, row: Said, left: list[Stay]) -> GatewayErasure:
    return GatewayErasure(
        erasure=row.erasure_id.hex(),
        by=row.decided_by,
        reason=row.reason,
        asked_at=row.asked_at,
        begun_at=row.begun_at,
        done_at=row.done_at,
        entries=row.entries,
        places=await erasures.places(connection, row.erasure_id),
        stays=left,
    )
