"""A database that an earlier version filled keeps what it holds and gains what is new."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import Connection
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from biometric_flow.gateway.store import migrations, schema
from biometric_flow.ledger.events import PunchRecorded
from tests.builders import MOMENT, person
from tests.services.gateways import Chain, TestDatabase, touches


def step(database: TestDatabase, direction: str, revision: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database.owner_dsn), poolclass=NullPool
    )
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)


def test_punches_of_before_receipts_learn_where_they_stand_in_the_ledger(database: TestDatabase) -> None:
    step(database, "downgrade", "0001")
    chain = Chain()
    kept = list(touches(3))
    chain.add(person("7"), kept[0], person("7", "Amina H."), *kept[1:], kept[0])
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        fill(connection, chain, kept)
    schema.migrate(database.owner_dsn)
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        found = dict(connection.execute("SELECT punch_id, sequence FROM punch").fetchall())
        again = connection.execute("SELECT place_id, sequence FROM told_again").fetchall()
        assert again == [("cairo", 6)], "what was told before, and has no row"
        forced = connection.execute(
            "SELECT relforcerowsecurity FROM pg_class WHERE relname IN ('punch', 'ledger_entry')"
        )
        assert [row[0] for row in forced] == [True, True]
    assert {bytes(key): value for key, value in found.items()} == {
        kept[0].punch.id: 2,
        kept[1].punch.id: 4,
        kept[2].punch.id: 5,
    }


def fill(connection: Connection, chain: Chain, kept: list[PunchRecorded]) -> None:
    connection.execute("INSERT INTO tenant (tenant_id, name) VALUES ('demo', 'Demo')")
    connection.execute(
        "INSERT INTO place (tenant_id, place_id, name, zone, is_active, head_hash)"
        " VALUES ('demo', 'cairo', 'Cairo', 'Africa/Cairo', true, %s)",
        (bytes(32),),
    )
    for entry in chain.entries:
        connection.execute(
            "INSERT INTO ledger_entry VALUES ('demo', 'cairo', %s, %s, %s, %s, %s)",
            (entry.sequence, entry.leaf, bytes(32), entry.record, entry.opening),
        )
    for position, event in enumerate(kept, 1):
        connection.execute(
            "INSERT INTO punch (tenant_id, punch_id, place_id, terminal, pin, local_time, instant, state, verify,"
            " work_code, drift_ms, received_at, channel, position) VALUES"
            " ('demo', %s, 'cairo', 'CAI0001', '7', '2026-11-22', %s, 0, 1, 0, 0, %s, 'live', %s)",
            (event.punch.id, MOMENT, MOMENT, position),
        )
