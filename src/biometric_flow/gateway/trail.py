"""The audit trail of administration: one log per tenant, with chain, tree and checkpoint (security-design L9, S1).

A transaction that wrote something for a request gets the request's leaf before it is committed, whoever wrote it: the
database itself says whether it wrote. Nothing here has to be called by a handler.
"""

import hmac
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.key_store import INSTALLATION
from biometric_flow.gateway.store import audit
from biometric_flow.ledger.chain import Head, SealedEntry, seal
from biometric_flow.ledger.merkle import TILE_WIDTH, Tile, bundle, is_within
from biometric_flow.ledger.note import Checkpoint, PublicKey, Signer
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import Action, acting
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.web import NotFound

LOG: Final = PlaceId("#audit")
"""What leaves of an audit log name as their place; no place can be called so."""

_HAS_WRITTEN: Final = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")


class AuditTrail:
    """Adds leaves to the logs of all tenants, and shows them."""

    def __init__(self, database: Database, key: Ed25519PrivateKey) -> None:
        self._database, self._key = database, key

    def log_key(self, tenant: TenantId) -> PublicKey:
        """What verifies the checkpoints of a tenant's audit log."""
        return self._signer(tenant).public

    async def before_commit(self, connection: AsyncConnection, tenant: TenantId) -> None:
        """Add the leaf of the action under way to a transaction that wrote something, once an action."""
        action = acting()
        if action is None or action.is_recorded or action.elsewhere:
            return
        if (await connection.execute(_HAS_WRITTEN)).scalar_one():
            await self._append(connection, tenant, action, None)
            action.is_pending = True

    def committed(self) -> None:
        """The transaction is durable, and with it the leaf that it held."""
        action = acting()
        if action is not None and action.is_pending:
            action.is_recorded, action.is_pending = True, False

    async def settle(self, action: Action, status: int) -> None:
        """Add the leaf of an action that changed nothing. Raises DatabaseUnavailable."""
        tenant = TenantId(action.tenant or str(action.state.get("tenant", "")) or INSTALLATION)
        async with self._database.tenant(tenant) as connection:
            await self._append(connection, tenant, action, status)

    async def page(self, tenant: TenantId, after: int, limit: int) -> list[SealedEntry]:
        """Up to `limit` entries after a position."""
        async with self._database.tenant(tenant) as connection:
            return await audit.entries(connection, after, limit)

    async def size(self, tenant: TenantId) -> int:
        """Entries of a tenant's log."""
        async with self._database.tenant(tenant) as connection:
            return (await audit.state(connection)).head.sequence

    async def checkpoint(self, tenant: TenantId) -> str:
        """The signed checkpoint over all entries. Raises NotFound before the first."""
        async with self._database.tenant(tenant) as connection:
            note = (await audit.state(connection)).note
        if not note:
            raise NotFound("nothing was recorded so far")
        return note

    async def tile(self, tenant: TenantId, tile: Tile, *, is_bundle: bool) -> bytes:
        """A tile of the log's tree, or a bundle of its leaves. Raises NotFound beyond its end."""
        async with self._database.tenant(tenant) as connection:
            size = (await audit.state(connection)).head.sequence
            if not is_within(tile, size):
                raise NotFound(f"the log has {size} leaves: it has no such tile")
            if is_bundle:
                held = await audit.entries(connection, tile.index * TILE_WIDTH, tile.width)
                return bundle(entry.leaf for entry in held)
            return b"".join(await audit.AuditTree(connection, tenant, LOG).tile(tile))

    async def _append(self, connection: AsyncConnection, tenant: TenantId, action: Action, status: int | None) -> None:
        key = self._key_of(tenant)
        head = (await audit.state(connection, lock_for=tenant)).head
        done = action.done(lambda _, value: hmac.digest(key, b"biometric-flow/value/1" + value, "sha256"), status)
        entry = seal(LOG, head, action.at.date().isoformat(), done, key)
        tree, signer = audit.AuditTree(connection, tenant, LOG), self._signer(tenant)
        await audit.append(connection, tenant, entry)
        await tree.grow(head.sequence, entry.sequence)
        root = await tree.root(entry.sequence)
        note = signer.sign(Checkpoint(signer.public.name, entry.sequence, root))
        await audit.move(connection, Head(entry.sequence, entry.hash), str(note))

    def _signer(self, tenant: TenantId) -> Signer:
        return Signer(f"biometric-flow/{tenant}{LOG}", self._key)

    def _key_of(self, tenant: TenantId) -> bytes:
        return hmac.digest(self._key.private_bytes_raw(), b"biometric-flow/audit/1/" + tenant.encode(), "sha256")
