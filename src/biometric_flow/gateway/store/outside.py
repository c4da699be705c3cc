"""Queries of what witnesses outside said of the tenant's own log of checkpoints."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.model.ids import TenantId


async def last(connection: AsyncConnection, witness: str) -> tuple[int, str]:
    """Size and note of the last checkpoint of the own log that a witness cosigned; 0 and nothing before the first."""
    query = text("SELECT size, note FROM outside_cosignature WHERE witness = :witness ORDER BY size DESC LIMIT 1")
    row = (await connection.execute(query, {"witness": witness})).one_or_none()
    return (row.size, row.note) if row else (0, "")


async def keep(
    connection: AsyncConnection, tenant: TenantId, witness: str, size: int, note: str, now: datetime
) -> None:
    """Keep a cosigned checkpoint; the first of one size stays."""
    query = text(
        "INSERT INTO outside_cosignature VALUES (:tenant, :witness, :size, :note, :now) ON CONFLICT DO NOTHING"
    )
    values = {"tenant": tenant, "witness": witness, "size": size, "note": note, "now": now}
    await connection.execute(query, values)


async def of_size(connection: AsyncConnection, size: int) -> list[str]:
    """The cosigned checkpoints of one size, one for each witness."""
    query = text("SELECT note FROM outside_cosignature WHERE size = :size ORDER BY witness")
    return [row.note for row in await connection.execute(query, {"size": size})]


async def first_over(connection: AsyncConnection, number: int) -> int | None:
    """The smallest cosigned size that covers leaf `number` of the own log; None while there is none."""
    query = text("SELECT min(size) FROM outside_cosignature WHERE size > :number")
    size: int | None = (await connection.execute(query, {"number": number})).scalar_one()
    return size


async def newest_size(connection: AsyncConnection) -> int | None:
    """The largest size that any witness has cosigned."""
    size: int | None = (await connection.execute(text("SELECT max(size) FROM outside_cosignature"))).scalar_one()
    return size


async def configure(
    connection: AsyncConnection, tenant: TenantId, witnesses: Sequence[tuple[str, str]], now: datetime
) -> None:
    """These witnesses (key, address) are asked from now on, and no others; what others said stays."""
    await connection.execute(
        text("DELETE FROM outside_witness WHERE NOT witness = ANY(:keys)"), {"keys": [key for key, _ in witnesses]}
    )
    for key, url in witnesses:
        query = text(
            "INSERT INTO outside_witness VALUES (:tenant, :witness, :url, :now, NULL, '', false)"
            " ON CONFLICT (tenant_id, witness) DO UPDATE SET url = excluded.url"
        )
        await connection.execute(query, {"tenant": tenant, "witness": key, "url": url, "now": now})


async def tried(
    connection: AsyncConnection, witness: str, now: datetime, failure: str, *, is_contradiction: bool
) -> None:
    """How an attempt went; empty `failure` means that the witness holds all there is.

    A contradiction stays until the witness cosigns again, also when it cannot be reached afterwards.
    """
    query = text(
        "UPDATE outside_witness SET failure = :failure, is_contradiction = :contradiction,"
        " reached_at = CASE WHEN :failure = '' THEN :now ELSE reached_at END"
        " WHERE witness = :witness AND (:contradiction OR :failure = '' OR NOT is_contradiction)"
    )
    values = {"witness": witness, "failure": failure, "contradiction": is_contradiction, "now": now}
    await connection.execute(query, values)


async def witnesses(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """All that are asked: witness, url, since, reached_at, failure, is_contradiction, size."""
    query = text(
        "SELECT w.witness, url, since, reached_at, failure, is_contradiction, coalesce(max(c.size), 0) AS size"
        " FROM outside_witness AS w LEFT JOIN outside_cosignature AS c USING (tenant_id, witness)"
        " GROUP BY w.tenant_id, w.witness, url, since, reached_at, failure, is_contradiction ORDER BY w.witness"
    )
    return (await connection.execute(query)).all()
