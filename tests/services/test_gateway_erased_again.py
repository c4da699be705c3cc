"""A gateway that was put back from a copy erases whoever was erased since, before it serves anything (E2, B2)."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from biometric_flow.cli import main
from biometric_flow.gateway.store import schema
from biometric_flow.runtime.backup import WAL, found_in
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from biometric_flow.runtime.sealed_file import new_identity
from tests.services.gateways import RunningGateway, TestDatabase, places_file, running_gateway
from tests.services.hours import Desk
from tests.services.places import until
from tests.services.pushes import push_place, pushing
from tests.services.test_gateway_erasure import (
    ASKED,
    NAME,
    NUMBER,
    PIN,
    TODAY,
    hire,
    is_done,
    link,
    rows_that_say,
    touched,
)


@pytest.fixture
def gateway_folder(passable: Path) -> Iterator[Path]:
    yield passable / "gateway"
    for cluster in passable.glob("*/postgres"):
        EmbeddedPostgres(cluster).stop()


async def is_made(backups: Path) -> bool:
    return backups.is_dir() and "data" in {name.part for name in found_in(backups)}


def newest_keys(backups: Path) -> str:
    return max(str(name) for name in found_in(backups) if name.part == "keys")


async def has_keys_after(backups: Path, name: str) -> bool:
    return newest_keys(backups) > name


async def test_a_restored_gateway_holds_nobody_who_was_erased_since_its_backup(
    gateway_folder: Path, passable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, backups, identity = passable / "config", passable / "backups", passable / "identity"
    recipient = new_identity(identity)
    (config / "environments").mkdir(parents=True)
    (config / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    environment = config / "environments" / "gateway.env"
    environment.write_text(f"BIOMETRIC_FLOW_GATEWAY_DATA={gateway_folder}\n", encoding="utf-8")
    common = ["--gateway", "--config", str(config)]
    place_folder = passable / "place"
    async with running_gateway(gateway_folder, None, backup_folder=backups, backup_recipient=recipient) as gateway:
        desk = Desk(gateway)
        await hire(desk)
        async with push_place(place_folder, [pushing()], **link(gateway)) as place:
            rows = "".join(f"{pin}\t{TODAY} 08:0{n}:00\t0\t1\n" for n in range(2) for pin in (PIN, "8"))
            await place.upload("ATTLOG", rows.encode())
            await until(lambda: has(gateway, 4))
            await until(lambda: is_made(backups))  # the first by itself; the one to be restored is made after it
            create = ["backup", "create", *common, "--to", str(backups), "--recipient", recipient]
            assert await asyncio.to_thread(main, create) == 0
            before = newest_keys(backups)
            await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
            await until(lambda: is_done(desk))
            await until(lambda: has_keys_after(backups, before))  # without the key of who was erased
        register = backups / "erasures-gateway.json"
        await until(lambda: _names_one(register))
    for word in (PIN, NUMBER, NAME, "cairo"):
        assert word not in register.read_text(encoding="utf-8")
    copy = shutil.copytree(backups, passable / "copy", ignore=shutil.ignore_patterns(WAL))
    # The log would bring the erasure itself; without it the copy is as old as its backup.
    environment.write_text(f"BIOMETRIC_FLOW_GATEWAY_DATA={passable / 'new'}\n", encoding="utf-8")
    capsys.readouterr()
    restore = ["backup", "restore", *common, "--from", str(copy), "--identity", str(identity)]
    assert await asyncio.to_thread(main, restore) == 0
    told = capsys.readouterr().out
    assert [line.split()[-1] for line in told.splitlines() if line.startswith("erased again")] == ["1"]
    async with running_gateway(passable / "new", None) as gateway:
        desk = Desk(gateway)
        assert await gateway.count(pin=PIN) == 0
        assert await gateway.count(pin="8") == 2
        assert (await desk.ask("GET", "/v1/people"))["items"] == []
        [again] = await desk.ask("GET", "/v1/privacy/erasures")
        assert (again["by"], again["places"]) == ("restore", ["cairo"])
        operations = [one["operation"] for one in (await desk.ask("GET", "/v1/audit?limit=1000"))["items"]]
        assert operations.count("erase again what a backup brought back") == 1
        assert operations.count("backup restore") == 1
        async with push_place(place_folder, [pushing()], **link(gateway)):
            await until(lambda: is_done(desk))
        assert await gateway.count() == 2
    command = ["backup", "verify", "--config", str(config)]
    assert await asyncio.to_thread(main, command) == 0


async def has(gateway: RunningGateway, count: int) -> bool:
    return await gateway.count() == count


async def _names_one(register: Path) -> bool:
    return register.is_file() and len(json.loads(register.read_text(encoding="utf-8"))["erasures"]) == 1


@contextlib.contextmanager
def snapshot(database: TestDatabase) -> Iterator[TestDatabase]:
    """A copy of a database as it is, by another tool than ours; nobody may be connected."""
    name = f"copy_{uuid4().hex}"
    with psycopg.connect(database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database.name}" OWNER {schema.OWNER}')
        try:
            yield TestDatabase(name, database.server)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_a_copy_that_another_tool_put_back_is_rid_of_them_before_it_answers(
    database: TestDatabase, tmp_path: Path
) -> None:
    backups, folder = tmp_path / "backups", tmp_path / "gateway"
    plan = {"backup_folder": backups, "backup_recipient": new_identity(tmp_path / "identity"), "backup_hours": 24 * 31}
    async with running_gateway(folder, database) as gateway:
        async with push_place(tmp_path / "place", [pushing()], **link(gateway)) as place:
            await touched(place, gateway, 1)
    with snapshot(database) as before_hire:
        async with running_gateway(folder, database) as gateway:
            await hire(Desk(gateway))
        with snapshot(database) as hired:
            async with running_gateway(folder, database, **plan) as gateway:
                await Desk(gateway).ask("POST", "/v1/privacy/erasures", json=ASKED)
                await until(lambda: _names_one(backups / "erasures-gateway.json"))
                # The PIN goes to somebody else, whom no replay may touch.
                await hire(Desk(gateway), "E2", first="2026-11-20")
            for copy in (before_hire, hired):
                async with running_gateway(folder, copy, **plan) as gateway:
                    assert (await gateway.count(pin=PIN), await gateway.count(pin="8")) == (0, 1)
                    assert not {"employee", "person", "punch"} & set(rows_that_say(gateway, PIN, NAME, NUMBER))
            async with running_gateway(folder, database, **plan) as gateway:
                people = (await Desk(gateway).ask("GET", "/v1/people"))["items"]
                assert [one["number"] for one in people] == ["E2"]
