"""Queries of data versions: how often what the API shows of a topic was changed."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.tables import metadata

data_version = Table(
    "data_version",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("changes", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)
"""Triggers of migration 17 write it; each slot is one writer's at a time."""


async def current(connection: AsyncConnection) -> dict[str, int]:
    """The tenant's version of each topic that ever changed."""
    query = select(data_version.c.topic, func.sum(data_version.c.changes).label("changes"))
    return {row.topic: int(row.changes) for row in await connection.execute(query.group_by(data_version.c.topic))}
