"""Brings a database to this program's schema: roles, then migrations, under a lock that lets one instance do it."""

from pathlib import Path
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres

OWNER: Final = "biometric_flow_owner"
"""Owns the tables of the embedded database and migrates them."""
APPLICATION: Final = "biometric_flow_app"
"""What the gateway works as: owns nothing, and row-level security binds it."""
LOOKUP: Final = "biometric_flow_lookup"
"""Owns the functions that find an account or a token before the tenant is known; nobody signs in as it."""
DATABASE: Final = "biometric_flow"
_MIGRATION_LOCK: Final = 0x62666C6F77  # "bflow"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def prepare_embedded(server: EmbeddedPostgres, database: str = DATABASE) -> None:
    """Make the roles and the database of an embedded server where they are missing. Raises psycopg.Error."""
    with psycopg.connect(server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        _make_role(connection, OWNER, "LOGIN")
        _make_role(connection, APPLICATION, "LOGIN")
        _make_role(connection, LOOKUP, "NOLOGIN")
        for role in (APPLICATION, LOOKUP):
            connection.execute(_statement("GRANT {} TO {}", role, OWNER))
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        if found is None:
            connection.execute(_statement("CREATE DATABASE {} OWNER {}", database, OWNER))


def migrate(owner_dsn: str) -> None:
    """Run all migrations that are missing, in one transaction. Raises psycopg.Error or SQLAlchemyError."""
    _prepare_roles(owner_dsn)
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(owner_dsn), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _prepare_roles(owner_dsn: str) -> None:
    """In a database that somebody else runs, make what is missing as far as the owner's login may."""
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        for role in (APPLICATION, LOOKUP):
            found = connection.execute("SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (role,))
            row = found.fetchone()
            if row is None:
                _make_role(connection, role, "NOLOGIN")
            if row is None or not row[0]:
                connection.execute(_statement("GRANT {} TO CURRENT_USER", role))


def _make_role(connection: psycopg.Connection[Any], role: str, login: str) -> None:
    try:
        connection.execute(
            sql.SQL("CREATE ROLE {} {} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE").format(
                sql.Identifier(role), sql.SQL("LOGIN" if login == "LOGIN" else "NOLOGIN")
            )
        )
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return


def _statement(form: str, *names: str) -> sql.Composed:
    return sql.SQL(form).format(*map(sql.Identifier, names))
