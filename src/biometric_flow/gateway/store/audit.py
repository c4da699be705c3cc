"""Queries of the audit logs: heads, entries, trees."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import sealing
from biometric_flow.gateway.store.checkpoints import Tree
from biometric_flow.identity.envelope import Binding
from biometric_flow.identity.keyring import PLACE
from biometric_flow.ledger.chain import EMPTY, Head, SealedEntry
from biometric_flow.ledger.merkle import TILE_WIDTH, Tile, fold, full_tiles
from biometric_flow.model.ids import TenantId

_LEAVES: Final = text("SELECT hash FROM audit_entry WHERE sequence > :first ORDER BY sequence LIMIT :width")
_NODES: Final = text(
    "SELECT hash FROM audit_node WHERE level = :level AND position >= :first ORDER BY position LIMIT :width"
)
_ADD_NODE: Final = text("INSERT INTO audit_node VALUES (:tenant, :level, :position, :hash) ON CONFLICT DO NOTHING")
_ENTRIES: Final = text(
    "SELECT sequence, leaf, hash, record, opening FROM audit_entry WHERE sequence > :after"
    " ORDER BY sequence LIMIT :limit"
)
_APPEND: Final = text("INSERT INTO audit_entry VALUES (:tenant, :sequence, :leaf, :hash, :record, :opening)")
_MOVE: Final = text("UPDATE audit_log SET size = :size, head_hash = :hash, note = :note")
_BEGIN: Final = text("INSERT INTO audit_log VALUES (:tenant, 0, :hash, '') ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class LogState:
    """Where a log ends, and its checkpoint; empty before the first entry."""

    head: Head
    note: str


class AuditTree(Tree):
    """The tree of the tenant's audit log."""

    async def tile(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile, as many as are there."""
        values = {"first": tile.index * TILE_WIDTH, "width": tile.width}
        if tile.level:
            values["level"] = tile.level
        found = await self._connection.execute(_NODES if tile.level else _LEAVES, values)
        return [bytes(row.hash) for row in found]

    async def grow(self, old: int, new: int) -> None:
        """Keep the roots of the tiles that are full now."""
        for tile in full_tiles(old, new):
            row = {"level": tile.level + 1, "position": tile.index, "hash": fold(await self.tile(tile))}
            await self._connection.execute(_ADD_NODE, {"tenant": self._tenant, **row})


async def state(connection: AsyncConnection, *, lock_for: TenantId | None = None) -> LogState:
    """Where the tenant's log ends. With `lock_for`, nobody else adds to it until the commit."""
    query = "SELECT size, head_hash, note FROM audit_log"
    if lock_for is not None:
        await connection.execute(_BEGIN, {"tenant": lock_for, "hash": EMPTY.hash})
        query += " FOR UPDATE"
    row = (await connection.execute(text(query))).one_or_none()
    return LogState(Head(row.size, bytes(row.head_hash)), row.note) if row else LogState(EMPTY, "")


async def append(connection: AsyncConnection, tenant: TenantId, entry: SealedEntry) -> None:
    """Store an entry that continues the head."""
    values = {"sequence": entry.sequence, "leaf": entry.leaf, "hash": entry.hash}
    keys, at = sealing.keys_of(connection), binding(entry.sequence)
    record = sealing.sealed_contents(keys, PLACE, at, entry.record, entry.opening)
    await connection.execute(_APPEND, {"tenant": tenant, **values, "record": record, "opening": b""})


def binding(sequence: int) -> Binding:
    """Where the contents of an entry belong."""
    return sealing.of_entry("audit_entry", sequence)


async def move(connection: AsyncConnection, head: Head, note: str) -> None:
    """Put the log's end and checkpoint in the place of the last."""
    await connection.execute(_MOVE, {"size": head.sequence, "hash": head.hash, "note": note})


async def entries(connection: AsyncConnection, after: int, limit: int) -> list[SealedEntry]:
    """Entries after a position, in order."""
    found = await connection.execute(_ENTRIES, {"after": after, "limit": limit})
    held = [
        SealedEntry(row.sequence, bytes(row.leaf), bytes(row.hash), bytes(row.record), bytes(row.opening))
        for row in found
    ]
    return await sealing.opened_entries(connection, held, [binding(one.sequence) for one in held])
