"""Queries of what the gateway witnessed: trees of replicas and of its own log, checkpoints, keys of places."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.ledger.merkle import TILE_WIDTH, Span, Tile, fold, full_tiles, hash_of, tiles_of
from biometric_flow.model.ids import PlaceId, PunchId, TenantId

OWN_LOG: Final = ""
"""The log whose leaves are the places' checkpoints; every other log is named by its place."""

END: Final = 2**63 - 1
"""Beyond every position."""

_LEAVES: Final = text(
    "SELECT hash FROM ledger_entry WHERE place_id = :place AND sequence > :first ORDER BY sequence LIMIT :width"
)
_OWN_LEAVES: Final = text("SELECT hash FROM checkpoint WHERE number >= :first ORDER BY number LIMIT :width")
_NODES: Final = text(
    "SELECT hash FROM ledger_node WHERE log = :log AND level = :level AND position >= :first"
    " ORDER BY position LIMIT :width"
)
_ADD_NODE: Final = text(
    "INSERT INTO ledger_node VALUES (:tenant, :log, :level, :position, :hash) ON CONFLICT DO NOTHING"
)
_CHECKPOINT: Final = "SELECT size, note, received_at, number FROM checkpoint WHERE place_id = :place"


class Tree:
    """One log's tree in the transaction of a tenant. The leaves of a place's log stand behind a position of it."""

    def __init__(
        self, connection: AsyncConnection, tenant: TenantId, log: str, place: str | None = None, begins: int = 0
    ) -> None:
        self._connection, self._tenant, self._log = connection, tenant, log
        self._place, self._begins = place or log, begins

    async def tile(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile, as many as are there."""
        query = _NODES if tile.level else (_LEAVES if self._log else _OWN_LEAVES)
        values: dict[str, int | str] = {"first": tile.index * TILE_WIDTH, "width": tile.width}
        if tile.level:
            values |= {"log": self._log, "level": tile.level}
        elif self._log:
            values |= {"place": self._place, "first": self._begins + tile.index * TILE_WIDTH}
        return [bytes(row.hash) for row in await self._connection.execute(query, values)]

    async def grown(self) -> int:
        """How many leaves the kept roots of full tiles cover."""
        query = text("SELECT coalesce(max(position) + 1, 0) FROM ledger_node WHERE log = :log AND level = 1")
        tiles: int = (await self._connection.execute(query, {"log": self._log})).scalar_one()
        return tiles * TILE_WIDTH

    async def grow(self, old: int, new: int) -> None:
        """Keep the roots of the tiles that are full now."""
        for tile in full_tiles(old, new):
            row = {"level": tile.level + 1, "position": tile.index, "hash": fold(await self.tile(tile))}
            await self._connection.execute(_ADD_NODE, {"tenant": self._tenant, "log": self._log, **row})

    async def hashes(self, spans: Iterable[Span], size: int) -> list[bytes]:
        """The hashes of spans of leaves in the tree of this size, which must have grown to it."""
        wanted = list(spans)
        tiles = {(tile.level, tile.index): await self.tile(tile) for tile in tiles_of(wanted, size)}
        return [hash_of(span, tiles) for span in wanted]

    async def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return (await self.hashes([Span(0, size)], size))[0]


async def pinned(connection: AsyncConnection, place: PlaceId) -> list[str]:
    """The keys that were ever believed for a place, oldest first."""
    query = text("SELECT vkey FROM place_key WHERE place_id = :place ORDER BY pinned_at")
    return [row.vkey for row in await connection.execute(query, {"place": place})]


async def pin(
    connection: AsyncConnection, tenant: TenantId, place: PlaceId, vkey: str, source: str, now: datetime
) -> None:
    """Record that a key is believed from now on, and why."""
    query = text("INSERT INTO place_key VALUES (:tenant, :place, :vkey, :source, :now) ON CONFLICT DO NOTHING")
    await connection.execute(query, {"tenant": tenant, "place": place, "vkey": vkey, "source": source, "now": now})


async def keep_key_change(
    connection: AsyncConnection, tenant: TenantId, place: PlaceId, sequence: int, note: str
) -> None:
    """Keep a change of a place's key, which an entry of its ledger tells."""
    query = text("INSERT INTO place_key_change VALUES (:tenant, :place, :sequence, :note)")
    await connection.execute(query, {"tenant": tenant, "place": place, "sequence": sequence, "note": note})


async def key_changes(connection: AsyncConnection, place: PlaceId, after: int, until: int) -> list[str]:
    """The notes of all changes of a place's key at these positions, oldest first."""
    query = text(
        "SELECT note FROM place_key_change WHERE place_id = :place AND sequence > :after AND sequence <= :until"
        " ORDER BY sequence"
    )
    return [row.note for row in await connection.execute(query, {"place": place, "after": after, "until": until})]


async def newest(connection: AsyncConnection, place: PlaceId, after: int = 0, until: int = END) -> Row[Any] | None:
    """The last cosigned checkpoint that ends at these positions: size (a position), note, received_at, number."""
    query = text(f"{_CHECKPOINT} AND size > :after AND size <= :until ORDER BY size DESC LIMIT 1")
    return (await connection.execute(query, {"place": place, "after": after, "until": until})).one_or_none()


async def covering(connection: AsyncConnection, place: PlaceId, position: int, until: int = END) -> Row[Any] | None:
    """The first cosigned checkpoint over an entry of a place, of its log, which ends at a position."""
    query = text(f"{_CHECKPOINT} AND size >= :position AND size <= :until ORDER BY size LIMIT 1")
    return (await connection.execute(query, {"place": place, "position": position, "until": until})).one_or_none()


async def keep(
    connection: AsyncConnection,
    tenant: TenantId,
    place: PlaceId,
    *,
    size: int,
    note: str,
    now: datetime,
    number: int,
    leaf: bytes,
    leaf_hash: bytes,
) -> None:
    """Store a cosigned checkpoint that ends at the position `size`, which is leaf `number` of the tenant's own log."""
    query = text("INSERT INTO checkpoint VALUES (:tenant, :place, :size, :note, :now, :number, :leaf, :hash)")
    values = {"size": size, "note": note, "now": now, "number": number, "leaf": leaf, "hash": leaf_hash}
    await connection.execute(query, {"tenant": tenant, "place": place, **values})


async def refuse(
    connection: AsyncConnection,
    tenant: TenantId,
    place: PlaceId,
    *,
    digest: bytes,
    note: str,
    reason: str,
    now: datetime,
) -> None:
    """Keep the evidence of a checkpoint that was not cosigned; the same one is kept once."""
    query = text(
        "INSERT INTO checkpoint_refused VALUES (:tenant, :place, :digest, :note, :reason, :now) ON CONFLICT DO NOTHING"
    )
    values = {"digest": digest, "note": note, "reason": reason, "now": now}
    await connection.execute(query, {"tenant": tenant, "place": place, **values})


async def refused(connection: AsyncConnection, place: PlaceId) -> Sequence[Row[Any]]:
    """Checkpoints of a place that were not cosigned: note, reason, received_at; newest first, a hundred at most."""
    query = text(
        "SELECT note, reason, received_at FROM checkpoint_refused WHERE place_id = :place"
        " ORDER BY received_at DESC LIMIT 100"
    )
    return (await connection.execute(query, {"place": place})).all()


async def last_refused(connection: AsyncConnection, since: datetime) -> Sequence[Row[Any]]:
    """The newest refused checkpoint of each place: place_id, reason, received_at."""
    query = text(
        "SELECT DISTINCT ON (place_id) place_id, reason, received_at FROM checkpoint_refused"
        " WHERE received_at > :since ORDER BY place_id, received_at DESC"
    )
    return (await connection.execute(query, {"since": since})).all()


async def own_log(connection: AsyncConnection, tenant: TenantId, *, lock: bool = False) -> tuple[int, str]:
    """Size and last signed checkpoint of the tenant's own log. With `lock`, nobody else adds to it until the commit."""
    if lock:
        begin = text("INSERT INTO checkpoint_log VALUES (:tenant, 0, '') ON CONFLICT DO NOTHING")
        await connection.execute(begin, {"tenant": tenant})
    query = "SELECT size, note FROM checkpoint_log"
    row = (await connection.execute(text(query + " FOR UPDATE" if lock else query))).one_or_none()
    return (row.size, row.note) if row else (0, "")


async def own_leaves(connection: AsyncConnection, first: int, limit: int) -> list[bytes]:
    """Leaves of the tenant's own log, from one on."""
    query = text("SELECT leaf FROM checkpoint WHERE number >= :first ORDER BY number LIMIT :limit")
    return [bytes(row.leaf) for row in await connection.execute(query, {"first": first, "limit": limit})]


async def sign_own_log(connection: AsyncConnection, size: int, note: str) -> None:
    """Put the next signed checkpoint of the tenant's own log in the place of the last."""
    await connection.execute(text("UPDATE checkpoint_log SET size = :size, note = :note"), {"size": size, "note": note})


async def place_of_punch(connection: AsyncConnection, punch: PunchId) -> tuple[PlaceId, int] | None:
    """The place whose ledger recorded a punch first, and the position there."""
    query = text(
        "SELECT place_id, sequence FROM punch WHERE punch_id = :punch"
        " UNION ALL SELECT place_id, sequence FROM archived_punch WHERE punch_id = :punch LIMIT 1"
    )
    row = (await connection.execute(query, {"punch": punch})).one_or_none()
    return row and (PlaceId(row.place_id), row.sequence)
