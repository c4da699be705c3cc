"""One table of the gateway says which PIN is whose, and all instances agree on it at any moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
from sqlalchemy import text

from biometric_flow.gateway.store import directory, schema, subjects
from biometric_flow.identity.grants import Reach
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.postgres import SUPERUSER
from biometric_flow.runtime.reach import limited_to
from tests.builders import person
from tests.services.gateways import Chain, RunningGateway, TestDatabase, touches
from tests.services.hours import Desk
from tests.services.test_gateway_erasure import hire

DEMO = TenantId("demo")


@asynccontextmanager
async def instance(database: TestDatabase) -> AsyncIterator[Database]:
    """What one gateway process knows."""
    own = Database(database.dsn, schema.APPLICATION)
    own.is_ready = True
    yield own
    await own.close()


async def make(own: Database, *pins: str, names: dict[str, str] | None = None) -> list[bytes]:
    async with own.tenant(DEMO) as connection:
        called = {("cairo", pin): name for pin, name in (names or {}).items()}
        found = await subjects.ensure(connection, [("cairo", pin) for pin in pins], called)
        return [found["cairo", pin] for pin in pins]


async def name_of(own: Database, pin: str) -> str | None:
    async with own.tenant(DEMO) as connection:
        known = await directory.look(connection)
        one = known.id_of("cairo", pin)
        return None if one is None else known.subject(one).name  # type: ignore[union-attr]


async def test_two_transactions_that_meet_somebody_new_make_one_subject(gateway: RunningGateway) -> None:
    assert gateway.database is not None
    async with instance(gateway.database) as one, instance(gateway.database) as other:
        made = await asyncio.gather(*(make(own, "41", str(50 + number)) for number, own in enumerate([one, other] * 4)))
        assert len({subject for subject, _ in made}) == 1
        assert len({subject for _, subject in made}) == 8
        async with one.tenant(DEMO) as connection:
            assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar_one() == 9


async def test_another_instance_sees_at_once_who_is_new_renamed_and_gone(gateway: RunningGateway) -> None:
    assert gateway.database is not None
    async with instance(gateway.database) as one, instance(gateway.database) as other:
        assert await name_of(other, "41") is None
        [subject] = await make(one, "41")
        assert await name_of(other, "41") == ""
        await make(one, "41", names={"41": "Amina"})
        assert await name_of(other, "41") == "Amina"
        async with one.tenant(DEMO) as connection:
            await subjects.forget(connection, [subject])
        assert await name_of(other, "41") is None
        assert await make(other, "41") != [subject]


async def test_what_a_transaction_did_not_commit_is_nobodys_memory(gateway: RunningGateway) -> None:
    assert gateway.database is not None
    async with instance(gateway.database) as own:
        [kept] = await make(own, "40")
        with contextlib.suppress(LookupError):
            async with own.tenant(DEMO) as connection:
                await subjects.ensure(connection, [("cairo", "41")], {("cairo", "40"): "Amina"})
                known = await directory.look(connection)
                assert known.id_of("cairo", "41") is not None
                assert known.subject(kept).name == "Amina"  # type: ignore[union-attr]
                raise LookupError
        assert (await name_of(own, "40"), await name_of(own, "41")) == ("", None)


async def test_whoever_reaches_one_place_leaves_no_gaps_in_what_others_see(gateway: RunningGateway) -> None:
    assert gateway.database is not None
    async with instance(gateway.database) as one, instance(gateway.database) as other:
        await make(one, "41")
        with limited_to(Reach(False, frozenset({"leeds"}))):
            assert await name_of(other, "41") == ""
            async with other.tenant(DEMO) as connection:
                await directory.look(connection)
                assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar_one() == 0
        assert await name_of(other, "41") == ""


async def test_pins_are_in_one_table_and_in_no_other(gateway: RunningGateway) -> None:
    await hire(Desk(gateway))
    chain = Chain()
    chain.add(replace(person("73190044", "Zenobia Quist"), uid=1), *touches(3, pin="73190044"))
    await gateway.uplink().upload(0, chain.entries)
    assert await gateway.count(pin="73190044") == 3
    assert gateway.database is not None
    found = set()
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name)) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in names:
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t").fetchall():
                if any(word in row or word.encode().hex() in row for word in ("73190044", "Zenobia")):
                    found.add(table)
    assert found == {"subject"}
