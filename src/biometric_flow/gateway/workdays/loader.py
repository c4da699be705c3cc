"""One person's plan and punches out of the store, as the engine takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.archive.across import theirs
from biometric_flow.gateway.archive.reader import Archive
from biometric_flow.gateway.archive.rows import Cold
from biometric_flow.gateway.store import holdings, plans, register, requests
from biometric_flow.gateway.workdays.records import to_date, to_day
from biometric_flow.model.ids import TenantId
from biometric_flow.policy.inputs import GivenPunch
from biometric_flow.policy.packs import PolicyPack
from biometric_flow.policy.plan_documents import make_plan, parse
from biometric_flow.policy.planning import MARGIN, Catalogue, Plan, seen, units

_REACH: Final = 400
"""Days around those that are asked for; no overtime period is longer than 366 days."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that decides a person's workdays of some days."""

    plan: Plan
    punches: tuple[GivenPunch, ...]


class Loader:
    """Reads plans with a memory: a document that did not change is parsed once."""

    def __init__(self, archive: Archive | None = None) -> None:
        self._archive = archive
        self._parsed: dict[TenantId, tuple[object, Catalogue]] = {}

    async def catalogue(self, connection: AsyncConnection, tenant: TenantId) -> Catalogue:
        """All shifts, schedules, calendars and packs of the tenant."""
        documents, packs = await plans.documents(connection), await plans.packs(connection)
        mark = (
            tuple((row.kind, row.document_id, row.version) for row in documents),
            tuple((row.pack_id, row.version) for row in packs),
        )
        known = self._parsed.get(tenant)
        if known is None or known[0] != mark:
            known = mark, parse(documents, [row.body for row in packs])
            self._parsed[tenant] = known
        return known[1]

    async def load(
        self,
        connection: AsyncConnection,
        tenant: TenantId,
        person_id: UUID,
        first: date,
        last: date,
        extra_packs: Sequence[PolicyPack] = (),
        extra_corrections: Sequence[Row[Any]] = (),
    ) -> Loaded | None:
        """What decides the workdays of these days; None for a person who is not there.

        Extra packs and corrections count as if they were saved and approved, for previews.
        """
        found = (await register.get(connection, [person_id])).get(person_id)
        if found is None:
            return None
        known = await self.catalogue(connection, tenant)
        if extra_packs:
            known = replace(known, packs=(*known.packs, *extra_packs))
        decided = [*await requests.approved(connection, person_id), *extra_corrections]
        low, high = to_day(first) - _REACH, to_day(last) + _REACH
        leaves = await requests.approved_leaves(connection, person_id, to_date(low), to_date(high))
        plan = make_plan(found, known, leaves, decided, low, high)
        spans = [seen(plan, unit) for unit in units(plan, to_day(first) - MARGIN, to_day(last) + MARGIN)]
        if not spans:
            return Loaded(plan, ())
        opens, closes = (datetime.fromtimestamp(second, UTC) for second in (spans[0][0], spans[-1][1]))
        rows: list[Any] = list(await holdings.punches(connection, person_id, opens, closes))
        if self._archive is not None:
            cold = await theirs(connection, tenant, self._archive, person_id, opens, closes)
            hot = {bytes(row.punch_id) for row in rows}
            rows = sorted([*rows, *(one for one in cold if one.punch_id not in hot)], key=_by_time)
        return Loaded(plan, tuple(map(_punch, rows)))


def _by_time(row: Any) -> tuple[datetime, int, str, bytes]:
    return row.instant, row.state, row.terminal, bytes(row.punch_id)


def _punch(row: Row[Any] | Cold) -> GivenPunch:
    return GivenPunch(
        id=bytes(row.punch_id).hex(),
        second=int(row.instant.timestamp()),
        code=row.state if 0 <= row.state <= 255 else 255,
        terminal=row.terminal,
    )
