"""One table of the gateway says which PIN is whose, sealed, and all instances agree on it at any moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
from sqlalchemy import text

from biometric_flow.gateway.first_sealing import seal_all
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.store import directory, identities, schema, subjects
from biometric_flow.gateway.store.sealing import KEYS
from biometric_flow.identity.grants import Reach
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.postgres import SUPERUSER
from biometric_flow.runtime.reach import limited_to
from tests.builders import person
from tests.services.gateways import Chain, RunningGateway, touches
from tests.services.hours import Desk

DEMO = TenantId("demo")


@asynccontextmanager
async def instance(gateway: RunningGateway) -> AsyncIterator[Database]:
    """What one gateway process knows."""
    assert gateway.database is not None
    keys = open_tenant_keys(gateway.folder / KEYS_FOLDER, [DEMO])
    own = Database(gateway.database.dsn, schema.APPLICATION)
    own.is_ready, own.memory[KEYS] = True, keys
    yield own
    await own.close()
    keys.close()


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
    async with instance(gateway) as one, instance(gateway) as other:
        made = await asyncio.gather(*(make(own, "41", str(50 + number)) for number, own in enumerate([one, other] * 4)))
        assert len({subject for subject, _ in made}) == 1
        assert len({subject for _, subject in made}) == 8
        async with one.tenant(DEMO) as connection:
            assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar_one() == 9


async def test_another_instance_sees_at_once_who_is_new_renamed_and_gone(gateway: RunningGateway) -> None:
    async with instance(gateway) as one, instance(gateway) as other:
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
    async with instance(gateway) as own:
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
    async with instance(gateway) as one, instance(gateway) as other:
        await make(one, "41")
        with limited_to(Reach(False, frozenset({"leeds"}))):
            assert await name_of(other, "41") == ""
            async with other.tenant(DEMO) as connection:
                await directory.look(connection)
                assert (await connection.execute(text("SELECT count(*) FROM subject"))).scalar_one() == 0
        assert await name_of(other, "41") == ""


async def test_who_people_are_is_in_no_table_of_the_database(gateway: RunningGateway) -> None:
    body = {"number": "E9731900", "name": "Zenobia Quist", "place": "cairo", "employed_from": "2026-01-01"}
    pins = [{"place": "cairo", "pin": "73190044", "from": "2026-01-01"}]
    await Desk(gateway).ask("POST", "/v1/people", 201, json={**body, "pins": pins})
    hold = {"scope": "person", "who": "E9731900", "reason": "claim", "by": "counsel", "first_day": "2026-01-01"}
    assert (await Desk(gateway).ask("POST", "/v1/privacy/holds", 201, json=hold))["who"] == "E9731900"
    chain = Chain()
    chain.add(replace(person("73190044", "Zenobia Quist"), uid=1), *touches(3, pin="73190044"))
    await gateway.uplink().upload(0, chain.entries)
    assert await gateway.count(pin="73190044") == 3
    [known] = (await Desk(gateway).ask("GET", "/v1/pins?q=zenobia"))["items"]
    assert (known["pin"], known["name"]) == ("73190044", "Zenobia Quist")
    [held] = await Desk(gateway).ask("GET", "/v1/privacy/holds")
    assert held["who"] == "E9731900"
    assert tables_that_say(gateway, "73190044", "Zenobia", "E9731900") == set()


async def test_what_an_older_version_wrote_in_the_clear_is_sealed_at_the_first_start_and_in_no_page_after_it(
    gateway: RunningGateway,
) -> None:
    assert gateway.database is not None
    subject, worker = b"s" * 16, UUID(int=7)
    with psycopg.connect(gateway.database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        named = "INSERT INTO subject VALUES ('demo', %s, 'cairo', '73190044', 'Zenobia Quist', 1)"
        connection.execute(named, (subject,))
        connection.execute(
            "INSERT INTO employee (tenant_id, person_id, number, name, changed, zone, employed_from, plan, version)"
            " VALUES ('demo', %s, 'E9731900', 'Zenobia Quist', 1, 'UTC', '2026-01-01', '{}', 1)",
            (worker,),
        )
        connection.execute("UPDATE tenant SET directory_version = 1")
    words = ("73190044", "Zenobia", "E9731900")
    assert tables_that_say(gateway, *words) == {"subject", "employee"}
    keys = open_tenant_keys(gateway.folder / KEYS_FOLDER, [DEMO])
    for _ in range(2):
        await asyncio.to_thread(seal_all, gateway.database.owner_dsn, keys)
    keys.close()
    assert tables_that_say(gateway, *words) == set()
    assert pages_that_say(gateway, *words) == []
    async with instance(gateway) as own, own.tenant(DEMO) as connection:
        known = await directory.look(connection)
        assert known.subject(subject) == directory.Subject("cairo", "73190044", "Zenobia Quist")
        assert known.number_of(worker) == directory.Employee("E9731900", "Zenobia Quist")


async def test_whoever_was_erased_is_nobody_in_a_database_of_before_too(gateway: RunningGateway) -> None:
    async with instance(gateway) as own:
        [subject] = await make(own, "41", names={"41": "Amina"})
        [other] = await make(own, "42")
        own.memory[KEYS].of(DEMO).destroy(identities.of_subject("cairo", subject).owner)
    async with instance(gateway) as own, own.tenant(DEMO) as connection:
        known = await directory.look(connection)
        assert (known.subject(subject), known.pin(other)) == (None, "42")


def tables_that_say(gateway: RunningGateway, *words: str) -> set[str]:
    """Tables in whose rows one of these texts stands, also as bytes; asked as superuser."""
    assert gateway.database is not None
    found = set()
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name)) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in names:
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t").fetchall():
                if any(word in row or word.encode().hex() in row for word in words):
                    found.add(str(table))
    return found


def pages_that_say(gateway: RunningGateway, *words: str) -> list[str]:
    """Files of the database in which one of these texts stands, free space of its pages included."""
    assert gateway.database is not None
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        [[folder, number]] = connection.execute(
            "SELECT current_setting('data_directory'), oid::text FROM pg_database WHERE datname = current_database()"
        ).fetchall()
    files = [one for one in (Path(folder) / "base" / number).iterdir() if one.is_file()]
    assert files
    found = []
    for one in files:
        with contextlib.suppress(FileNotFoundError):  # PostgreSQL makes and drops some of its own meanwhile
            if any(word.encode() in one.read_bytes() for word in words):
                found.append(one.name)
    return found
