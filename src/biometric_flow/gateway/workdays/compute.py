"""Computes a person's workdays, stores what changed by its key, and says what would change."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import periods, workdays
from biometric_flow.gateway.workdays.loader import Loaded, Loader
from biometric_flow.gateway.workdays.records import difference, digest, to_body, to_date, to_day
from biometric_flow.model.ids import TenantId
from biometric_flow.policy.packs import PolicyPack
from biometric_flow.policy.planning import MARGIN, units
from biometric_flow.policy.planning import workdays as unit_workdays

SOON: Final = timedelta(minutes=15)
"""While somebody is at work, or may still come, their day is looked at again so often."""
_UNDECIDED: Final = ("in_progress", "pending")

Bodies = dict[date, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Computed:
    """The workdays from `first` to `last`; days that are not in `bodies` have none."""

    bodies: Bodies
    first: date
    last: date


def compute(loaded: Loaded, first: date, last: date, now: datetime) -> Computed:
    """All units on which punches of these days can bear. Pure, and the same in one piece, in parts and again."""
    low, high = to_day(first) - MARGIN, to_day(last) + MARGIN
    found = list(units(loaded.plan, low, high))
    as_of = int(now.timestamp())
    bodies = {
        to_date(day.day): to_body(day)
        for unit in found
        for day in unit_workdays(loaded.plan, unit, loaded.punches, as_of)
    }
    begins = min([low, *(unit.first for unit in found)])
    return Computed(bodies, to_date(begins), to_date(max([high, *(unit.last for unit in found)])))


async def recompute(
    loader: Loader,
    connection: AsyncConnection,
    tenant: TenantId,
    person_id: UUID,
    first: date,
    last: date,
    now: datetime,
) -> int:
    """Compute a person's workdays on which punches of these days can bear; how many are stored differently now.

    Days of a closed period keep what they showed; what they would be worth more or less becomes an adjustment.
    """
    loaded = await loader.load(connection, tenant, person_id, first, last)
    if loaded is None:
        return 0
    computed = await asyncio.to_thread(compute, loaded, first, last, now)
    changed = await _store(connection, tenant, person_id, computed)
    today = to_date(loaded.plan.zone.day(int(now.timestamp()) // 60))
    if last >= today - timedelta(days=MARGIN) and (
        not loaded.plan.rules or loaded.plan.rules[-1].last >= to_day(today)
    ):
        await workdays.recheck(connection, tenant, person_id, _next_look(loaded, computed.bodies, today, now))
    return changed


async def preview(
    loader: Loader,
    connection: AsyncConnection,
    tenant: TenantId,
    person_id: UUID,
    first: date,
    last: date,
    now: datetime,
    packs: Sequence[PolicyPack] = (),
    corrections: Sequence[Row[Any]] = (),
) -> list[tuple[date, dict[str, Any] | None, dict[str, Any] | None]]:
    """What would be stored differently, day by day: before and after. Nothing is stored."""
    loaded = await loader.load(connection, tenant, person_id, first, last, packs, corrections)
    if loaded is None:
        return []
    computed = await asyncio.to_thread(compute, loaded, first, last, now)
    stored: Bodies = await workdays.bodies(connection, person_id, computed.first, computed.last)
    days = sorted({*stored, *computed.bodies})
    pairs = [(day, stored.get(day), computed.bodies.get(day)) for day in days]
    return [(day, old, new) for day, old, new in pairs if _shown(old) != _shown(new)]


async def _store(connection: AsyncConnection, tenant: TenantId, person_id: UUID, computed: Computed) -> int:
    stored = await workdays.digests(connection, person_id, computed.first, computed.last)
    is_frozen = await frozen(connection)
    fresh = {day: digest(body) for day, body in computed.bodies.items()}
    changed = {day for day in {*stored, *fresh} if stored.get(day) != fresh.get(day)}
    await _adjust(connection, tenant, person_id, computed, {day for day in {*stored, *fresh} if is_frozen(day)})
    open_days = sorted(day for day in changed if not is_frozen(day))
    fit = {day: (computed.bodies[day], fresh[day]) for day in open_days if day in fresh}
    await workdays.put(connection, tenant, person_id, fit)
    await workdays.remove(connection, person_id, [day for day in open_days if day not in fresh])
    return len(open_days)


async def frozen(connection: AsyncConnection) -> Callable[[date], bool]:
    """Whether a day lies in a period that is closed or locked."""
    spans = [(row.first_day, row.last_day) for row in await periods.frozen(connection)]
    return lambda day: any(first <= day <= last for first, last in spans)


async def _adjust(
    connection: AsyncConnection, tenant: TenantId, person_id: UUID, computed: Computed, days: set[date]
) -> None:
    """New minus shown minus what later periods have paid already, for every frozen day."""
    if not days:
        return
    shown = await workdays.bodies(connection, person_id, min(days), max(days))
    paid: dict[date, dict[str, int]] = {}
    held: dict[date, dict[str, int]] = {}
    for row in await workdays.paid(connection, person_id, days):
        if row.paid_in == workdays.OPEN:
            held[row.day] = row.delta
        else:
            paid[row.day] = _plus(paid.get(row.day, {}), row.delta)
    for day in sorted(days):
        wanted = _plus(difference(shown.get(day), computed.bodies.get(day)), paid.get(day, {}), sign=-1)
        if wanted != held.get(day, {}):
            await workdays.adjust(connection, tenant, person_id, day, wanted)


def _plus(one: Mapping[str, int], other: Mapping[str, int], sign: int = 1) -> dict[str, int]:
    total = {name: one.get(name, 0) + sign * other.get(name, 0) for name in dict.fromkeys([*one, *other])}
    return {name: minutes for name, minutes in total.items() if minutes}


def _next_look(loaded: Loaded, bodies: Bodies, today: date, now: datetime) -> datetime:
    """When the clock alone may change something: soon while a day is undecided, else when the next day begins."""
    midnight = datetime.fromtimestamp(loaded.plan.zone.minute(to_day(today) + 1, 0) * 60, UTC)
    is_undecided = any(body["status"] in _UNDECIDED for day, body in bodies.items() if day >= today - timedelta(days=2))
    return min(midnight, now + SOON) if is_undecided else midnight


def _shown(body: Mapping[str, Any] | None) -> dict[str, Any]:
    """A body without how it came about: a new version of a pack alone is no change for anybody."""
    return {name: value for name, value in (body or {}).items() if name not in ("trace", "runs", "pack")}
