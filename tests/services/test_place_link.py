"""One outbound WebSocket of a place behind NAT: what travels on it, and what its callers see."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.events import AlarmKind
from biometric_flow.zk.wire.users import UserRecord
from tests.services.gateways import SECRETS, RunningGateway
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.test_link import Line, line_to, punches_arrive
from tests.services.test_place_trail import operations

CAIRO = ZoneInfo("Africa/Cairo")
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 4)]


async def test_a_place_that_nobody_can_dial_answers_callers_of_the_gateway(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal, line_to(gateway) as line:
        async with running_place(tmp_path, [configured(terminal)], **_link(line)) as place:
            await until(lambda: _status_is(gateway, "/v1/places/cairo/terminals", 200))
            await until(lambda: _is_online(place))
            seen = (await _get(gateway, "/v1/places/cairo/terminals/gate")).json()
            assert seen["serial"] == (await place.terminal("gate"))["serial"]
            assert (await _get(gateway, "/v1/places/cairo/health")).json()["place"] == "cairo"

            ordered = await _post(gateway, "/v1/places/cairo/terminals/gate/jobs", {"kind": "restart"})
            assert ordered.status_code == 202, ordered.text
            number = ordered.json()["number"]
            of_place = await place.get(f"/v1/terminals/gate/jobs/{number}")
            assert of_place["order"]["kind"] == "restart"
            missing = await _get(gateway, "/v1/places/cairo/terminals/nowhere")
            assert (missing.status_code, missing.json()["code"]) == (404, "terminal.unknown")
            assert missing.json()["request_id"] == missing.headers["x-request-id"]
            refused = await _post(gateway, "/v1/places/cairo/terminals/gate/jobs", {"kind": "no such job"})
            assert refused.status_code == 422


async def test_an_order_through_the_gateway_is_recorded_at_the_place_with_who_gave_it(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal, line_to(gateway) as line:
        async with running_place(tmp_path, [configured(terminal)], **_link(line)) as place:
            await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 200))
            terminal.ring(AlarmKind.TAMPER)
            await until(lambda: _has_finding(place, "tamper"))
            before = len(await operations(place))
            ordered = await _post(gateway, "/v1/places/cairo/terminals/gate/jobs", {"kind": "sync_time"})
            assert ordered.status_code == 202
            seen = await _send(gateway, "DELETE", "/v1/places/cairo/terminals/gate/findings/tamper")
            assert seen.status_code == 204
            assert not await _has_finding(place, "tamper")
            leaves = (await operations(place))[before:]
            done = (await _get(gateway, "/v1/audit?limit=1000")).json()["items"]
            me = (await _get(gateway, "/v1/me")).json()
    expected = [("POST", "jobs", ordered), ("DELETE", "findings/{code}", seen)]
    for leaf, (method, path, answer) in zip(leaves, expected, strict=True):
        told = f"{path} through the gateway"
        assert (leaf.operation, leaf.result) == (f"{method} /v1/terminals/{{key}}/{path}", str(answer.status_code)), (
            told
        )
        assert (leaf.actor, leaf.request) == (f"gateway/account:{me['account']}", answer.headers["x-request-id"])
        (passed,) = [one for one in done if one["request"] == leaf.request]
        operation = f"{method} /v1/places/{{place}}/terminals/{{key}}/{path}"
        assert (passed["operation"], passed["result"]) == (operation, leaf.result), "the gateway's own leaf of the same"
        assert passed["actor"] == f"account:{me['account']}"


async def test_uploads_travel_on_the_link(gateway: RunningGateway, tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal, line_to(gateway) as line:
        async with running_place(tmp_path, [configured(terminal)], **_link(line)):
            await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 200))
            # What was dialled before the link stood is idle; after a look at how many lines there are, none is added.
            before = line.dialled
            for pin in ("1", "2", "3"):
                await terminal.punch(pin)
            await until(lambda: _has_count(gateway, 3))
            assert line.dialled == before


async def test_live_punches_of_a_place_reach_the_caller_of_the_gateway(gateway: RunningGateway, tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal, line_to(gateway) as line:
        async with running_place(tmp_path, [configured(terminal)], **_link(line)) as place:
            await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 200))
            await until(lambda: _is_online(place))
            await punches_arrive(gateway, gateway.token, terminal)


async def test_a_place_without_a_link_is_said_to_be_out_of_reach_and_comes_back(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with line_to(gateway) as line, running_place(tmp_path, **_link(line)):
        await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 200))
        line.cut()
        await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 503))
        told = (await _get(gateway, "/v1/places/cairo/health")).json()
        assert (told["code"], told["retryable"]) == ("place.unreachable", True)
        await line.mend()
        await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 200))


async def test_another_tenant_and_a_stranger_are_told_nothing_of_a_place(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with line_to(gateway) as line, running_place(tmp_path, **_link(line)):
        await until(lambda: _status_is(gateway, "/v1/places/cairo/health", 200))
        other = await gateway.sign_in_of_other_tenant()
        for path in ("/v1/places/cairo/health", "/v1/places/cairo/stream", "/v1/places/nowhere/health"):
            answer = await gateway.http.get(path, headers={"Authorization": f"Bearer {other}"})
            assert (answer.status_code, answer.json()["code"]) == (404, "place.unknown")
        assert (await gateway.http.get("/v1/places/cairo/health")).status_code == 401


async def test_a_link_needs_the_credential_of_its_place(gateway: RunningGateway, tmp_path: Path) -> None:
    url = gateway.url.replace("http", "ws")
    for place, secret in (("cairo", "wrong"), ("cairo", SECRETS["leeds"]), ("nowhere", SECRETS["cairo"])):
        headers = {"Authorization": f"Bearer bfp_{secret}"}
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{url}/v1/places/{place}/link", additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == 403
    plain = await gateway.http.get("/v1/places/cairo/link", headers={"Authorization": f"Bearer bfp_{SECRETS['cairo']}"})
    assert (plain.status_code, plain.json()["code"]) == (426, "link.upgrade_needed")


def _link(line: Line) -> dict[str, Any]:
    return {"gateway_url": f"http://127.0.0.1:{line.port}", "gateway_credential": SECRETS["cairo"]}


def _token(gateway: RunningGateway) -> dict[str, str]:
    return {"Authorization": f"Bearer {gateway.token}"}


async def _get(gateway: RunningGateway, path: str) -> httpx2.Response:
    return await gateway.http.get(path, headers=_token(gateway))


async def _post(gateway: RunningGateway, path: str, order: dict[str, Any]) -> httpx2.Response:
    return await gateway.http.post(path, json=order, headers=_token(gateway))


async def _send(gateway: RunningGateway, method: str, path: str) -> httpx2.Response:
    return await gateway.http.request(method, path, headers=_token(gateway))


async def _has_finding(place: RunningPlace, code: str) -> bool:
    return code in {one["code"] for one in (await place.terminal("gate"))["findings"]}


async def _status_is(gateway: RunningGateway, path: str, status: int) -> bool:
    return (await _get(gateway, path)).status_code == status


async def _is_online(place: RunningPlace) -> bool:
    return bool((await place.terminal("gate"))["state"] == "online")


async def _has_count(gateway: RunningGateway, count: int) -> bool:
    return await gateway.count() == count
