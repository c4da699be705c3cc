"""Cold punches in Parquet: moved exactly once, told as before, checked against the ledger, erasable, brought back."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from biometric_flow.cli import main
from biometric_flow.ledger.events import PunchRecorded
from tests.services.gateways import TestDatabase, running_gateway
from tests.services.hours import MONDAY, Desk, touch, worked_week
from tests.services.ledgers import SignedChain
from tests.services.places import until

OLD = date(2026, 3, 2)
KEYS = {"archive_s3_access_key": "test-access", "archive_s3_secret_key": "test-secret-key"}


@contextlib.asynccontextmanager
async def archiving(database: TestDatabase, folder: Path, **more: Any) -> AsyncIterator[Desk]:
    settings = {"archive": str(folder / "archive"), **more}
    async with running_gateway(folder / "gateway", database, **settings) as gateway:
        yield Desk(gateway, SignedChain())


async def two_months(desk: Desk) -> None:
    """A week of two people in March, with a stray punch in February, and a week of November."""
    await desk.punches(touch("7", date(2026, 2, 27), "09:00"), *old_touches(), *worked_week("7"))


def old_touches() -> list[PunchRecorded]:
    """The week of two people in March."""
    return [touch(pin, OLD + timedelta(days=day), at) for pin in "78" for day in range(5) for at in ("09:00", "17:00")]


async def everything(desk: Desk, **query: str) -> list[dict[str, Any]]:
    """All pages of all punches, three at a time."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await desk.ask("GET", "/v1/punches", params={"limit": "3", **query, **cursor})
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def months_since_november() -> int:
    """So many whole months stay hot that the week of November does, whenever this runs."""
    now = datetime.now(UTC)
    return max(1, now.year * 12 + now.month - (MONDAY.year * 12 + MONDAY.month))


async def create(desk: Desk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    months = months_since_november()
    while True:
        answer = await desk.raw("POST", "/v1/archive/files", json={"months": months, "files": 1})
        if answer.status_code == 503:
            assert (answer.json()["code"], answer.json()["retryable"]) == ("archive.busy", True)
            await asyncio.sleep(float(answer.headers.get("Retry-After", 0.05)))
            continue
        assert answer.status_code == 200, answer.text
        done = answer.json()
        made += done["files"]
        if not done["is_more"]:
            return made


def hot(database: TestDatabase) -> int:
    with psycopg.connect(database.server.dsn("postgres", database.name)) as connection:
        row = connection.execute("SELECT count(*) FROM punch").fetchone()
        assert row is not None
        return int(row[0])


QUERIES: tuple[dict[str, str], ...] = (
    {}, {"order": "oldest"}, {"pin": "7"}, {"pin": "8", "order": "oldest"}, {"pin": "4711"}, {"place": "leeds"},
    {"from": "2026-03-03T00:00:00Z", "to": "2026-11-03T00:00:00Z"},
    {"local_from": "2026-02-01T00:00:00", "local_to": "2026-03-04T12:00:00"},
)  # fmt: skip


async def test_whoever_asks_for_punches_cannot_tell_which_of_them_are_archived(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        await two_months(desk)
        before = [(await everything(desk, **query), await desk.gateway.count(**_count(query))) for query in QUERIES]
        made = await create(desk)
        assert [(one["month"], one["rows"]) for one in made] == [("2026-02-01", 1), ("2026-03-01", 20)]
        assert hot(database) == 10
        after = [(await everything(desk, **query), await desk.gateway.count(**_count(query))) for query in QUERIES]
        assert after == before
        assert len(before[0][0]) == 31


def _count(query: dict[str, str]) -> dict[str, str]:
    names = {"from": "from_"}
    return {names.get(name, name): value for name, value in query.items() if name != "order"}


async def test_every_archived_row_stands_in_the_ledger_and_the_first_that_does_not_is_named(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        await two_months(desk)
        assert isinstance(desk.chain, SignedChain)
        await desk.chain.show(desk.gateway.uplink())
        made = await create(desk)
        for one in made:
            found = await desk.ask("GET", f"/v1/archive/files/{one['id']}/verified")
            assert (found["rows"], found["erased"], found["checkpoint"]) == (one["rows"], 0, 31)
        march = made[1]
        path = tmp_path / "archive" / march["name"]
        content = path.read_bytes()
        path.chmod(0o600)
        for position in range(100, len(content), len(content) // 7):
            damaged = bytearray(content)
            damaged[position] ^= 1
            path.write_bytes(damaged)
            answer = await desk.raw("GET", f"/v1/archive/files/{march['id']}/verified")
            assert (answer.json()["code"], march["name"] in answer.text) == ("archive.damaged", True)
        path.write_bytes(content)
        for change, word in (
            ("state = 1 - state", "not what its record says"), ("hash = set_byte(hash, 0, 1)", "tree"),
            ("leaf = set_byte(leaf, 40, 1)", "leaf"), ("sealed = set_byte(sealed, 60, 1)", "does not open"),
        ):  # fmt: skip
            rewrite(database, path, march, change)
            answer = await desk.raw("GET", f"/v1/archive/files/{march['id']}/verified")
            assert answer.json()["code"] == "archive.damaged"
            assert word in answer.text, (change, answer.text)
            assert "entry 5" in answer.text
            path.write_bytes(content)
            rewrite(database, path, march, "")


def rewrite(database: TestDatabase, path: Path, file: dict[str, Any], change: str) -> None:
    """Alter entry 5 in a file as somebody would who can also change what the database says of the file."""
    import hashlib

    import pyarrow as pa

    table = pq.read_table(path)
    rows = table.to_pylist()
    column, _, _ = change.partition(" ")
    for row in rows:
        if row["sequence"] == 5 and column:
            value = row[column]
            row[column] = 1 - value if column == "state" else bytes([value[0] ^ 1, *value[1:]])
            if column == "leaf":
                row[column] = value[:40] + bytes([value[40] ^ 1]) + value[41:]
            if column == "sealed":
                row[column] = value[:60] + bytes([value[60] ^ 1]) + value[61:]
    if column:
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    digest = hashlib.sha256(path.read_bytes()).digest()
    with psycopg.connect(database.server.dsn("postgres", database.name)) as connection:
        connection.execute("UPDATE archive_file SET sha256 = %s WHERE file_id = %s", (digest, file["id"]))


async def test_a_file_names_nobody_and_says_nothing_of_a_person_whose_key_is_gone(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        pin = "87654321"
        await desk.punches(touch(pin, OLD, "09:00"), touch("7", OLD, "09:05"))
        [one] = await create(desk)
        path = tmp_path / "archive" / one["name"]
        table = pq.read_table(path)
        assert pin not in str(table.to_pylist())
        assert pin.encode() not in path.read_bytes()
        with duckdb.connect() as analysis:
            query = "SELECT count(*), count(DISTINCT subject), min(local_time) FROM read_parquet(?)"
            told = analysis.execute(query, [str(path)]).fetchone()
        assert told is not None
        assert (told[0], told[1], told[2].date()) == (2, 2, OLD)
        with psycopg.connect(database.server.dsn("postgres", database.name)) as connection:
            [whose] = [row["subject"] for row in table.to_pylist() if row["local_time"].minute == 0]
            connection.execute("DELETE FROM archive_key WHERE subject = %s", (whose,))
        assert [punch["pin"] for punch in await everything(desk)] == ["7"]
        assert await desk.gateway.count() == 1
        found = await desk.ask("GET", f"/v1/archive/files/{one['id']}/verified")
        assert (found["rows"], found["erased"]) == (2, 1)


async def test_an_archived_punch_is_taken_in_once_has_its_receipt_and_counts_in_workdays(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        assert isinstance(desk.chain, SignedChain)
        await desk.plan()
        since = "2026-01-01"
        plan = [{"from": since, "schedule": "week", "policy": "house"}]
        person = {"number": "E1", "name": "One", "place": "cairo", "employed_from": since, "assignments": plan}
        pins = [{"place": "cairo", "pin": "7", "from": since}]
        hired = await desk.ask("POST", "/v1/people", 201, json={**person, "pins": pins})
        await two_months(desk)
        await desk.chain.show(desk.gateway.uplink())
        await desk.settled()
        worked = [await desk.day(hired["id"], day) for day in (OLD, MONDAY)]
        assert worked[0] is not None
        assert worked[0]["status"] != "absent"
        [first] = await everything(desk, pin="7", local_to="2026-02-28T00:00:00")
        receipt = await desk.raw("GET", f"/v1/punches/{first['id']}/receipt")
        await create(desk)
        assert (await desk.raw("GET", f"/v1/punches/{first['id']}/receipt")).text == receipt.text
        again = SignedChain("leeds")
        other = Desk(desk.gateway, again)
        await other.punches(touch("7", date(2026, 2, 27), "09:00"))
        assert await desk.gateway.count() == 31
        # A change of the plan computes all of it again, from hot and cold punches.
        changed = {**person, "pins": pins, "department": None, "employed_from": "2026-01-02"}
        version = (await desk.raw("GET", f"/v1/people/{hired['id']}")).headers["ETag"]
        await desk.ask("PUT", f"/v1/people/{hired['id']}", json=changed, headers={"If-Match": version})
        await desk.ask("POST", "/v1/workdays/recompute", 202, json={"from": str(OLD), "to": str(OLD)})
        await desk.settled()
        assert [await desk.day(hired["id"], day) for day in (OLD, MONDAY)] == worked


async def test_what_was_archived_comes_back_from_the_command_line(
    database: TestDatabase, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with archiving(database, tmp_path) as desk:
        await two_months(desk)
        before = await everything(desk)
        monkeypatch.setenv("BIOMETRIC_FLOW_TOKEN", desk.gateway.token)

        async def run(*words: str) -> tuple[int, str]:
            code = await asyncio.to_thread(main, ["archive", *words, "--gateway", desk.gateway.url])
            return code, capsys.readouterr().out

        assert (await run("create", "--months", str(months_since_november())))[0] == 0
        code, told = await run("verify")
        assert (code, told.count("all 20 rows stand in the ledger of 31 entries")) == (0, 1)
        code, told = await run("list")
        assert (code, "2026-03" in told) == (0, True)
        for one in await desk.ask("GET", "/v1/archive/files"):
            assert (await run("restore", "--file", one["id"]))[0] == 0
        assert hot(database) == 31
        assert await everything(desk) == before
        assert await desk.ask("GET", "/v1/archive/files") == []
        await create(desk)
        assert await everything(desk) == before
    async with archiving(database, tmp_path, archive=None) as desk:
        answer = await desk.raw("GET", "/v1/punches", params={"order": "oldest", "pin": "8"})
        assert answer.status_code in (200, 503)
        refused = await desk.raw("POST", "/v1/archive/files", json={"months": 1})
        assert (refused.status_code, refused.json()["code"]) == (409, "archive.refused")


async def test_files_that_are_older_than_the_policy_are_forgotten_with_their_keys_unless_somebody_is_held(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        await two_months(desk)
        await create(desk)
        hold = {"scope": "everybody", "reason": "audit", "by": "counsel", "first_day": str(OLD)}
        held = await desk.ask("POST", "/v1/privacy/holds", 201, json=hold)
        age = (datetime.now(UTC).date() - date(2026, 3, 1)).days
        rule = {"data": "attendance", "at_most_days": age, "because": "house rule"}
        body = {"valid_from": str(OLD), "by": "officer", "rules": [rule]}
        await desk.ask("POST", "/v1/privacy/retention", 201, json=body)
        assert len(await desk.ask("GET", "/v1/archive/files")) == 2
        await desk.ask("POST", f"/v1/privacy/holds/{held['id']}/end", json={"by": "counsel"})

        async def only_march_is_left() -> bool:
            return [one["month"] for one in await desk.ask("GET", "/v1/archive/files")] == ["2026-03-01"]

        await until(only_march_is_left)
        assert len(await everything(desk)) == await desk.gateway.count() == 30


@pytest.fixture
def bucket() -> Iterator[tuple[str, Any]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="cold", ObjectLockEnabledForBucket=True)
    yield url, client
    server.stop()


async def test_a_bucket_with_object_lock_holds_the_files_and_lets_nobody_take_them_away(
    database: TestDatabase, tmp_path: Path, bucket: tuple[str, Any]
) -> None:
    url, client = bucket
    settings = {"archive": "s3://cold/hours", "archive_s3_endpoint": url, "archive_s3_region": "us-east-1"}
    async with archiving(database, tmp_path, archive_lock_days=3650, **settings, **KEYS) as desk:
        await two_months(desk)
        before = await everything(desk)
        made = await create(desk)
        assert [one["rows"] for one in made] == [1, 20]
        assert all(one["locked_until"] > "2035" and one["version"] for one in made)
        assert await everything(desk) == before
        written = {"Bucket": "cold", "Key": f"hours/{made[1]['name']}", "VersionId": made[1]["version"]}
        held = await asyncio.to_thread(client.head_object, **written)
        assert (held["ObjectLockMode"], held["ObjectLockRetainUntilDate"].year > 2035) == ("COMPLIANCE", True)
        with pytest.raises(ClientError):
            await asyncio.to_thread(client.delete_object, **written)
        # Something put over it does not change what is read: the version that was written is asked for.
        await asyncio.to_thread(client.put_object, Bucket="cold", Key=written["Key"], Body=b"other")
        for path in (tmp_path / "gateway" / "archive-cache").iterdir():
            path.unlink()
        assert await everything(desk) == before
        assert (await desk.ask("GET", f"/v1/archive/files/{made[1]['id']}/verified"))["rows"] == 20


async def test_a_bucket_that_does_not_answer_moves_nothing_and_says_so(database: TestDatabase, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    settings = {"archive": "s3://cold", "archive_s3_endpoint": f"http://127.0.0.1:{port}", "archive_s3_region": "x"}
    async with archiving(database, tmp_path, **settings, **KEYS) as desk:
        await two_months(desk)
        answer = await desk.raw("POST", "/v1/archive/files", json={"months": 1})
        assert (answer.status_code, answer.json()["code"]) == (503, "archive.unreachable")
        assert hot(database) == await desk.gateway.count() == 31
        [leaf] = (await desk.ask("GET", "/v1/audit"))["items"][-1:]
        assert (leaf["operation"], leaf["result"]) == ("POST /v1/archive/files", "503 archive.unreachable")


KILLED = """
import asyncio, sys
from pathlib import Path
from biometric_flow.gateway.archive.mover import Mover
from biometric_flow.gateway.archive.reader import Archive
from biometric_flow.gateway.archive.stores import FolderStore
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.database import Database

async def run(dsn, folder):
    database = Database(dsn, "biometric_flow_app")
    database.is_ready = True
    database.memory["keys"] = open_tenant_keys(folder.parent / "gateway" / "keys", [TenantId("demo")])
    print("ready", flush=True)
    await Mover(database, Archive(FolderStore(folder), folder / "cache"), SystemClock(), 0).create("demo", 1, 100)

asyncio.run(run(sys.argv[1], Path(sys.argv[2])))
"""


async def killed_often(database: TestDatabase, tmp_path: Path, kills: int) -> None:
    async with archiving(database, tmp_path) as desk:
        days = [OLD + timedelta(days=day) for day in range(-60, 60, 30)]
        await desk.punches(*(touch(pin, day, at) for pin in "78" for day in days for at in ("09:00", "17:00")))
        before = await everything(desk, limit="1000")
        for number in range(kills):
            started = [sys.executable, "-c", KILLED, database.dsn, str(tmp_path / "archive")]
            process = subprocess.Popen(started, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
            time.sleep(0.02 + 0.03 * number)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            assert await everything(desk, limit="1000") == before
        await create(desk)
        assert await everything(desk, limit="1000") == before
        assert hot(database) == 0
        for one in await desk.ask("GET", "/v1/archive/files"):
            await desk.ask("GET", f"/v1/archive/files/{one['id']}/verified")


@pytest.mark.drill
async def test_a_mover_killed_at_any_moment_loses_and_doubles_no_punch(database: TestDatabase, tmp_path: Path) -> None:
    await killed_often(database, tmp_path, 20)
