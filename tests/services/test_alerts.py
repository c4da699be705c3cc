"""Alerts without Prometheus, from what is wrong to a real mail server and a real webhook."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller

from biometric_flow.gateway.alerts import keeper, machine, signals
from biometric_flow.model.terminal import TerminalState
from tests.services.demos import free_run
from tests.services.gateways import PASSWORD, RunningGateway, TestDatabase, running_gateway
from tests.services.places import until
from tests.services.test_access_matrix import Cast
from tests.services.test_gateway_reads import report, terminal


class Inbox:
    """A mail server's handler that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope.content.decode())
        return "250 kept"


class Receiver:
    """A webhook: keeps what is posted, and refuses while it is told to."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.is_refusing = False
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.is_refusing:
                    outer.refused += 1
                else:
                    outer.posts.append(json.loads(body))
                self.send_response(500 if outer.is_refusing else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/alerts"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def mail() -> Iterator[tuple[Inbox, str]]:
    inbox, port = Inbox(), free_run(1)
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    yield inbox, f"mailto://localhost:{port}?from=gateway@example.com&to=keeper@example.com&mode=insecure"
    server.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same life in less time."""
    monkeypatch.setattr(signals, "SILENCE", timedelta())
    monkeypatch.setattr(keeper, "FIRST_WAIT", timedelta(milliseconds=200))
    rules = machine.Rules(gather=timedelta(milliseconds=300), calm=timedelta(milliseconds=300))
    monkeypatch.setattr(keeper.AlertKeeper.__init__, "__defaults__", (rules,))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def saved(gateway: RunningGateway, name: str, url: str, **more: Any) -> None:
    answer = await gateway.http.put(
        f"/v1/alert-channels/{name}", json={"url": url, **more}, headers=bearer(gateway.token)
    )
    assert answer.status_code == 200, answer.text


async def alerts_of(gateway: RunningGateway, token: str = "", **query: Any) -> list[dict[str, Any]]:
    answer = await gateway.http.get("/v1/alerts", params=query, headers=bearer(token or gateway.token))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_a_terminal_that_falls_silent_is_told_by_mail_and_webhook_and_its_return_too(
    database: TestDatabase, tmp_path: Path, receiver: Receiver, mail: tuple[Inbox, str]
) -> None:
    inbox, address = mail
    async with running_gateway(tmp_path, database, alert_seconds=0.1, alert_private=True) as gateway:
        uplink = gateway.uplink()
        await uplink.report(report(terminal("gate")))
        await saved(gateway, "hook", receiver.url)
        await saved(gateway, "mail", address)
        shown = (await gateway.http.get("/v1/alert-channels", headers=bearer(gateway.token))).text
        assert "127.0.0.1" not in shown
        assert "keeper" not in shown

        async def is_told(word: str, text: str) -> bool:
            await uplink.report(report(terminal("gate", state)))
            hooked = any(word in post["message"] and text in post["message"] for post in receiver.posts)
            return hooked and any(word in one and text in one for one in inbox.mails)

        state = TerminalState.OFFLINE
        await until(lambda: is_told("NEW", "Main gate"))
        [told] = [one for one in await alerts_of(gateway) if one["kind"] == "terminal_silent"]
        assert (told["place"], told["subject"], told["is_urgent"]) == ("cairo", "gate", True)
        state = TerminalState.ONLINE
        await until(lambda: is_told("OVER", "Main gate"))
        over = [one for one in await alerts_of(gateway, open="false") if one["id"] == told["id"]]
        assert over[0]["resolved_at"] is not None


async def test_a_message_outlives_a_flapping_receiver_and_the_gateway(
    database: TestDatabase, tmp_path: Path, receiver: Receiver
) -> None:
    receiver.is_refusing = True
    async with running_gateway(tmp_path, database, alert_seconds=0.1, alert_private=True) as gateway:
        await saved(gateway, "hook", receiver.url)

        async def was_tried_often() -> bool:
            return receiver.refused >= 3

        await until(was_tried_often)
        [channel] = (await gateway.http.get("/v1/alert-channels", headers=bearer(gateway.token))).json()
        assert channel["waiting"] >= 1
        assert "did not take it" in channel["failure"]
    receiver.is_refusing = False
    with psycopg.connect(database.server.dsn("postgres", database.name)) as superuser:
        superuser.execute("UPDATE alert_message SET due_at = now()")
    async with running_gateway(tmp_path, database, alert_seconds=0.1, alert_private=True) as gateway:

        async def arrived() -> bool:
            [now] = (await gateway.http.get("/v1/alert-channels", headers=bearer(gateway.token))).json()
            return bool(receiver.posts) and now["waiting"] == 0

        await until(arrived)
        assert "Cairo has never reported" in receiver.posts[0]["message"]


async def test_two_instances_tell_each_thing_once(database: TestDatabase, tmp_path: Path, receiver: Receiver) -> None:
    async with (
        running_gateway(tmp_path, database, alert_seconds=0.05, alert_private=True) as one,
        running_gateway(tmp_path, database, alert_seconds=0.05, alert_private=True),
    ):
        await saved(one, "hook", receiver.url)

        async def is_told() -> bool:
            return bool(receiver.posts)

        await until(is_told)
        with psycopg.connect(database.server.dsn("postgres", database.name)) as superuser:
            [(total, different)] = superuser.execute(
                "SELECT count(*), count(DISTINCT (tenant_id, kind, place_id, subject)) FROM alert"
            ).fetchall()
        assert total == different
        lines = [line for post in receiver.posts for line in post["message"].splitlines()]
        assert len(lines) == len(set(lines))


async def test_who_takes_care_is_kept_and_only_who_reaches_the_place_may(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with running_gateway(tmp_path, database, alert_seconds=0.1) as gateway:
        cast = Cast(gateway)
        manager = cast.token(await cast.account("place_manager", place="cairo"))

        async def both_are_silent() -> bool:
            return {"cairo", "leeds"} <= {one["place"] for one in await alerts_of(gateway)}

        await until(both_are_silent)
        seen = {one["place"]: one["id"] for one in await alerts_of(gateway)}
        assert {one["place"] for one in await alerts_of(gateway, manager)} == {"cairo"}
        foreign = await gateway.http.post(f"/v1/alerts/{seen['leeds']}/acknowledge", headers=bearer(manager))
        assert (foreign.status_code, foreign.json()["code"]) == (404, "alert.unknown")
        own = await gateway.http.post(f"/v1/alerts/{seen['cairo']}/acknowledge", headers=bearer(manager))
        assert own.status_code == 200
        again = await gateway.http.post(f"/v1/alerts/{seen['cairo']}/acknowledge", headers=bearer(gateway.token))
        assert again.json()["acknowledged_by"] == own.json()["acknowledged_by"]
        await cast.close()


async def test_guessing_passwords_raises_an_alert(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database, alert_seconds=0.1) as gateway:
        wrong = {"grant_type": "password", "email": "nobody@example.com", "password": f"not {PASSWORD}"}
        await asyncio.gather(*(gateway.http.post("/v1/auth/token", json=wrong) for _ in range(25)))

        async def is_raised() -> bool:
            return "sign_in_attack" in {one["kind"] for one in await alerts_of(gateway)}

        await until(is_raised)


async def test_alerts_are_not_sent_into_the_own_network_or_to_unknown_services(gateway: RunningGateway) -> None:
    for url in (
        "json://127.0.0.1:9000/x",
        "json://localhost/x",
        "jsons://169.254.169.254/latest/meta-data",
        "json://[::1]/x",
        "json://10.1.2.3/x",
        "json://[::ffff:192.168.1.1]/x",
        "mailto://localhost:25?from=a@example.com&to=b@example.com",
        "syslog://",
        "exec://id",
        "file:///etc/passwd",
        "nonsense",
    ):
        answer = await gateway.http.put("/v1/alert-channels/bad", json={"url": url}, headers=bearer(gateway.token))
        assert (answer.status_code, answer.json()["code"]) == (422, "alert.channel_invalid"), url
        assert url not in answer.text
    assert (await gateway.http.get("/v1/alert-channels", headers=bearer(gateway.token))).json() == []
