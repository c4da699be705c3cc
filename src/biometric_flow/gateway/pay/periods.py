"""What is done to pay periods: made, closed, approved, locked, reopened; each with who, when and why."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import Obstacle, PeriodBody
from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.pay import completeness
from biometric_flow.gateway.pay.errors import ExportNotPossible, PeriodInvalid, PeriodNotPossible, PeriodUnknown
from biometric_flow.gateway.pay.rows import Paid, PayMapping, PayRow, pay_rows, refuse_open
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import periods, places, plans, register, requests, terminals, workday_pages, workdays
from biometric_flow.gateway.store.words import ERASED
from biometric_flow.gateway.store.workday_pages import WorkdayFilter
from biometric_flow.gateway.views import place_view, terminal_view
from biometric_flow.model.ids import TenantId

DAYS_MAX: Final = 366
MISSING: Final = ("MISSING_IN", "MISSING_OUT", "MISSING_BREAK_IN", "MISSING_BREAK_OUT", "IN_PROGRESS")
"""Irregularities that leave open what a day is worth."""


async def known(connection: AsyncConnection, period_id: str) -> Row[Any]:
    """A period that is there. Raises PeriodUnknown."""
    row = await periods.get(connection, period_id)
    if row is None:
        raise PeriodUnknown(f"there is no period {period_id}")
    return row


def changed(bodies: Mapping[str, PeriodBody], before: Mapping[str, Row[Any] | None]) -> dict[str, PeriodBody]:
    """Those that are not there yet as they are given."""

    def is_same(row: Row[Any] | None, body: PeriodBody) -> bool:
        given = (body.first, body.last, body.approvers)
        return row is not None and given == (row.first_day, row.last_day, row.approvers)

    return {name: body for name, body in bodies.items() if not is_same(before[name], body)}


def refuse_overlaps(bodies: Mapping[str, PeriodBody]) -> None:
    """Raises PeriodInvalid when two of these share a day."""
    ordered = sorted(bodies.items(), key=lambda one: (one[1].first, one[1].last))
    for (name, body), (other, following) in pairwise(ordered):
        if following.first <= body.last:
            told = FieldProblem(field=f"items.{other}.from", expected=f"days that no other period has; {name} has some")
            raise PeriodInvalid(f"{told.field}: expected {told.expected}", [told])


async def put(
    connection: AsyncConnection,
    tenant: TenantId,
    period_id: str,
    body: PeriodBody,
    row: Row[Any] | None,
    along: Collection[str] = (),
) -> None:
    """Make or change an open period, `along` with others that it does not meet.

    Raises PeriodInvalid, PeriodNotPossible.
    """
    if row is not None and row.status != "open":
        raise PeriodNotPossible(f"expected an open period, this one is {row.status}: reopen it first")
    if not 0 <= (body.last - body.first).days < DAYS_MAX:
        told = FieldProblem(field="to", expected=f"a date from {body.first} on, {DAYS_MAX} days at most")
        raise PeriodInvalid(f"to: expected {told.expected}, came {body.last}", [told])
    others = [
        one for one in await periods.touching(connection, body.first, body.last) if one not in {period_id, *along}
    ]
    if others:
        told = FieldProblem(field="from", expected=f"days that no other period has; {', '.join(others)} has some")
        raise PeriodInvalid(f"from: expected {told.expected}", [told])
    values = {"first_day": body.first, "last_day": body.last, "approvers": body.approvers}
    fresh: dict[str, Any] = {
        "status": "open",
        "approved_by": [],
        "locked_at": None,
        "version": row.version + 1 if row else 1,
    }
    await periods.put(connection, tenant, period_id, {**values, **fresh})


async def obstacles(
    connection: AsyncConnection, tenant: TenantId, registry: Registry, row: Row[Any], now: datetime
) -> list[Obstacle]:
    """All reasons why a period is not complete."""
    silent = registry.silent(await places.heard(connection), now)
    listed = await places.listed(connection)
    views = [place_view(one, is_reporting=one.place_id not in silent) for one in listed]
    stated = [terminal_view(one, is_stale=one.place_id in silent) for one in await terminals.listed(connection)]
    counts = await workday_pages.irregularity_counts(connection, WorkdayFilter(first=row.first_day, last=row.last_day))
    waiting = await requests.regularisations(connection, None, row.first_day, row.last_day, "requested", None, 1000)
    due = await workday_pages.people_due(connection, row.first_day, row.last_day, now)
    is_behind = await workday_pages.is_punch_waiting(connection, row.first_day, row.last_day)
    missing = {code: days for code, days in counts.items() if code in MISSING}
    return [
        *completeness.of_places(views, stated, row.first_day, row.last_day),
        *completeness.of_days(due or int(is_behind), missing, len(waiting), row.last_day, now),
    ]


async def close(
    connection: AsyncConnection,
    tenant: TenantId,
    row: Row[Any],
    found: Sequence[Obstacle],
    account: str,
    reason: str,
    now: datetime,
    *,
    force: bool,
) -> None:
    """Let the workdays of a period stand; it also pays what earlier periods owe. Raises PeriodNotPossible."""
    if row.status != "open":
        raise PeriodNotPossible(f"expected an open period, this one is {row.status}")
    if found and not (force and reason):
        told = "; ".join(one.text for one in found[:10])
        raise PeriodNotPossible(f"the period is not complete: {told}. Close it with `force` and a reason if it must be")
    if any(one.kind in ("workdays", "not_over") for one in found):
        raise PeriodNotPossible("a period closes once it is over and its workdays are computed, force or not")
    await periods.put(connection, tenant, row.period_id, _state(row, "closed", [], now))
    await periods.pay_adjustments(connection, row.period_id, row.first_day)
    action = f"closed with {len(found)} obstacles" if found else "closed"
    await periods.note(connection, tenant, row.period_id, now, account, action, reason)


async def approve(
    connection: AsyncConnection, tenant: TenantId, row: Row[Any], account: str, reason: str, now: datetime
) -> None:
    """Approve a closed period; the last approval that is needed locks it. Raises PeriodNotPossible."""
    if row.status != "closed":
        raise PeriodNotPossible(f"expected a closed period, this one is {row.status}")
    if account in row.approved_by:
        raise PeriodNotPossible("expected another account: this one has approved the period already")
    approved = [*row.approved_by, account]
    is_last = len(approved) >= row.approvers
    status = "locked" if is_last else "closed"
    await periods.put(connection, tenant, row.period_id, _state(row, status, approved, row.locked_at))
    await periods.note(connection, tenant, row.period_id, now, account, "approved", reason)
    if is_last:
        await periods.note(connection, tenant, row.period_id, now, account, "locked", "")


async def reopen(
    connection: AsyncConnection, tenant: TenantId, row: Row[Any], account: str, reason: str, now: datetime
) -> None:
    """Open the newest closed period again: its days are computed by all that is known now. Raises PeriodNotPossible."""
    if row.status == "open":
        raise PeriodNotPossible("expected a closed or locked period, this one is open")
    if not reason.strip():
        raise PeriodNotPossible("expected a reason: it stays with the period")
    if await periods.closed_after(connection, row.last_day):
        raise PeriodNotPossible("a later period is closed and may have paid what this one owes: reopen that one first")
    await periods.unpay_adjustments(connection, row.period_id)
    await periods.forget_open(connection, row.first_day, row.last_day)
    await periods.put(connection, tenant, row.period_id, _state(row, "open", [], None))
    await periods.note(connection, tenant, row.period_id, now, account, f"reopened, was {row.status}", reason)
    spans = await register.employed(connection, None, row.first_day, row.last_day)
    await workdays.mark(connection, tenant, spans, now)


async def rows_of(connection: AsyncConnection, row: Row[Any], mapping_id: str) -> tuple[list[PayRow], PayMapping]:
    """What a locked period pays, and by which mapping. Raises ExportNotPossible."""
    if row.status != "locked":
        raise ExportNotPossible(f"expected a locked period, this one is {row.status}: close and approve it first")
    stored = await plans.document(connection, "payroll", mapping_id)
    if stored is None:
        raise ExportNotPossible(f"expected a payroll mapping {mapping_id!r}: PUT /v1/payroll-mappings/{mapping_id}")
    mapping = PayMapping(stored.body["codes"], stored.body.get("settings") or {})
    refuse_open(await periods.open_days(connection, row.first_day, row.last_day, MISSING))
    paid = [
        Paid(one.person_id, one.day, one.tier, one.minutes)
        for one in await periods.pay(connection, row.first_day, row.last_day)
    ]
    for late in await periods.adjustments(connection, row.period_id):
        for tier, minutes in late.delta.items():
            if tier != "worked":
                paid.append(Paid(late.person_id, late.day, tier, minutes, is_adjustment=True))
    people = {one.person for one in paid}
    names = dict.fromkeys(people, (ERASED, ERASED)) | await register.names(connection, people)
    return pay_rows(paid, names, mapping, row.last_day), mapping


def _state(row: Row[Any], status: str, approved: Sequence[str], locked_at: datetime | None) -> dict[str, Any]:
    return {
        "status": status,
        "approved_by": list(approved),
        "locked_at": locked_at,
        "version": row.version + 1,
    }
