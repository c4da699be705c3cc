"""An instance of the gateway that starts while another one serves."""

import asyncio

import psycopg

from biometric_flow.gateway.store import places, schema
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.postgres import SUPERUSER
from tests.services.gateways import RunningGateway, places_file
from tests.services.places import until


async def test_an_instance_that_starts_and_an_upload_to_another_do_not_lock_each_other_out(
    gateway: RunningGateway,
) -> None:
    assert gateway.database is not None
    file, starting = places_file(), Database(gateway.database.dsn, schema.APPLICATION)
    starting.is_ready = True
    watch = gateway.database.server.dsn(SUPERUSER, gateway.database.name)
    with psycopg.connect(gateway.database.owner_dsn) as upload, psycopg.connect(watch, autocommit=True) as watcher:

        async def configured() -> None:
            async with starting.tenant(TenantId("demo")) as connection:
                await places.configure(
                    connection, file.tenants[0], [one for one in file.places if one.tenant == "demo"]
                )

        async def is_waiting() -> bool:
            query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return watcher.execute(query).fetchone() is not None

        upload.execute("SELECT set_config('app.tenant', 'demo', true)")
        upload.execute("SELECT FROM place WHERE place_id = 'cairo' FOR NO KEY UPDATE")
        task = asyncio.create_task(configured())
        await until(is_waiting)
        await asyncio.to_thread(upload.execute, "SELECT FROM tenant WHERE tenant_id = 'demo' FOR NO KEY UPDATE")
        upload.commit()
        await task
    await starting.close()
