"""Keys of a gateway's people are replaced: everything reads and proves as before, and no old key opens anything."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from biometric_flow.gateway import replicas
from biometric_flow.gateway.first_sealing import KeysMissing, seal_all
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.resealing import LEVELS, RowsLeft, replace
from biometric_flow.gateway.store import schema
from biometric_flow.identity.envelope import Binding
from biometric_flow.identity.keyring import PLACE, KeyState
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.key_store import KeyStore
from biometric_flow.runtime.postgres import SUPERUSER
from tests.services.gateways import Chain, RunningGateway, touches, with_keys
from tests.services.hours import MONDAY, Desk

DEMO = TenantId("demo")


def envelopes(gateway: RunningGateway, keys: KeyStore) -> Iterator[tuple[str, bytes]]:
    """Every value in the database that begins as an envelope of one of these keys, whatever table it is in."""
    known = {one.id for one in keys.records()}
    assert gateway.database is not None
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name)) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'bytea'"
        ).fetchall()
        for table, column in columns:
            query = f"SELECT substring({column} FROM 3 FOR 16) FROM {table} WHERE length({column}) > 45"
            rows = connection.execute(query).fetchall()  # type: ignore[call-overload]
            yield from ((f"{table}.{column}", bytes(key)) for (key,) in rows if bytes(key) in known)


async def verified(gateway: RunningGateway) -> int:
    assert gateway.database is not None
    database = with_keys(Database(gateway.database.dsn, schema.APPLICATION), gateway.folder)
    database.is_ready = True
    try:
        return (await replicas.verify(database, await replicas.states(database, [DEMO]))).entries
    finally:
        await database.close()


async def reads(desk: Desk) -> list[Any]:
    """What the gateway says of people, of what they wrote, and of what they did."""
    asked = ("/v1/pins", "/v1/people", "/v1/leave", "/v1/punches?limit=100")
    return [await desk.ask("GET", path) for path in asked]


async def filled(gateway: RunningGateway) -> tuple[Desk, Chain]:
    desk, chain = Desk(gateway), Chain()
    await desk.plan()
    who = await desk.hire("E41", "41")
    chain.add(*touches(5, pin="41"), *touches(5, pin="42", first=10))
    await gateway.uplink().upload(0, chain.entries)
    away = {"person": who, "from": str(MONDAY), "to": str(MONDAY + timedelta(days=2)), "reason": "a wedding"}
    await desk.ask("POST", "/v1/leave", 201, json={"items": [away]})
    return desk, chain


async def test_everything_reads_and_proves_as_before_when_keys_are_replaced_twice(gateway: RunningGateway) -> None:
    desk, chain = await filled(gateway)
    keys = open_tenant_keys(gateway.folder / "keys", [DEMO]).of(DEMO)
    before = await reads(desk)
    where = {column for column, _ in envelopes(gateway, keys)}
    sealed = ("ledger_entry.record", "audit_entry.record", "subject.pin", "employee.number", "leave_request.reason")
    assert where >= {*sealed, "sealing.probe"}
    assert gateway.database is not None
    for level in (*LEVELS, *LEVELS):
        old = {one.id for one in keys.records() if one.state is KeyState.ACTIVE and one.owner.kind in LEVELS[level]}
        replace(gateway.database.owner_dsn, keys, level, lambda: None)
        assert {one.state for one in keys.records() if one.id in old} == {KeyState.DESTROYED}
        assert not {key for _, key in envelopes(gateway, keys)} & old
        assert await reads(desk) == before
    assert {column for column, _ in envelopes(gateway, keys)} >= where
    held = len(chain.entries)
    chain.add(*touches(3, pin="41", first=30), *touches(3, pin="43", first=40))
    await gateway.uplink().upload(held, chain.entries[held:])
    assert await gateway.count(pin="41") == 8
    assert await verified(gateway) == len(chain.entries)


async def test_an_entry_of_a_copy_of_before_is_refused_and_is_not_taken_for_an_erased_one(
    gateway: RunningGateway,
) -> None:
    await filled(gateway)
    keys = open_tenant_keys(gateway.folder / "keys", [DEMO]).of(DEMO)
    assert gateway.database is not None
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name)) as connection:
        row = connection.execute("SELECT record FROM ledger_entry WHERE sequence = 3").fetchone()
        assert row is not None
        connection.commit()
        replace(gateway.database.owner_dsn, keys, "people", lambda: None)
        connection.execute("UPDATE ledger_entry SET record = %s WHERE sequence = 3", row)
        connection.commit()
    with pytest.raises(LedgerError, match="replaced and destroyed"):
        await verified(gateway)


async def test_keys_stay_while_something_that_is_in_no_list_is_under_them(gateway: RunningGateway) -> None:
    await filled(gateway)
    keys = open_tenant_keys(gateway.folder / "keys", [DEMO]).of(DEMO)
    assert gateway.database is not None
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name), autocommit=True) as connection:
        connection.execute("CREATE TABLE later (sealed bytea)")
        connection.execute("GRANT SELECT ON later TO PUBLIC")
        connection.execute("INSERT INTO later VALUES (%s)", (keys.seal(PLACE, Binding("later", "sealed", b""), b"x"),))
        with pytest.raises(RowsLeft, match=r"later\.sealed"):
            replace(gateway.database.owner_dsn, keys, "place", lambda: None)
        assert [one.state for one in keys.versions(PLACE)] == [KeyState.VERIFY_ONLY, KeyState.ACTIVE]
        connection.execute("DELETE FROM later")
    replace(gateway.database.owner_dsn, keys, "place", lambda: None)
    assert [one.state for one in keys.versions(PLACE)] == [KeyState.DESTROYED, KeyState.ACTIVE]


async def test_a_database_of_before_is_refused_at_the_start_beside_newer_keys(gateway: RunningGateway) -> None:
    await filled(gateway)
    stores = open_tenant_keys(gateway.folder / "keys", [DEMO])
    assert gateway.database is not None
    seal_all(gateway.database.owner_dsn, stores)
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name), autocommit=True) as connection:
        before = connection.execute("SELECT pin, subject FROM subject").fetchall()
        replace(gateway.database.owner_dsn, stores.of(DEMO), "people", lambda: None)
        seal_all(gateway.database.owner_dsn, stores)
        for row in before:
            connection.execute("UPDATE subject SET pin = %s WHERE subject = %s", row)
    with pytest.raises(KeysMissing, match="key store of their time"):
        seal_all(gateway.database.owner_dsn, stores)
