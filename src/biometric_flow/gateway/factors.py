"""Second factors at the gateway: their secrets sealed at rest, each code taken once, wrong ones slowed down."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.counts import Failures
from biometric_flow.gateway.errors import FactorExists, FactorUnknown
from biometric_flow.gateway.shared_counts import SharedCounts
from biometric_flow.gateway.store import factors
from biometric_flow.identity.envelope import KEY_ID_BYTES, Binding, KeyId, key_id_of
from biometric_flow.identity.errors import BadCredentials
from biometric_flow.identity.factors import (
    is_digits,
    new_factor_secret,
    new_recovery_codes,
    recovery_digest,
    step_of,
)
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock

KEY_FILE: Final = "keys/factors.json"
"""In the folder whose files are backed up with the keys."""
NOT_OPENED: Final = "this does not open an account here; check what was typed and try again"
"""What every failed sign-in is told, whatever was wrong (security-design A4)."""
_NOBODYS: Final = bytes(20)


class FactorSeal:
    """Seals the secrets of second factors for their row, under a key in a file of mode 0600."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEY_FILE
        self._keys: RootKeyFile | None = None

    async def seal(self, tenant: TenantId, account: UUID, secret: bytes) -> bytes:
        """The envelope of a secret. Raises KeyUnusable."""
        keys = await self._held()
        return keys.wrap(min(keys.ids()), secret, _row(tenant, account))

    async def unseal(self, tenant: TenantId, account: UUID, sealed: bytes) -> bytes:
        """The secret. Raises KeyUnusable, or EnvelopeRefused for one that was moved from another row."""
        return (await self._held()).unwrap(key_id_of(sealed), sealed, _row(tenant, account))

    async def _held(self) -> RootKeyFile:
        if self._keys is None:
            self._keys = await asyncio.to_thread(_opened, self._path)
        return self._keys


class Factors:
    """What an account does with its second factor. Every method is part of the caller's transaction."""

    def __init__(self, seal: FactorSeal, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._seal, self._clock = seal, clock
        self._failures = Failures("code", clock, shared)

    async def begin(self, connection: AsyncConnection, tenant: TenantId, account: UUID) -> bytes:
        """A new secret that counts once it is confirmed. Raises FactorExists."""
        secret = new_factor_secret()
        sealed = await self._seal.seal(tenant, account, secret)
        if not await factors.begin(connection, tenant, account, sealed, self._clock.now()):
            raise FactorExists("this account has a second factor; remove that one first")
        return secret

    async def confirm(self, connection: AsyncConnection, tenant: TenantId, account: UUID, code: str) -> Sequence[str]:
        """Let the factor count from now on; its recovery codes. Raises BadCredentials, FactorExists, FactorUnknown."""
        row = await factors.of_account(connection, account)
        if row is None or row.sealed is None:
            raise FactorUnknown("there is no second factor to confirm; begin with one")
        if row.confirmed_at is not None:
            raise FactorExists("the second factor of this account is confirmed")
        await self.check(connection, tenant, account, row, code if is_digits(code) else "")
        await factors.confirm(connection, account, self._clock.now())
        return await self.recovery(connection, tenant, account)

    async def recovery(self, connection: AsyncConnection, tenant: TenantId, account: UUID) -> Sequence[str]:
        """New recovery codes in the place of all earlier ones; they are told here and kept as digests."""
        codes = new_recovery_codes()
        await factors.put_recovery(connection, tenant, account, map(recovery_digest, codes))
        return codes

    async def prove(self, connection: AsyncConnection, tenant: TenantId, account: UUID, code: str) -> None:
        """Ask for a code before something is changed. Raises BadCredentials, FactorUnknown, TooManyFailures."""
        row = await factors.of_account(connection, account)
        if row is None or row.confirmed_at is None:
            raise FactorUnknown("this account has no second factor")
        await self.check(connection, tenant, account, row, code)

    async def check(
        self, connection: AsyncConnection, tenant: TenantId, account: UUID, row: Row[Any] | None, code: str
    ) -> None:
        """Take a code by the clock or a recovery code, once. Raises BadCredentials, SharedAway, TooManyFailures.

        The same queries and the same arithmetic are done whichever it is, and whether or not there is an account.
        """
        key = f"{tenant}/{account}"
        async with self._failures.turn(key):
            if not await self._is_right(connection, tenant, account, row, code):
                await self._failures.failed(key)
                raise BadCredentials(NOT_OPENED)
            await self._failures.succeeded(key)

    async def _is_right(
        self, connection: AsyncConnection, tenant: TenantId, account: UUID, row: Row[Any] | None, code: str
    ) -> bool:
        has_factor = row is not None and row.sealed is not None
        secret = await self._seal.unseal(tenant, account, row.sealed) if row is not None and has_factor else _NOBODYS
        step = step_of(secret, code, self._clock.now())
        is_new = await factors.use_step(connection, account, step or 0)
        is_recovery = await factors.use_recovery(connection, account, recovery_digest(code))
        return has_factor and ((step is not None and is_new) or is_recovery)


def _row(tenant: TenantId, account: UUID) -> bytes:
    return Binding("second_factor", "sealed", account.bytes).associated(tenant)


def _opened(path: Path) -> RootKeyFile:
    keys = RootKeyFile(path)
    if not keys.ids():
        keys.make(KeyId(secrets.token_bytes(KEY_ID_BYTES)))
    return keys
