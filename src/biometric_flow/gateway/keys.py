"""API keys: who holds one, until when and for what; and the form of secrets that name their tenant."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from biometric_flow.gateway.standing import KNOWN_SECONDS
from biometric_flow.gateway.store import credentials
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.tokens import digest
from biometric_flow.model.ids import SLUG, TenantId
from biometric_flow.runtime.acting import acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.reach import limited_to
from biometric_flow.runtime.web import Unauthenticated

KEY_PREFIX: Final = "bfk_"
INVITATION_PREFIX: Final = "bfi_"
_USED_EVERY: Final = timedelta(minutes=1)
"""`last_used` is written this often at most: a key that is used all day costs no write a request."""
_REMEMBERED: Final = 10_000


def make(tenant: TenantId, prefix: str) -> str:
    """A secret of 256 bits that says whose tenant it belongs to, such as `bfk_demo.…`: it is looked for there only."""
    return f"{prefix}{tenant}.{secrets.token_urlsafe(32)}"


def tenant_of(secret: str, prefix: str) -> TenantId | None:
    """The tenant that a secret names; None for what has not its form."""
    tenant, dot, rest = secret.removeprefix(prefix).partition(".")
    is_formed = secret.startswith(prefix) and dot and 40 <= len(rest) <= 50 and SLUG.fullmatch(tenant)
    return TenantId(tenant) if is_formed else None


@dataclass(frozen=True, slots=True)
class HeldKey:
    """An API key that is not over."""

    id: UUID
    tenant: TenantId
    account: UUID
    permissions: frozenset[str]
    expires_at: datetime

    def gives(self, permission: Permission) -> bool:
        """Was the key made for this?"""
        return permission.value in self.permissions or permission is Permission.SELF_READ


class ApiKeys:
    """Finds keys by their secrets, and believes what it found for two seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._known: OrderedDict[bytes, tuple[float, HeldKey]] = OrderedDict()

    async def find(self, secret: str) -> HeldKey:
        """The key of this secret. Raises Unauthenticated, and DatabaseUnavailable."""
        refused = Unauthenticated("this API key is not known here, or is over")
        tenant = tenant_of(secret, KEY_PREFIX)
        if tenant is None:
            raise refused
        stored = digest(secret)
        known = self._known.get(stored)
        if known is None or self._clock.monotonic() - known[0] >= KNOWN_SECONDS:
            self._known.pop(stored, None)
            found = await self._read(tenant, stored)
            if found is None:
                raise refused
            known = self._clock.monotonic(), found
            self._known[stored] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if known[1].expires_at <= self._clock.now():
            raise refused
        return known[1]

    async def _read(self, tenant: TenantId, stored: bytes) -> HeldKey | None:
        now = self._clock.now()
        # Noting the use is bookkeeping of the door and no action of the key's holder: it leaves no audit leaf.
        with limited_to(None), acting_as(None):
            async with self._database.tenant(tenant) as connection:
                row = await credentials.find_key(connection, stored)
                if row is None:
                    return None
                if row.last_used is None or now - row.last_used >= _USED_EVERY:
                    await credentials.used_key(connection, row.key_id, now)
        return HeldKey(row.key_id, tenant, row.account_id, frozenset(row.permissions), row.expires_at)
