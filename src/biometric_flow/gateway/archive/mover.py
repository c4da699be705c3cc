"""Moves cold punches to the archive, checks what lies there against the ledger, and brings it back.

A punch leaves the hot table in the transaction that registers its file, and only after the file was read back and found
equal. A kill before that leaves a file that nothing refers to, and the next try writes it again.
"""

import asyncio
import hashlib
import secrets
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text

from biometric_flow.api.archive import ArchiveFile, ArchiveVerified
from biometric_flow.gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveRefused, ArchiveUnreachable
from biometric_flow.gateway.archive.reader import Archive
from biometric_flow.gateway.archive.rows import (
    Cold,
    check_leaf,
    check_record,
    checked,
    from_parquet,
    opened,
    to_parquet,
)
from biometric_flow.gateway.store import archive as store
from biometric_flow.identity.envelope import SealingKey
from biometric_flow.ledger.merkle import Frontier
from biometric_flow.ledger.note import Checkpoint, Note
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

STEP: Final = 50_000
_HASHES: Final = text(
    "SELECT sequence, hash FROM ledger_entry WHERE place_id = :place AND sequence > :after"
    " ORDER BY sequence LIMIT :step"
)
_SIGNED: Final = text("SELECT size, note FROM checkpoint WHERE place_id = :place ORDER BY size DESC LIMIT 1")


class Mover:
    """One at a time is enough; two would not harm each other, one of them would be refused."""

    def __init__(self, database: Database, archive: Archive, clock: Clock, lock_days: int) -> None:
        self._database, self._archive, self._clock = database, archive, clock
        self._lock = timedelta(days=lock_days)

    async def create(self, tenant: TenantId, months: int, limit: int) -> tuple[list[ArchiveFile], bool]:
        """Archive what is older than so many whole months, a few files; whether there is more.

        Raises ArchiveRefused without a store, ArchiveBusy, ArchiveUnreachable, ArchiveDamaged for a punch that is not
        as its ledger says or a file that came back otherwise; nothing of that file was moved then. Where files before
        it were, they are told, and the next call raises: what is done never looks refused.
        """
        if self._archive.store is None:
            raise ArchiveRefused("expected the setting ARCHIVE to name a folder or a bucket, it names none")
        before = store.first_cold_day(self._clock.now(), months)
        made: list[ArchiveFile] = []
        while True:
            async with self._database.tenant(tenant) as connection:
                waiting = await store.months(connection, before)
            if not waiting or len(made) >= limit:
                return made, bool(waiting)
            try:
                made.append(await self._move(tenant, *waiting[0]))
            except (ArchiveBusy, ArchiveUnreachable, ArchiveDamaged):
                if not made:
                    raise
                return made, True

    async def files(self, tenant: TenantId) -> list[ArchiveFile]:
        """All files, by place and month."""
        async with self._database.tenant(tenant) as connection:
            return [_view(row) for row in await store.files(connection)]

    async def verify(self, tenant: TenantId, file_id: str) -> ArchiveVerified:
        """Check every row of a file against the ledger's tree. Raises ArchiveRefused, ArchiveDamaged: the first bad."""
        row = await self._file(tenant, file_id)
        leaves, size, signed = await self._tree(tenant, PlaceId(row.place_id))
        rows, keys = await self._read(tenant, row)
        wanted = {one["sequence"]: leaves.get(one["sequence"]) for one in rows}
        held = {sequence: leaf for sequence, leaf in wanted.items() if leaf is not None}
        try:
            seen = await asyncio.to_thread(lambda: list(checked(tenant, rows, keys, row.place_id, held)))
        except ArchiveDamaged as error:
            raise ArchiveDamaged(f"{row.name}: {error}") from None
        if len(seen) != row.rows:
            raise ArchiveDamaged(f"{row.name}: expected {row.rows} rows, it has {len(seen)}")
        erased = sum(one is None for one in seen)
        return ArchiveVerified(file=file_id, rows=len(seen), erased=erased, entries=size, checkpoint=signed)

    async def restore(self, tenant: TenantId, file_id: str) -> int:
        """Make a file's punches hot again, each checked; how many. Those of erased people stay away.

        Raises what `verify` raises. The file itself stays where it is.
        """
        await self.verify(tenant, file_id)
        row = await self._file(tenant, file_id)
        rows, keys = await self._read(tenant, row)
        cold = [one for raw in rows if (one := opened(tenant, raw, keys)) is not None]
        async with self._database.tenant(tenant) as connection:
            await store.bring_back(connection, tenant, file_id, cold)
        return len(cold)

    async def _move(self, tenant: TenantId, place: PlaceId, month: date) -> ArchiveFile:
        with acting_as(
            None
        ):  # Keys that were only made ready are no move yet: its leaf belongs to the transaction below.
            async with self._database.tenant(tenant) as connection:
                rows = await store.cold(connection, place, month)
                await store.ensure_keys(connection, tenant, place, {row.pin for row in rows})
                keys = await store.keys(connection, place)
        now = self._clock.now()
        until = now + self._lock if self._lock else None
        name = f"{tenant}/{place}/{month:%Y-%m}/{rows[0].position}-{rows[-1].position}.parquet"
        content, version = await asyncio.to_thread(self._write, tenant, name, rows, keys, until)
        file = {
            "tenant_id": tenant, "file_id": secrets.token_hex(8), "place_id": place, "month": month,
            "first_position": rows[0].position, "last_position": rows[-1].position, "rows": len(rows),
            "size": len(content), "sha256": hashlib.sha256(content).digest(), "name": name, "version": version,
            "created_at": now, "locked_until": until,
        }  # fmt: skip
        async with self._database.tenant(tenant) as connection:
            await store.move(connection, **file)
            return _view(next(one for one in await store.files(connection, place) if one.file_id == file["file_id"]))

    def _write(
        self, tenant: str, name: str, rows: list[Cold], keys: dict[str, SealingKey], until: datetime | None
    ) -> tuple[bytes, str]:
        for row in rows:
            raw = {field: getattr(row, field) for field in ("place", "sequence", "leaf", "hash")}
            check_record(row, check_leaf(raw, row.place, row.hash))
        content = to_parquet(tenant, rows, keys)
        assert self._archive.store is not None
        version = self._archive.store.put(name, content, until)
        by_id: dict[bytes, SealingKey] = {key.id: key for key in keys.values()}
        back = from_parquet(name, self._archive.store.get(name, version), hashlib.sha256(content).digest())
        if [opened(tenant, raw, by_id) for raw in back] != rows:
            raise ArchiveDamaged(f"{name}: what was read back is not what was written; nothing was moved")
        return content, version

    async def _read(self, tenant: TenantId, row: Row[Any]) -> tuple[list[dict[str, Any]], dict[bytes, SealingKey]]:
        async with self._database.tenant(tenant) as connection:
            keys = await store.keys(connection, row.place_id)
        content = await asyncio.to_thread(self._archive.content, row)
        rows = await asyncio.to_thread(from_parquet, row.name, content, bytes(row.sha256))
        return rows, {key.id: key for key in keys.values()}

    async def _file(self, tenant: TenantId, file_id: str) -> Row[Any]:
        async with self._database.tenant(tenant) as connection:
            found = [row for row in await store.files(connection) if row.file_id == file_id]
        if not found:
            raise ArchiveRefused("expected the id of an archived file, there is none; see `archive list`")
        return found[0]

    async def _tree(self, tenant: TenantId, place: PlaceId) -> tuple[dict[int, bytes], int, int]:
        """Leaf hashes by sequence, how many, and the size of the newest checkpoint, whose root they have."""
        async with self._database.tenant(tenant) as connection:
            signed = (await connection.execute(_SIGNED, {"place": place})).one_or_none()
        leaves: dict[int, bytes] = {}
        tree = Frontier()
        while True:
            given = {"place": place, "after": len(leaves), "step": STEP}
            async with self._database.tenant(tenant) as connection:
                rows = [(row.sequence, bytes(row.hash)) for row in await connection.execute(_HASHES, given)]
            for sequence, leaf in rows:
                if sequence != len(leaves) + 1:
                    raise ArchiveDamaged(f"ledger of {place}: entry {len(leaves) + 1} is missing")
                leaves[sequence] = leaf
                tree.append(leaf)
                if signed is not None and tree.size == signed.size and _root(signed.note) != tree.root():
                    raise ArchiveDamaged(f"ledger of {place}: its tree is not the one that was signed")
            if len(rows) < STEP:
                return leaves, len(leaves), signed.size if signed else 0


def _root(note: str) -> bytes:
    return Checkpoint.parse(Note.parse(note).text).root


def _view(row: Row[Any]) -> ArchiveFile:
    return ArchiveFile(
        id=row.file_id,
        place=row.place_id,
        month=row.month,
        rows=row.rows,
        size=row.size,
        sha256=bytes(row.sha256).hex(),
        name=row.name,
        version=row.version,
        created_at=row.created_at,
        locked_until=row.locked_until,
    )
