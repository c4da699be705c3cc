"""Questions over archived punches, by DuckDB on the Parquet files; each file is checked once before it is believed."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.archive.errors import ArchiveDamaged, ArchiveUnreachable
from biometric_flow.gateway.archive.rows import Cold, opened
from biometric_flow.gateway.archive.stores import Store
from biometric_flow.gateway.store import archive as rows_of
from biometric_flow.gateway.store.punch_ids import Named, stored
from biometric_flow.gateway.store.punches import After, PunchFilter
from biometric_flow.identity.envelope import SealingKey
from biometric_flow.model.ids import PunchId, TenantId

_COLUMNS: Final = (
    "place, sequence, position, subject, terminal, local_time, epoch_us(instant) AS instant, state, verify, work_code,"
    " drift_ms, epoch_us(received_at) AS received_at, channel, leaf, hash, sealed"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN: Final = timedelta(days=2)
"""By which a wall clock and the month of its instant may differ."""


class Archive:
    """What is archived, wherever it lies. Files are immutable: one that was fetched and checked stays in `cache`."""

    def __init__(self, store: Store | None, cache: Path) -> None:
        self.store = store
        self._cache = cache

    async def page(
        self,
        connection: AsyncConnection,
        tenant: TenantId,
        wanted: PunchFilter,
        after: After | None,
        limit: int,
        *,
        newest_first: bool,
    ) -> list[Cold]:
        """Archived punches by instant and position, from behind `after`; those of erased people are not told.

        Files hold the identities that places gave; here each has the one that the tables would call it by.

        Raises ArchiveUnreachable, ArchiveDamaged.
        """
        paths, keys = await self._open(connection, tenant, wanted)
        found: list[Cold] = []
        while paths and keys and len(found) < limit:
            rows = await asyncio.to_thread(_page, paths, wanted, _subjects(wanted, keys), after, limit, newest_first)
            told = [(row, cold) for row in rows if (cold := opened(tenant, row, keys)) is not None]
            named = [Named(cold.place, row["subject"], PunchId(cold.punch_id)) for row, cold in told]
            ids = await stored(connection, named)
            found += [replace(cold, punch_id=one) for (_, cold), one in zip(told, ids, strict=True)]
            if len(rows) < limit:
                break
            after = After(rows[-1]["instant"], rows[-1]["position"])
        return found[:limit]

    async def counts(self, connection: AsyncConnection, tenant: TenantId, wanted: PunchFilter) -> dict[str, int]:
        """How many archived punches match, by place. Raises ArchiveUnreachable, ArchiveDamaged."""
        paths, keys = await self._open(connection, tenant, wanted)
        if not paths or not keys:
            return {}
        counted = await asyncio.to_thread(_counts, paths, wanted, list(keys))
        return {place: count for place, count in counted if count}

    async def _open(
        self, connection: AsyncConnection, tenant: TenantId, wanted: PunchFilter
    ) -> tuple[list[str], dict[bytes, SealingKey]]:
        files = [row for row in await rows_of.files(connection, wanted.place) if _overlaps(row, wanted)]
        if not files:
            return [], {}
        keys: dict[bytes, SealingKey] = {}
        for place in {row.place_id for row in files}:
            keys |= {key.id: key for key in (await rows_of.keys(connection, place, wanted.pin)).values()}
        return [str(await asyncio.to_thread(self._fetched, row)) for row in files], keys

    def _fetched(self, row: Row[Any]) -> Path:
        path = self._cache / f"{bytes(row.sha256).hex()}.parquet"
        if path.exists():
            return path
        content = self.content(row)
        try:
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_name(f"{path.name}.{os.getpid()}.{id(content)}")
            fresh.write_bytes(content)
            fresh.rename(path)
        except OSError as error:
            raise ArchiveUnreachable(f"expected to keep a copy in {self._cache}, got: {error}") from None
        return path

    def content(self, row: Row[Any]) -> bytes:
        """A file's bytes, which are those that were written. Raises ArchiveUnreachable, ArchiveDamaged."""
        if self.store is None:
            raise ArchiveUnreachable("expected the setting ARCHIVE of before, since punches are archived; it is gone")
        content = self.store.get(row.name, row.version)
        if hashlib.sha256(content).digest() != bytes(row.sha256):
            raise ArchiveDamaged(f"{row.name}: its bytes are not those that were written")
        return content


def _overlaps(row: Row[Any], wanted: PunchFilter) -> bool:
    first = datetime(row.month.year, row.month.month, 1, tzinfo=UTC)
    after = rows_of.month_after(row.month)
    end = datetime(after.year, after.month, 1, tzinfo=UTC)
    low, high = wanted.instant_from, wanted.instant_to
    if wanted.local_from is not None:
        low = max(low or _EPOCH, wanted.local_from.replace(tzinfo=UTC) - _MARGIN)
    if wanted.local_to is not None:
        limit = wanted.local_to.replace(tzinfo=UTC) + _MARGIN
        high = limit if high is None else min(high, limit)
    return (low is None or low < end) and (high is None or high > first)


def _subjects(wanted: PunchFilter, keys: dict[bytes, SealingKey]) -> list[bytes] | None:
    return None if wanted.pin is None else list(keys)


def _conditions(wanted: PunchFilter, subjects: Sequence[bytes] | None) -> tuple[str, list[Any]]:
    given: list[tuple[str, Any]] = [
        ("place = ?", wanted.place),
        ("terminal = ?", wanted.terminal),
        ("instant >= make_timestamptz(?)", _micros(wanted.instant_from)),
        ("instant < make_timestamptz(?)", _micros(wanted.instant_to)),
        ("local_time >= ?", wanted.local_from),
        ("local_time < ?", wanted.local_to),
    ]
    kept = [(condition, value) for condition, value in given if value is not None]
    conditions, values = [one for one, _ in kept], [value for _, value in kept]
    if subjects is not None:
        conditions.append(f"subject IN ({', '.join('?' * len(subjects))})")
        values += subjects
    return " AND ".join(conditions) or "true", values


def _page(
    paths: list[str], wanted: PunchFilter, subjects: list[bytes] | None, after: After | None, limit: int, newest: bool
) -> list[dict[str, Any]]:
    conditions, values = _conditions(wanted, subjects)
    way, sign = ("DESC", "<") if newest else ("ASC", ">")
    if after is not None:
        conditions += f" AND (instant, position) {sign} (make_timestamptz(?), ?)"
        values += [_micros(after.instant), after.position]
    query = (
        f"SELECT {_COLUMNS} FROM read_parquet(?) WHERE {conditions}"  # noqa: S608 - our own names
        f" ORDER BY read_parquet.instant {way}, position {way} LIMIT {int(limit)}"
    )
    with duckdb.connect() as database:
        found = database.execute(query, [paths, *values])
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for row in rows:
        row |= {name: _EPOCH + timedelta(microseconds=row[name]) for name in ("instant", "received_at")}
    return rows


def _counts(paths: list[str], wanted: PunchFilter, subjects: list[bytes]) -> list[tuple[str, int]]:
    conditions, values = _conditions(wanted, None)
    known = "(SELECT unnest(?::BLOB[]) AS known)"
    query = (
        f"SELECT place, count(*) FROM read_parquet(?) JOIN {known} ON known = subject WHERE {conditions} GROUP BY place"  # noqa: S608
    )
    with duckdb.connect() as database:
        return database.execute(query, [paths, subjects, *values]).fetchall()


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
