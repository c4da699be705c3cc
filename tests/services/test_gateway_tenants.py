"""Row-level security as the database itself enforces it (security-design M1)."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from biometric_flow.gateway.store import schema
from biometric_flow.gateway.store.tables import metadata
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from tests.services.gateways import Chain, RunningGateway, TestDatabase, running_gateway, touches

TENANTLESS = {"alembic_version"}
"""The migrations' own bookkeeping: no row of a customer, and the application role cannot touch it."""

TABLES = """
    SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner),
        EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id' AND attnotnull),
        EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = pg_class.oid
            AND pg_get_expr(polqual, polrelid) = '(tenant_id = current_setting(''app.tenant''::text, true))'
            AND polcmd = '*' AND polroles = '{0}')
    FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
"""


def test_every_table_is_bound_to_tenants(database: TestDatabase) -> None:
    with psycopg.connect(database.owner_dsn) as connection:
        tables = connection.execute(TABLES).fetchall()
    assert len(tables) == len(metadata.tables) + 1
    for name, is_enabled, is_forced, owner, has_tenant, has_policy in tables:
        if name in TENANTLESS:
            continue
        assert (is_enabled, is_forced, has_tenant, has_policy) == (True, True, True, True), name
        assert owner == schema.OWNER


def test_what_belongs_to_a_place_or_a_person_is_limited_to_the_reach_of_a_request(database: TestDatabase) -> None:
    """A new table with such a column needs a policy `reach` as in `m0010_grants`."""
    with psycopg.connect(database.owner_dsn) as connection:
        tables = connection.execute(
            "SELECT DISTINCT c.relname, EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid"
            " AND p.polname = 'reach' AND NOT p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}')"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('place_id', 'person_id')"
            " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()
    assert len(tables) >= 19
    assert [name for name, is_limited in tables if not is_limited] == []


def test_unique_indexes_and_foreign_keys_include_the_tenant(database: TestDatabase) -> None:
    with psycopg.connect(database.owner_dsn) as connection:
        unique = connection.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indisunique"
            " AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
        ).fetchall()
        foreign = connection.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
        ).fetchall()
    assert len(unique) > 10
    assert len(foreign) > 8
    for name, definition in (*unique, *foreign):
        assert "tenant_id" in definition or name.startswith("alembic_version"), definition


def test_an_unset_tenant_sees_and_writes_nothing(database: TestDatabase) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT set_config('app.tenant', 'demo', true)")
            connection.execute("INSERT INTO tenant (tenant_id, name) VALUES ('demo', 'Demo')")
            assert connection.execute("SELECT count(*) FROM tenant").fetchone() == (1,)
        for name in metadata.tables:
            assert connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() == (0,), name  # type: ignore[arg-type]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO tenant (tenant_id, name) VALUES ('demo2', 'Demo')")


async def test_raw_sql_under_one_tenant_sees_no_row_of_the_other(gateway: RunningGateway) -> None:
    for place, tenant in (("cairo", "demo"), ("tokyo", "other")):
        chain = Chain(place)
        chain.add(*touches(2, tenant=tenant))
        await gateway.uplink(place).upload(0, chain.entries)
    assert gateway.database is not None
    with psycopg.connect(gateway.database.dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'other', true)")
        for name in metadata.tables:
            rows = connection.execute(f'SELECT DISTINCT tenant_id FROM "{name}"').fetchall()  # type: ignore[arg-type]
            assert set(rows) <= {("other",)}, name
        assert connection.execute("SELECT count(*) FROM punch").fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE place SET tenant_id = 'demo'")


def test_the_application_role_owns_nothing_and_cannot_rewrite_the_record(database: TestDatabase) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        role = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert role == (False, False, False, False)
        owned = connection.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole").fetchone()
        assert owned == (0,)
        for forbidden in (
            "UPDATE punch SET subject = '1'",
            "DELETE FROM punch",
            "DELETE FROM ledger_entry",
            "UPDATE ledger_entry SET record = ''",
            "TRUNCATE punch",
            "DELETE FROM alembic_version",
            "ALTER TABLE punch DISABLE ROW LEVEL SECURITY",
            "SET ROLE biometric_flow_owner",
            "SET ROLE biometric_flow_lookup",
            "CREATE TABLE mine (a integer)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)  # type: ignore[arg-type]


def test_the_tables_in_code_are_the_tables_that_the_migrations_make(database: TestDatabase) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database.owner_dsn))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [
            change
            for change in compare_metadata(context, metadata)
            if not (isinstance(change, tuple) and change[0] == "remove_index")
        ]
    engine.dispose()
    assert differences == []


def test_migrating_twice_changes_nothing(database: TestDatabase) -> None:
    schema.migrate(database.owner_dsn)
    with psycopg.connect(database.owner_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


async def test_a_database_of_somebody_elses_is_brought_to_the_same_state(passable: Path) -> None:
    """A login that may create roles and owns its database is all that a DSN needs."""
    server = EmbeddedPostgres(passable / "postgres")
    await asyncio.to_thread(server.start)
    try:
        with psycopg.connect(server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
            connection.execute("CREATE ROLE customer LOGIN CREATEROLE")
            connection.execute("CREATE DATABASE punches OWNER customer")
        dsn = server.dsn("customer", "punches")
        async with running_gateway(passable / "data", None, dsn=dsn) as gateway:
            chain = Chain()
            chain.add(*touches(3))
            assert await gateway.uplink().upload(0, chain.entries) == 3
            assert await gateway.count() == 3
        # As the login itself, an owner: row-level security is forced on owners too.
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*) FROM punch").fetchone() == (0,)
    finally:
        await asyncio.to_thread(server.stop)
