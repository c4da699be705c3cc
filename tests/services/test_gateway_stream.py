"""Live events: nothing lost, nothing doubled, and a slow listener hurts nobody else."""

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path

import psycopg
import pytest
from joserfc import jwt
from starlette.types import Message

from biometric_flow.api.clients import GatewayProblem, StreamEvent
from biometric_flow.api.gateway import GatewayPunch, Kpis, TerminalStatus
from biometric_flow.gateway import hub
from biometric_flow.identity.keys import load_or_create_key
from biometric_flow.model.terminal import TerminalState
from tests.services.gateways import Chain, RunningGateway, TestDatabase, running_gateway, touches
from tests.services.places import until
from tests.services.test_gateway_reads import report, terminal


class Watcher:
    """A listener that keeps what it hears."""

    def __init__(self, gateway: RunningGateway, last_id: str | None = None, token: str | None = None) -> None:
        self.events: list[StreamEvent] = []
        self._stream = gateway.client.stream(token or gateway.token, last_id)
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with aclosing(self._stream) as stream:
            async for event in stream:
                self.events.append(event)

    async def __aenter__(self) -> "Watcher":
        await until(self.has("kpi"))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def of(self, kind: str) -> list[StreamEvent]:
        return [event for event in self.events if event.event == kind]

    def has(self, kind: str, count: int = 1) -> object:
        async def fact() -> bool:
            if self._task.done():
                self._task.result()
            return len(self.of(kind)) >= count

        return fact

    def positions(self) -> list[int]:
        return [int(event.id) for event in self.of("punch")]


async def test_a_new_punch_reaches_a_listener_and_the_tiles_follow(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    async with Watcher(gateway) as watcher:
        await uplink.upload(0, chain.add(*touches(1)))
        await until(watcher.has("punch"))
        seen = GatewayPunch.model_validate_json(watcher.of("punch")[0].data)
        assert (seen.place, seen.pin, seen.position) == ("cairo", "7", int(watcher.of("punch")[0].id))

        async def tiles_follow() -> bool:
            return Kpis.model_validate_json(watcher.of("kpi")[-1].data).people == 1

        await until(tiles_follow)


async def test_a_listener_that_comes_back_loses_and_doubles_nothing(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    heard: list[int] = []
    last = "0"

    async def punching() -> None:
        for number in range(40):
            await uplink.upload(len(chain.entries), chain.add(*touches(5, first=5 * number)))

    task = asyncio.create_task(punching())
    while len(heard) < 200:
        async with Watcher(gateway, last) as watcher:
            wanted = min(200 - len(heard), 37)
            await until(watcher.has("punch", wanted))
        heard += watcher.positions()
        last = str(heard[-1])
    await task
    assert heard == sorted(set(heard))
    assert len(heard) == 200 == await gateway.count()


async def test_two_listeners_hear_the_same_and_another_tenants_hear_none_of_it(gateway: RunningGateway) -> None:
    other = await gateway.sign_in_of_other_tenant()
    cairo, tokyo = Chain("cairo"), Chain("tokyo")
    async with Watcher(gateway) as one, Watcher(gateway) as two, Watcher(gateway, token=other) as stranger:
        await gateway.uplink("cairo").upload(0, cairo.add(*touches(20)))
        await gateway.uplink("tokyo").upload(0, tokyo.add(*touches(3, tenant="other")))
        for watcher, count in ((one, 20), (two, 20), (stranger, 3)):
            await until(watcher.has("punch", count))
        assert one.positions() == two.positions() == list(range(1, 21))
        assert {json.loads(event.data)["place"] for event in stranger.of("punch")} == {"tokyo"}


async def test_who_missed_too_much_is_told_to_start_afresh(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_MISSED", 50)
    chain, uplink = Chain(), gateway.uplink()
    await uplink.upload(0, chain.add(*touches(60)))
    async with Watcher(gateway, "1") as watcher:
        await until(watcher.has("reset"))
        assert watcher.of("reset")[0].id == "60"
        await uplink.upload(60, chain.add(*touches(1, first=60)))
        await until(watcher.has("punch"))
        assert watcher.positions() == [61]
    async with Watcher(gateway, "999999") as watcher:
        await until(watcher.has("reset"))


async def test_a_terminal_that_changes_is_told(gateway: RunningGateway) -> None:
    uplink = gateway.uplink()
    await uplink.report(report(terminal("gate"), terminal("back", serial="CAI0002")))
    async with Watcher(gateway) as watcher:
        state = TerminalState.ONLINE

        async def is_told() -> bool:
            """Turned to and fro until the pump, which learns the states of the moment first, has seen a change."""
            nonlocal state
            state = TerminalState.OFFLINE if state is TerminalState.ONLINE else TerminalState.ONLINE
            await uplink.report(report(terminal("gate", state), terminal("back", serial="CAI0002")))
            return bool(watcher.of("terminal"))

        await until(is_told)
        statuses = [TerminalStatus.model_validate_json(event.data) for event in watcher.of("terminal")]
        assert {(status.key, status.place, status.is_stale) for status in statuses} == {("gate", "cairo", False)}


async def test_a_place_that_falls_silent_is_told_and_left_out(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database, report_limit_seconds=0.5) as gateway:
        uplink = gateway.uplink()
        async with Watcher(gateway) as watcher:
            await uplink.report(report(terminal("gate")))
            await until(watcher.has("terminal", 2))
            statuses = [TerminalStatus.model_validate_json(event.data) for event in watcher.of("terminal")]
            assert [status.is_stale for status in statuses] == [False, True]

            async def is_named() -> bool:
                kpis = Kpis.model_validate_json(watcher.of("kpi")[-1].data)
                return "cairo" in {place.id for place in kpis.missing} and kpis.terminals_total == 0

            await until(is_named)
        [shown] = await gateway.client.terminals(gateway.token)
        assert shown.is_stale


async def test_a_listener_that_never_reads_is_dropped_and_others_hear_all(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_QUEUED", 100)
    monkeypatch.setattr(hub, "BATCH", 50)
    forever = asyncio.Event()
    chunks = 0

    async def never_leaves() -> Message:
        await forever.wait()
        return {"type": "http.disconnect"}

    async def takes_one_chunk(message: Message) -> None:
        nonlocal chunks
        if message["type"] == "http.response.body":
            chunks += 1
            await forever.wait()

    headers = [(b"authorization", f"Bearer {gateway.token}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/stream", "headers": headers, "query_string": b""}
    deaf = asyncio.ensure_future(gateway.app(scope, never_leaves, takes_one_chunk))  # type: ignore[arg-type]
    chain, uplink = Chain(), gateway.uplink()
    async with Watcher(gateway) as watcher:
        for sent in range(0, 300, 30):
            await uplink.upload(sent, chain.add(*touches(30, first=sent)))
            await until(watcher.has("punch", sent + 30))
        assert watcher.positions() == list(range(1, 301))
    await asyncio.wait_for(deaf, 10)
    assert chunks == 1


async def test_a_stream_ends_with_its_token(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database) as gateway:
        key = load_or_create_key(tmp_path / "token-key.pem")
        claims = {"iss": "biometric-flow", "aud": "biometric-flow-gateway", "tenant": "demo"}
        account = (await gateway.client.me(gateway.token)).account
        now = int(time.time())
        claims |= {"sub": account, "sid": "any", "iat": now, "exp": now + 2, "jti": "1"}
        token = jwt.encode({"alg": "Ed25519", "typ": "at+jwt", "kid": key.thumbprint()}, claims, key, ["Ed25519"])
        heard = [event.event async for event in gateway.client.stream(token)]
        assert heard[0] == "kpi"
        assert time.time() >= now + 1.9


async def test_a_stream_is_refused_like_any_other_question(gateway: RunningGateway) -> None:
    with pytest.raises(GatewayProblem) as caught:
        async for _ in gateway.client.stream("nonsense"):
            pass
    assert caught.value.code == "access.unauthenticated"
    headers = {"Authorization": f"Bearer {gateway.token}"}
    for wrong in ("-1", "x", "9" * 30):
        answer = await gateway.http.get("/v1/stream", headers={**headers, "Last-Event-ID": wrong})
        assert answer.status_code == 422
    async with gateway.http.stream("GET", "/v1/stream?last_event_id=0", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")


async def test_the_stream_goes_on_when_its_notifications_are_cut(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    assert gateway.database is not None
    async with Watcher(gateway) as watcher:
        await uplink.upload(0, chain.add(*touches(1)))
        await until(watcher.has("punch"))
        with psycopg.connect(gateway.database.dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )

        async def goes_in() -> bool:
            try:
                return await uplink.upload(1, chain.entries[1:] or chain.add(*touches(1, first=1))) == 2
            except GatewayProblem:
                return False

        await until(goes_in)
        await until(watcher.has("punch", 2))
        assert watcher.positions() == [1, 2]
