"""Remembered answers on real gateways: never older than what was acknowledged, computed once, each for its reach."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from biometric_flow.gateway.archive import across
from biometric_flow.gateway.store.tables import metadata
from tests.services.gateways import Chain, RunningGateway, TestDatabase, running_gateway, touches
from tests.services.places import until
from tests.services.redises import everything, running_redis
from tests.services.test_access_matrix import Cast, operations_of
from tests.services.test_gateway_reads import report, terminal


@pytest.fixture
async def pair(database: TestDatabase, tmp_path: Path) -> AsyncIterator[tuple[RunningGateway, RunningGateway]]:
    """Two instances on one database, which trust the same tokens."""
    async with running_gateway(tmp_path, database) as one, running_gateway(tmp_path, database) as two:
        yield one, two


@contextmanager
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Each computation of a page of punches."""
    seen: list[object] = []
    real = across.page

    async def page(*given: Any, **more: Any) -> Any:
        seen.append(given)
        return await real(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(across, "page", page)
        yield seen


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_no_instance_answers_with_less_than_what_any_acknowledged(
    pair: tuple[RunningGateway, RunningGateway],
) -> None:
    one, two = pair
    chain, uplinks = Chain(), (one.uplink(), two.uplink())
    for number in range(40):
        await uplinks[number % 2].upload(number, chain.add(*touches(1, first=number)))
        counts = await asyncio.gather(one.count(), two.count(), one.count())
        assert counts == [number + 1] * 3


async def test_a_question_that_many_ask_at_once_is_computed_once(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway.database is not None
    await gateway.uplink().upload(0, Chain().add(*touches(3)))
    with computed(monkeypatch) as seen, psycopg.connect(gateway.database.owner_dsn) as holder:
        holder.execute("LOCK TABLE punch IN ACCESS EXCLUSIVE MODE")
        asked = [
            asyncio.ensure_future(gateway.http.get("/v1/punches", headers=bearer(gateway.token))) for _ in range(50)
        ]

        async def has_begun() -> bool:
            return bool(seen)

        await until(has_begun)
        asked[0].cancel()
        await asyncio.sleep(0.1)
        holder.rollback()
        answers = await asyncio.gather(*asked[1:])
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        again = await gateway.http.get("/v1/punches", headers=bearer(gateway.token))
        assert again.content == answers[0].content
        assert len(seen) == 1


async def test_reports_of_places_let_answers_stand_and_a_new_name_does_not(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    uplink = gateway.uplink()
    await uplink.upload(0, Chain().add(*touches(1)))
    await uplink.report(report(terminal("gate")))
    with computed(monkeypatch) as seen:
        for _ in range(3):
            await uplink.report(report(terminal("gate")))
            await gateway.client.punches(gateway.token)
        assert len(seen) == 1
        renamed = terminal("gate").model_copy(update={"name": "North door"})
        await uplink.report(report(renamed))
        await gateway.client.punches(gateway.token)
        assert len(seen) == 2


async def test_what_one_may_see_is_never_given_to_another(gateway: RunningGateway) -> None:
    cast = Cast(gateway)
    for place, pin in (("cairo", "910101"), ("leeds", "930303")):
        await gateway.uplink(place).upload(0, Chain(place).add(*touches(1, pin=pin)))
    manager = cast.token(await cast.account("place_manager", place="cairo"))
    stranger = cast.token(await cast.account("tenant_admin", tenant="other"), tenant="other")
    for _ in range(2):
        seen = [
            {punch["pin"] for punch in (await gateway.http.get("/v1/punches", headers=bearer(token))).json()["items"]}
            for token in (gateway.token, manager, stranger)
        ]
        assert seen == [{"910101", "930303"}, {"910101"}, set()]
    await cast.close()


async def test_every_read_is_tagged_and_left_out_for_who_has_it(gateway: RunningGateway) -> None:
    await gateway.uplink().upload(0, Chain().add(*touches(3)))
    listed = operations_of((await gateway.http.get("/openapi.json")).json())
    tagged = 0
    for operation in listed:
        if operation.method != "GET" or operation.path.endswith(("/stream", "/link")):
            continue
        answer = await gateway.http.get(operation.at(), headers=bearer(gateway.token))
        if answer.status_code != 200:
            continue
        assert answer.headers.get("etag"), operation
        tagged += 1
        known = {**bearer(gateway.token), "If-None-Match": answer.headers["etag"]}
        again = await gateway.http.get(operation.at(), headers=known)
        if again.status_code == 200:
            assert again.headers["etag"] != answer.headers["etag"], operation
        else:
            assert (again.status_code, again.content) == (304, b"")
    assert tagged > 20


async def test_a_tag_stands_until_a_punch_comes(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    await uplink.upload(0, chain.add(*touches(1)))
    first = await gateway.http.get("/v1/punches", headers=bearer(gateway.token))
    known = {**bearer(gateway.token), "If-None-Match": f'W/"old", {first.headers["etag"]}'}
    unchanged = await gateway.http.get("/v1/punches", headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    await uplink.upload(1, chain.add(*touches(1, first=1)))
    changed = await gateway.http.get("/v1/punches", headers=known)
    assert (changed.status_code, len(changed.json()["items"])) == (200, 2)


async def test_writers_of_one_topic_do_not_wait_for_each_other(database: TestDatabase, gateway: RunningGateway) -> None:
    await gateway.uplink().upload(0, Chain().add(*touches(1)))
    with psycopg.connect(database.owner_dsn) as one, psycopg.connect(database.owner_dsn) as two:
        for connection in (one, two):
            connection.execute("SET LOCAL lock_timeout = '2s'")
            connection.execute("SELECT set_config('app.tenant', 'demo', true)")
        one.execute("UPDATE person SET last_punch = NULL WHERE place_id = 'nowhere'")
        two.execute("UPDATE person SET last_punch = NULL WHERE place_id = 'nowhere'")
        total = "SELECT sum(changes) FROM data_version WHERE topic = 'punch'"
        before = two.execute(total).fetchone()
        one.commit()
        assert before != two.execute(total).fetchone()


async def test_every_table_behind_a_remembered_answer_raises_its_version(gateway: RunningGateway) -> None:
    assert gateway.database is not None
    document = (await gateway.http.get("/openapi.json")).json()
    shown = {
        path: said["get"]["x-shows"] for path, said in document["paths"].items() if "x-shows" in said.get("get", {})
    }
    assert len(shown) == 5
    statements: list[str] = []

    def heard(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith("answer "):
            statements.append(statement)

    with psycopg.connect(gateway.database.owner_dsn) as connection:
        rows = connection.execute(
            "SELECT tgrelid::regclass::text, tgargs FROM pg_trigger WHERE tgname LIKE 'data_of_%'"
        ).fetchall()
    watched = {(table, bytes(given).rstrip(b"\0").decode()) for table, given in rows}
    for path, topic in shown.items():
        statements.clear()
        event.listen(Engine, "before_cursor_execute", heard)
        try:
            answer = await gateway.http.get(path, headers=bearer(gateway.token))
        finally:
            event.remove(Engine, "before_cursor_execute", heard)
        assert answer.status_code == 200
        names = set(re.findall(r"\b(?:FROM|JOIN)\s+\"?(\w+)", " ".join(statements), re.IGNORECASE))
        # A tenant's row says which directory is newest; the people in it are rows of `subject` and `employee`.
        read = names & set(metadata.tables) - {"data_version", "tenant"}
        assert read, path
        assert not [table for table in read if (table, topic) not in watched], path


async def test_instances_share_answers_and_do_without_when_redis_is_gone(
    database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_redis(tmp_path) as (url, process):
        async with (
            running_gateway(tmp_path, database, shared_url=url) as one,
            running_gateway(tmp_path, database, shared_url=url) as two,
        ):
            chain = Chain()
            await one.uplink().upload(0, chain.add(*touches(2)))
            with computed(monkeypatch) as seen:
                first = await one.http.get("/v1/punches", headers=bearer(one.token))
                second = await two.http.get("/v1/punches", headers=bearer(one.token))
                assert (second.content, second.headers["etag"]) == (first.content, first.headers["etag"])
                assert len(seen) == 1
            held = await asyncio.to_thread(everything, url)
            assert held
            assert b'"pin"' in first.content
            assert not [value for value in held if b'"pin"' in value]
            process.kill()
            process.wait(10)
            await two.uplink().upload(2, chain.add(*touches(1, first=2)))
            for gateway in (one, two):
                answer = await gateway.http.get("/v1/punches", headers=bearer(one.token))
                assert (answer.status_code, len(answer.json()["items"])) == (200, 3)
