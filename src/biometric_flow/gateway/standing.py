"""What an account may do right now: enabled or not, grants, roles, ended sign-ins; never older than two seconds."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from biometric_flow.gateway.store import accounts, factors, grants
from biometric_flow.identity.errors import RoleInvalid
from biometric_flow.identity.factors import must_have_factor
from biometric_flow.identity.grants import Grant, Parents, Reach, reach
from biometric_flow.identity.rbac import NARROWEST, Narrowest, Permission
from biometric_flow.identity.roles import SEALED, Role, Roles
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.reach import limited_to

KNOWN_SECONDS: Final = 2.0
"""How long what was read is believed; with it, a disabled account or an ended sign-in is refused within 5 s (A3)."""
_REMEMBERED: Final = 10_000
NO_RULE: Final = factors.Rule()

_NOT_HELD: Final = (Narrowest.SELF, Narrowest.EVERYONE, Narrowest.OWN_PLACE)

_PAGES: Final = (
    ("overview", Permission.OVERVIEW_READ),
    ("live", Permission.PUNCH_READ),
    ("devices", Permission.TERMINAL_READ),
    ("alerts", Permission.ALERT_READ),
    ("exceptions", Permission.WORKDAY_READ),
    ("people", Permission.WORKDAY_READ),
    ("punches", Permission.PUNCH_READ),
    ("workdays", Permission.WORKDAY_READ),
    ("requests", Permission.CORRECTION_DECIDE),
    ("periods", Permission.PERIOD_READ),
    ("users", Permission.ACCESS_READ),
    ("audit", Permission.AUDIT_READ),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that decides about an account's requests."""

    is_enabled: bool
    grants: tuple[Grant, ...]
    roles: Roles
    parents: Parents
    ended: frozenset[str]
    """Sign-ins that were ended."""
    rule: factors.Rule = NO_RULE
    """Who of the tenant has to have a second factor."""
    has_factor: bool = False

    def is_asked_for_factor(self, now: datetime) -> bool:
        """Does the tenant ask this account for a second factor?"""
        return must_have_factor(self.rule.is_for_all, self.rule.roles, self.role_names(now))

    def needs_factor(self, now: datetime) -> bool:
        """Is it asked for one that it does not have? Then it may set one up, and nothing else."""
        return not self.has_factor and self.is_asked_for_factor(now)

    def lets_in(self, session: str) -> bool:
        """Is the account enabled, and was this sign-in of it not ended?"""
        return self.is_enabled and session not in self.ended

    def reach(self, permission: Permission, now: datetime) -> Reach | None:
        """Where the account holds a permission; what is about oneself is held by everybody."""
        if NARROWEST[permission] in (Narrowest.SELF, Narrowest.EVERYONE):
            return Reach(is_everywhere=True)
        return reach(self.roles, self.grants, permission, self.parents, now)

    def pages(self, now: datetime) -> list[str]:
        """The dashboard pages that the account may open, in the order of the menu."""
        if self.needs_factor(now):
            return []
        return [page for page, permission in _PAGES if self.reach(permission, now)]

    def permissions(self, now: datetime) -> list[str]:
        """What the account may do somewhere: a hint for whoever draws buttons, never a decision."""
        if self.needs_factor(now):
            return []
        return sorted(one for one in Permission if NARROWEST[one] not in _NOT_HELD and self.reach(one, now))

    def opening(self, now: datetime) -> str:
        """The grant of a sealed role that counts now, empty when there is none."""
        return next((one.id for one in self.grants if one.role in SEALED and one.is_valid(now)), "")

    def role_names(self, now: datetime) -> list[str]:
        """The roles that count now, each once."""
        return list(dict.fromkeys(grant.role for grant in self.grants if grant.is_valid(now)))


_NOBODY: Final = Standing(False, (), Roles(), {}, frozenset())


class Standings:
    """Reads standings and believes them for a moment; many requests of one account cost one read."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._known: OrderedDict[tuple[TenantId, UUID], tuple[float, Standing]] = OrderedDict()
        self._locks: dict[tuple[TenantId, UUID], asyncio.Lock] = {}

    async def of(self, tenant: TenantId, account: UUID) -> Standing:
        """An account's standing; of one that is not there it holds nothing. Raises DatabaseUnavailable."""
        key = tenant, account
        if (standing := self._fresh(key)) is not None:
            return standing
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if (standing := self._fresh(key)) is not None:
                    return standing
                asked = self._clock.monotonic()
                standing = await self._read(tenant, account)
                self._known[key] = asked, standing
                self._known.move_to_end(key)
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
                return standing
        finally:
            self._locks.pop(key, None)

    def forget(self, tenant: TenantId, account: UUID) -> None:
        """It was changed here just now: read it again for the next request."""
        self._known.pop((tenant, account), None)

    def _fresh(self, key: tuple[TenantId, UUID]) -> Standing | None:
        found = self._known.get(key)
        return found[1] if found is not None and self._clock.monotonic() - found[0] < KNOWN_SECONDS else None

    async def _read(self, tenant: TenantId, account: UUID) -> Standing:
        with limited_to(None):
            async with self._database.tenant(tenant) as connection:
                row = await accounts.get(connection, account)
                if row is None:
                    return _NOBODY
                held = tuple(grants.grant_of(one) for one in await grants.of_account(connection, account))
                own = await grants.roles(connection)
                parents = await grants.parents(connection) if any(one.scope.id for one in held) else {}
                ended = await grants.revoked_sessions(connection, account)
                rule, has_factor = await factors.rule(connection), await factors.is_confirmed(connection, account)
        return Standing(row.is_enabled, held, _usable(own), parents, ended, rule, has_factor)


def _usable(own: list[Role]) -> Roles:
    """Own roles were checked when they were stored; one that a later version made impossible gives nothing."""
    try:
        return Roles(own)
    except RoleInvalid:
        return Roles()
