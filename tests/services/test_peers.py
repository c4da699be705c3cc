"""Two gateways behind one name: a place is linked to one of them and answers whoever asks the other."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import pytest

from biometric_flow.api.link import RequestFrame, encode
from biometric_flow.gateway import shared
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.identity.envelope import derive
from biometric_flow.identity.peer_requests import sign_peer
from biometric_flow.runtime.signing import signing_key
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.demos import free_run
from tests.services.gateways import SECRETS, RunningGateway, TestDatabase, running_gateway
from tests.services.places import configured, running_place, until
from tests.services.redises import running_redis
from tests.services.test_link import line_to, punches_arrive

PEER = "/peer/links/demo/cairo"
HEALTH = "/v1/places/cairo/health"


@contextlib.asynccontextmanager
async def instances(
    folder: Path, database: TestDatabase, url: str
) -> AsyncIterator[tuple[RunningGateway, RunningGateway]]:
    ports = free_run(2)
    made = [
        running_gateway(
            folder, database, shared_url=url, served_at=port, peer_url=f"http://127.0.0.1:{port}", place_failures=100
        )
        for port in (ports, ports + 1)
    ]
    async with made[0] as one, made[1] as two:
        yield one, two


async def asked(gateway: RunningGateway, token: str, method: str, path: str, body: object = None) -> httpx2.Response:
    return await gateway.http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})


def question() -> bytes:
    return encode(RequestFrame(1, "GET", "/health", (), b""))


def proved(folder: Path, gateway: RunningGateway, body: bytes) -> dict[str, str]:
    """What another instance would send with this question."""
    key = derive(
        signing_key(folder / "witness-key.pem").private_bytes_raw(), b"biometric-flow/gateway/asked-by-peers/1"
    )
    proof = sign_peer(key, gateway.url, PEER, body, datetime.now(UTC), secrets.token_bytes(16))
    return {"Authorization": proof}


async def test_a_place_linked_to_one_instance_answers_callers_of_the_other_and_nobody_without_the_key(
    database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "WAIT_SECONDS", 5.0)
    with running_redis(tmp_path) as (url, process):
        async with (
            SimulatedTerminal(users=[UserRecord(0, "2", "Person 2")], zone=ZoneInfo("Africa/Cairo")) as terminal,
            instances(tmp_path, database, url) as (one, two),
            line_to(one) as line,
        ):
            link = {"gateway_url": f"http://127.0.0.1:{line.port}", "gateway_credential": SECRETS["cairo"]}
            async with running_place(tmp_path / "place", [configured(terminal)], **link) as place:

                async def is_reached() -> bool:
                    return (await asked(two, one.token, "GET", HEALTH)).status_code == 200

                await until(is_reached)

                # An order is given once, a refusal is passed on, a stream lives.
                path = "/v1/places/cairo/terminals/gate/jobs"
                ordered = await asked(two, one.token, "POST", path, {"kind": "sync_time"})
                assert ordered.status_code == 202, ordered.text
                jobs = await place.get("/v1/terminals/gate/jobs")
                assert [job["order"]["kind"] for job in jobs] == ["sync_time"]
                missing = await asked(two, one.token, "GET", "/v1/places/cairo/terminals/nowhere")
                assert (missing.status_code, missing.json()["code"]) == (404, "terminal.unknown")
                await punches_arrive(two, one.token, terminal)

                # Nobody gets in beside the doors: without the key, twice, from outside, for another body or instance.
                body = question()
                good = proved(tmp_path, one, body)
                bad = proved(tmp_path, one, body)
                assert (await one.http.post(PEER, content=body, headers=good)).status_code == 200
                for headers, content in (
                    (good, body),
                    ({}, body),
                    ({"Authorization": f"Bearer {one.token}"}, body),
                    (bad | {"X-Forwarded-For": "10.0.0.1"}, body),
                    (proved(tmp_path, one, body), body + b"x"),
                    (proved(tmp_path, two, body), body),
                ):
                    refused = await one.http.post(PEER, content=content, headers=headers)
                    assert (refused.status_code, refused.json()["code"]) == (404, "request.not_found")
                # One hop at most: who has no link does not ask on.
                ended = await two.http.post(PEER, content=body, headers=proved(tmp_path, two, body))
                assert (ended.status_code, ended.json()["code"]) == (503, "link.closed")

                # The store is gone: where the link was last is known still.
                process.kill()
                process.wait(10)
                assert (await asked(two, one.token, "GET", HEALTH)).status_code == 200
            line.cut()

            async def is_away() -> bool:
                return (await asked(one, one.token, "GET", HEALTH)).status_code == 503

            await until(is_away)
            told = await asked(two, one.token, "GET", HEALTH)
            assert (told.status_code, told.json()["code"]) == (503, "place.unreachable")


async def test_without_the_settings_the_refusal_names_them(gateway: RunningGateway) -> None:
    told = (await asked(gateway, gateway.token, "GET", HEALTH)).json()
    assert told["code"] == "place.unreachable"
    assert "BIOMETRIC_FLOW_GATEWAY_PEER_URL" in told["detail"]
    assert (await gateway.http.post(PEER, content=question())).status_code in (401, 404)


def test_an_address_for_others_without_a_store_to_be_found_in_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shared_url"):
        GatewaySettings.model_validate({"data": tmp_path, "peer_url": "http://10.0.0.5:9000"})
