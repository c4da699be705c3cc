"""What would change, for whom, before it is saved: for packs and for regularisations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

from biometric_flow.api.hours import Change, Preview
from biometric_flow.gateway.people.plans import Touched
from biometric_flow.gateway.store import register
from biometric_flow.gateway.workdays.compute import frozen, preview
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.gateway.workdays.records import difference
from biometric_flow.model.ids import TenantId
from biometric_flow.policy.packs import PolicyPack
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

CHANGES_MAX: Final = 1000
_HIDDEN: Final = frozenset({"trace", "runs", "date", "pack"})


async def try_out(
    database: Database,
    loader: Loader,
    clock: Clock,
    tenant: TenantId,
    people: Iterable[Touched],
    packs: Sequence[PolicyPack] = (),
    corrections: Mapping[UUID, Sequence[Row[Any]]] | None = None,
) -> Preview:
    """The workdays of these people on these days as they would be, beside what is stored."""
    found = Preview(people=0, days=0, worked=0, pay={}, changes=[])
    for one in people:
        # A transaction per person: a trial of a whole company must not hold one open for minutes.
        async with database.tenant(tenant) as connection:
            mine = (corrections or {}).get(one.person, ())
            days = await preview(loader, connection, tenant, one.person, one.first, one.last, clock.now(), packs, mine)
            is_frozen = await frozen(connection)
            named = await register.names(connection, [one.person])
        differing = [day for day in days if one.first <= day[0] <= one.last or corrections is not None]
        found.people += bool(differing)
        for day, old, new in differing:
            found.days += 1
            delta = difference(old, new)
            found.worked += delta.pop("worked", 0)
            for tier, minutes in delta.items():
                found.pay[tier] = found.pay.get(tier, 0) + minutes
            if len(found.changes) < CHANGES_MAX:
                number, name = named[one.person]
                fields = changed_fields(old, new)
                if is_frozen(day):
                    fields["is_locked"] = (True, True)
                found.changes.append(Change(person=one.person, number=number, name=name, date=day, fields=fields))
    found.pay = {tier: minutes for tier, minutes in found.pay.items() if minutes}
    return found


def changed_fields(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, before and after."""
    before, after = old or {}, new or {}
    names = [name for name in dict.fromkeys([*before, *after]) if name not in _HIDDEN]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
