"""What entries of ledgers and of the audit trail say is in no file of the gateway; old rows are sealed at first."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from biometric_flow.api.place import LedgerEntry
from biometric_flow.commands.gateway_keys import rotate_store
from biometric_flow.gateway import replicas
from biometric_flow.gateway.first_sealing import KeysMissing, refuse_without_keys, seal_all
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.store import audit, schema
from biometric_flow.gateway.store.sealing import is_sealed
from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from tests.services.canaries import files_with
from tests.services.gateways import Chain, RunningGateway, TestDatabase, running_gateway, touches, with_keys

DEMO = TenantId("demo")


@pytest.fixture
def folder(passable: Path) -> Iterator[Path]:
    yield passable / "gateway"
    EmbeddedPostgres(passable / "gateway" / "postgres").stop()


async def own_entries(database: Database) -> list[SealedEntry]:
    async with database.tenant(DEMO) as connection:
        return await audit.entries(connection, 0, 1000)


def rows(database: TestDatabase, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
        return connection.execute(query).fetchall()


def secrets_of(entries: list[LedgerEntry] | list[SealedEntry]) -> list[bytes]:
    return [part for entry in entries for part in (entry.record, entry.opening)]


async def test_what_entries_say_is_in_no_file_and_a_missing_key_store_stops_the_start(folder: Path) -> None:
    chain = Chain()
    async with running_gateway(folder, None) as gateway:
        chain.add(*touches(20, pin="731900441"))
        await gateway.uplink().upload(0, chain.entries)
        assert await gateway.count(pin="731900441") == 20
        server = EmbeddedPostgres(folder / "postgres")
        with psycopg.connect(server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        database = with_keys(Database(server.dsn(schema.APPLICATION, schema.DATABASE), schema.APPLICATION), folder)
        database.is_ready = True
        trail = await own_entries(database)
        assert len(trail) > 1
        assert files_with(folder, [*secrets_of(chain.entries), *secrets_of(trail)]) == []
        dsn = server.dsn(schema.APPLICATION, schema.DATABASE)
        refuse_without_keys(dsn, folder / "keys", [DEMO])
        shutil.move(folder / "keys" / "demo", folder / "elsewhere")
        with pytest.raises(FolderUnusable, match="key store of tenant demo"):
            refuse_without_keys(dsn, folder / "keys", [DEMO])
        await database.close()


async def test_rows_of_an_older_version_are_sealed_at_the_first_start(database: TestDatabase, tmp_path: Path) -> None:
    chain = Chain()
    async with running_gateway(tmp_path, database) as gateway:
        chain.add(*touches(5, pin="41"), *touches(5, pin="42", first=10))
        await gateway.uplink().upload(0, chain.entries)
        opened = with_keys(Database(database.dsn, schema.APPLICATION), tmp_path)
        opened.is_ready = True
        trail = await own_entries(opened)
    events = {one.sequence: decode(one.record) for one in chain.entries}
    identities = {at: event.punch.id for at, event in events.items() if isinstance(event, PunchRecorded)}
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
        change = "UPDATE {} SET record = %s, opening = %s WHERE sequence = %s"
        for table, entries in (("ledger_entry", chain.entries), ("audit_entry", trail)):
            for one in entries:
                connection.execute(change.format(table), (one.record, one.opening, one.sequence))
        for sequence, identity in identities.items():
            connection.execute("UPDATE punch SET punch_id = %s WHERE sequence = %s", (identity, sequence))
        connection.execute("DELETE FROM terminal_place")
        subjects = connection.execute("SELECT subject FROM subject ORDER BY subject").fetchall()
        values = (subjects[0][0], b"k" * 32)
        connection.execute("INSERT INTO archive_key VALUES ('demo', %s, 'cairo', %s)", values)
        connection.execute("DELETE FROM sealing")
    async with running_gateway(tmp_path, database) as gateway:
        sealed = rows(
            database, "SELECT record, opening FROM ledger_entry UNION ALL SELECT record, opening FROM audit_entry"
        )
        assert all(is_sealed(bytes(record)) and not opening for record, opening in sealed)  # type: ignore[arg-type,call-overload]
        assert rows(database, "SELECT count(*) FROM archive_key WHERE secret IS NOT NULL") == [(0,)]
        assert rows(database, "SELECT bool_and(is_rewritten) FROM sealing") == [(True,)]
        assert await gateway.count(pin="42") == 5
        assert (await own_entries(opened))[: len(trail)] == trail
        assert (await replicas.verify(opened, await replicas.states(opened, [DEMO]))).entries == 10
        named = {bytes(one) for (one,) in rows(database, "SELECT punch_id FROM punch")}  # type: ignore[call-overload]
        assert len(named) == 10
        assert not named & set(identities.values())
        other = Chain("leeds")
        other.add(*touches(5, pin="41"))
        await gateway.uplink("leeds").upload(0, other.entries)
        assert await gateway.count() == 10
    await opened.close()


async def test_another_key_store_is_refused_and_nothing_is_served(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database) as gateway:
        await gateway.uplink().upload(0, Chain().add(*touches(1)))
    stranger = open_tenant_keys(tmp_path / "another", [DEMO])
    with pytest.raises(KeysMissing, match="not the one that sealed"):
        seal_all(database.owner_dsn, stranger)


@pytest.mark.parametrize("level", ["root", "tenant"])
async def test_keys_are_replaced_while_the_gateway_takes_entries(gateway: RunningGateway, level: str) -> None:
    chain, own = Chain(), open_tenant_keys(gateway.folder / "keys", [DEMO])
    chain.add(*touches(3, pin="41"))
    await gateway.uplink().upload(0, chain.entries)
    rotate_store(own.of(DEMO), level)
    chain.add(*touches(3, pin="42", first=20), *touches(3, pin="41", first=40))
    await gateway.uplink().upload(3, chain.entries[3:])
    assert await gateway.count() == 9
    database = with_keys(Database(gateway.database.dsn, schema.APPLICATION), gateway.folder)  # type: ignore[union-attr]
    database.is_ready = True
    assert (await replicas.verify(database, await replicas.states(database, [DEMO]))).entries == 9
    await database.close()
