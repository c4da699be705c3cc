"""Backups of a PostgreSQL that somebody else runs: base backup and log by a login that may replicate, to any moment."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from biometric_flow.gateway import backup as of_gateway
from biometric_flow.gateway.store import schema
from biometric_flow.runtime.backup import WAL, found_in
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from biometric_flow.runtime.sealed_file import new_identity
from tests.services.gateways import Chain, running_gateway, touches
from tests.services.places import until


@pytest.fixture
def outside(passable: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own with the gateway's database and a login for backups, reached by addresses alone."""
    server = EmbeddedPostgres(passable / "outside")
    server.start()
    schema.prepare_embedded(server)
    with psycopg.connect(server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        connection.execute("CREATE ROLE backups LOGIN REPLICATION")
    yield server
    for cluster in (passable / "outside", *passable.glob("*/postgres")):
        EmbeddedPostgres(cluster).stop()


@pytest.mark.drill
async def test_an_outside_database_goes_back_to_a_time_between_two_writes(
    outside: EmbeddedPostgres, passable: Path
) -> None:
    backups, identity = passable / "backups", passable / "identity"
    settings = {
        "dsn": outside.dsn(schema.APPLICATION, schema.DATABASE),
        "owner_dsn": outside.dsn(schema.OWNER, schema.DATABASE),
        "backup_dsn": outside.dsn("backups", SUPERUSER),
        "backup_folder": backups,
        "backup_recipient": new_identity(identity),
    }
    chain = Chain()
    async with running_gateway(passable / "gateway", None, **settings) as gateway:

        async def are_made() -> bool:
            is_made = backups.is_dir() and {name.part for name in found_in(backups)} == {"data", "keys"}
            return is_made and shipped_after(backups, 0.0)

        await until(are_made)
        await gateway.uplink().upload(0, chain.add(*touches(10)))
        await asyncio.sleep(0.2)
        between = datetime.now(UTC)
        await asyncio.sleep(0.2)
        await gateway.uplink().upload(10, chain.add(*touches(10, first=10)))
        written = datetime.now(UTC).timestamp()

        async def is_shipped() -> bool:
            return shipped_after(backups, written + 1)

        await until(is_shipped)
    newest = {name.part: backups / str(name) for name in found_in(backups)}
    data, keys = newest["data"], newest["keys"]
    for label, moment, expected in (("then", between, 10), ("newest", None, 20)):
        target = passable / label
        back = await asyncio.to_thread(
            of_gateway.restore, data, keys, identity, target, datetime.now(UTC), backups / WAL, moment
        )
        assert back.verified.entries == expected
        async with running_gateway(target, None) as gateway:
            assert await gateway.count() == expected


def shipped_after(backups: Path, moment: float) -> bool:
    """Was a part of the log put into the folder after this moment?"""
    wal = backups / WAL
    return wal.is_dir() and any(path.stat().st_mtime > moment for path in wal.glob("*.age"))
