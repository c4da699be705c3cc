"""Random attempts of one tenant at another's rows, by direct SQL as the application's own role."""

import random
import uuid
from typing import Any

import psycopg
import pytest
from psycopg import sql

from biometric_flow.gateway.store.tables import metadata
from tests.services.gateways import Chain, RunningGateway, TestDatabase, touches
from tests.services.hours import Desk, person

TENANTS = ("demo", "other")
KINDS = {
    "text": lambda dice: f"x{dice.randrange(10**9)}",
    "uuid": lambda dice: str(uuid.UUID(int=dice.getrandbits(128), version=4)),
    "bytea": lambda dice: dice.randbytes(32),
    "boolean": lambda dice: dice.random() < 0.5,
    "date": lambda dice: f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
    "interval": lambda _dice: "30 minutes",
    "timestamp with time zone": lambda _dice: "2026-11-22T08:00:00Z",
    "timestamp without time zone": lambda _dice: "2026-11-22T08:00:00",
    "jsonb": lambda _dice: "{}",
    "ARRAY": lambda _dice: [],
    "integer": lambda dice: dice.randrange(1, 10**6),
    "bigint": lambda dice: dice.randrange(1, 10**6),
}
"""A value of each type that columns have; a new type fails here until it has one."""


async def staged(gateway: RunningGateway) -> dict[str, Desk]:
    """A person and punches in each of two tenants, who have the same PIN."""
    desks = {"demo": Desk(gateway), "other": Desk(gateway, token=await gateway.sign_in_of_other_tenant())}
    for tenant, place in (("demo", "cairo"), ("other", "tokyo")):
        chain = Chain(place)
        chain.add(*touches(3, pin="7", tenant=tenant))
        await gateway.uplink(place).upload(0, chain.entries)
        body = person(f"{tenant}-1") | {"name": f"Only {tenant}", "place": place}
        body["pins"] = [{"place": place, "pin": "7", "from": "2026-01-01"}]
        await desks[tenant].ask("POST", "/v1/people", 201, json=body)
    return desks


def columns(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[str, str]]]:
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    ).fetchall()
    known: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in found:
        if table in metadata.tables:
            known.setdefault(table, []).append((column, kind))
    return known


@pytest.mark.parametrize("cases", [2_000, pytest.param(100_000, marks=[pytest.mark.drill, pytest.mark.timeout(3000)])])
async def test_no_random_statement_reads_or_writes_a_row_of_another_tenant(gateway: RunningGateway, cases: int) -> None:
    await staged(gateway)
    assert gateway.database is not None
    dice = random.Random(20261123)
    written = seen = 0
    with psycopg.connect(gateway.database.dsn) as connection:
        tables = columns(connection)
        before = _rows(gateway.database, tables)
        for number in range(cases):
            mine = dice.choice([*TENANTS, "", "nobody"])
            theirs = dice.choice([one for one in TENANTS if one != mine])
            table = dice.choice(sorted(tables))
            connection.execute("SELECT set_config('app.tenant', %s, true)", [mine])
            try:
                told = _attempt(connection, dice, table, tables[table], theirs)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError, psycopg.DataError):
                told = None
            if told is None:
                written += 1
            else:
                seen += len(told)
                assert all(owner == mine for (owner,) in told), (number, table, mine, told)
            connection.rollback()
        assert _rows(gateway.database, tables) == before
    assert min(written, seen) > cases / 20, "attempts that were refused, and rows of one's own, both occur"


def _attempt(
    connection: psycopg.Connection[Any], dice: random.Random, table: str, has: list[tuple[str, str]], theirs: str
) -> list[tuple[str]] | None:
    """One statement against the rows of `theirs`: the owners of the rows it returned."""
    name = sql.Identifier(table)
    column, kind = dice.choice(has)
    value = KINDS[kind](dice)
    shape = dice.randrange(6)
    if shape == 0:
        query = sql.SQL("SELECT tenant_id FROM {} WHERE tenant_id = %s OR true").format(name)
        return connection.execute(query, [theirs]).fetchall()
    if shape == 1:
        other = sql.Identifier(dice.choice(["place", "punch", "employee", "account", "tenant"]))
        query = sql.SQL("SELECT a.tenant_id FROM {} a LEFT JOIN {} b ON a.tenant_id <> b.tenant_id LIMIT 50")
        return connection.execute(query.format(name, other)).fetchall()
    if shape == 2:
        query = sql.SQL("UPDATE {} SET {} = %s WHERE tenant_id = %s RETURNING tenant_id")
        return connection.execute(query.format(name, sql.Identifier(column)), [value, theirs]).fetchall()
    if shape == 3:
        query = sql.SQL("DELETE FROM {} WHERE tenant_id = %s RETURNING tenant_id").format(name)
        return connection.execute(query, [theirs]).fetchall()
    if shape == 4:
        query = sql.SQL("UPDATE {} SET tenant_id = %s RETURNING tenant_id").format(name)
        moved = connection.execute(query, [theirs]).fetchall()
        assert not moved, f"{table}: rows were given to another tenant"
        return None
    fields = [field for field, _ in has]
    values = [theirs if field == "tenant_id" else KINDS[of](dice) for field, of in has]
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING tenant_id").format(
        name, sql.SQL(", ").join(map(sql.Identifier, fields)), sql.SQL(", ").join([sql.Placeholder()] * len(fields))
    )
    return connection.execute(query, values).fetchall()


def _rows(database: TestDatabase, tables: dict[str, list[tuple[str, str]]]) -> dict[tuple[str, str], int]:
    """How many rows each tenant has where nothing writes by itself."""
    counts = {}
    with psycopg.connect(database.owner_dsn) as connection:
        for tenant in TENANTS:
            connection.execute("SELECT set_config('app.tenant', %s, true)", [tenant])
            for table in ("place", "punch", "employee", "account", "ledger_entry", "pin_holding", "access_grant"):
                assert table in tables
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
                [[counts[tenant, table]]] = connection.execute(query).fetchall()
    return counts
