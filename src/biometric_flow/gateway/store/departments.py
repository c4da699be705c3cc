"""Queries of departments, which form a tree."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import DepartmentBody
from biometric_flow.gateway.store import register
from biometric_flow.gateway.store.hours_tables import department
from biometric_flow.model.ids import TenantId


async def version(connection: AsyncConnection, department_id: str) -> int | None:
    """The stored version of a department."""
    query = select(department.c.version).where(department.c.department_id == department_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def would_circle(connection: AsyncConnection, department_id: str, parent_id: str) -> bool:
    """Whether a parent is missing, or is the department itself or below it."""
    if await version(connection, parent_id) is None:
        return True
    return parent_id == department_id or parent_id in await register.below(connection, department_id)


async def put(
    connection: AsyncConnection, tenant: TenantId, department_id: str, body: DepartmentBody, number: int
) -> None:
    """Store a department as version `number`."""
    said = {"name": body.name, "parent_id": body.parent, "version": number}
    row = insert(department).values(tenant_id=tenant, department_id=department_id, **said)
    await connection.execute(row.on_conflict_do_update(index_elements=["tenant_id", "department_id"], set_=said))
