"""Transactions for one tenant at a time, with a deadline, and one error for a database that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.reach import as_settings, reached

CONNECT_SECONDS: Final = 3
DEADLINE_SECONDS: Final = 10.0
_SET_TENANT: Final = text(
    "SELECT set_config('app.tenant', :tenant, true), set_config('app.places', :places, true),"
    " set_config('app.departments', :departments, true)"
)


class DatabaseUnavailable(BiometricFlowError):
    """The database did not answer in time, or is starting."""

    code = "database.unavailable"
    retryable = True


class Recorder(Protocol):
    """Takes part in every transaction of a tenant, so that what it wrote cannot be committed unrecorded."""

    async def before_commit(self, connection: AsyncConnection, tenant: TenantId) -> None:
        """The last act of a transaction that went well."""
        ...

    def committed(self) -> None:
        """It is durable."""
        ...


class Database:
    """A pool of connections under an unprivileged role; row-level security lets a transaction see one tenant."""

    def __init__(self, dsn: str, role: str, pool_size: int = 10, deadline: float = DEADLINE_SECONDS) -> None:
        self.dsn, self.role, self.deadline = dsn, role, deadline
        self.is_ready = False
        """Set once the schema is in place; until then every transaction is refused as unavailable."""
        self.recorder: Recorder | None = None
        self.memory: dict[str, Any] = {}
        """What the layers above remember between transactions; `connection.info` of each leads there."""
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self.connect,
            pool_size=pool_size,
            max_overflow=5,
            pool_timeout=CONNECT_SECONDS,
        )

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """A connection of its own, for LISTEN; the caller closes it. Raises psycopg.Error."""
        connection = await psycopg.AsyncConnection.connect(
            self.dsn,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            options=f"-c statement_timeout={int(self.deadline * 1000)} -c lock_timeout={int(self.deadline * 500)}"
            " -c idle_in_transaction_session_timeout=60s -c timezone=UTC",
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )
        await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.role)))
        await connection.set_autocommit(False)
        return connection

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees and writes rows of one tenant only, within the reach of the request under way.

        Raises DatabaseUnavailable.
        """
        async with self.anyone() as connection:
            await connection.execute(_SET_TENANT, {"tenant": tenant, **as_settings(reached())})
            connection.info.update(tenant=tenant, memory=self.memory)
            yield connection
            if self.recorder is not None:
                await self.recorder.before_commit(connection, tenant)
        if self.recorder is not None:
            self.recorder.committed()

    @asynccontextmanager
    async def anyone(self) -> AsyncIterator[AsyncConnection]:
        """A transaction without a tenant: it sees no row, and may call the look-up functions."""
        if not self.is_ready:
            raise DatabaseUnavailable("the database is starting or away; try again in a few seconds")
        try:
            async with asyncio.timeout(self.deadline), self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError, TimeoutError) as error:
            raise DatabaseUnavailable("the database did not answer; try again in a few seconds") from error
        except InternalError as error:
            # A standby, or a server that its administrator closed for writes: the sender keeps what it has.
            if not isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
                raise
            raise DatabaseUnavailable("the database takes no writes now; try again in a few seconds") from error

    async def answers(self) -> bool:
        """Does it take a query right now?"""
        try:
            async with self.anyone() as connection:
                await connection.execute(text("SELECT 1"))
        except DatabaseUnavailable:
            return False
        return True

    async def reset(self) -> None:
        """Forget all pooled connections; the next transaction opens a new one."""
        await self._engine.dispose(close=False)

    async def close(self) -> None:
        """Close all pooled connections."""
        await self._engine.dispose()
