"""The access table: what stands in the API document and what the command prints, and that limits hold."""

import json
from pathlib import Path

import httpx2
import pytest

from biometric_flow.cli import main
from tests.services.gateways import RunningGateway, TestDatabase, running_gateway

METHODS = {"get", "put", "post", "patch", "delete"}


async def test_the_command_prints_the_table_that_the_api_document_holds(
    gateway: RunningGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    described = {
        (method.upper(), path, operation["x-permission"], operation["x-scope"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }
    assert main(["access", "table", "--json"]) == 0
    printed = {tuple(row.values()) for row in json.loads(capsys.readouterr().out)}
    assert printed == described | {("GET", "/openapi.json", "public", "everyone")}
    assert ("GET", "/v1/punches", "punch:read", "place") in printed


async def ask(gateway: RunningGateway, path: str = "/v1/me", token: str = "", **headers: str) -> httpx2.Response:
    signed = {"Authorization": f"Bearer {token or gateway.token}", **headers}
    return await gateway.http.get(path, headers=signed)


async def test_an_account_that_asks_too_often_waits_and_its_neighbour_does_not(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with running_gateway(tmp_path, database, identity_rate=0.5) as gateway:
        other = await gateway.sign_in_of_other_tenant()
        answers = [await ask(gateway) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[-1].json()["code"] == "access.too_many"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3
        assert (await ask(gateway, token=other)).status_code == 200


async def test_who_asks_too_often_is_told_so_before_what_they_may_not(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database, identity_rate=0.2) as gateway:
        paths = ["/v1/me", "/v1/places/cairo/position"]
        assert [(await ask(gateway, path)).status_code for path in paths] == [200, 429]


async def test_an_address_is_limited_and_headers_of_strangers_do_not_change_it(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with running_gateway(tmp_path, database, address_rate=2) as gateway:
        statuses = [
            (await ask(gateway, token="x", **{"X-Forwarded-For": f"192.0.2.{number}"})).status_code
            for number in range(20)
        ]
        assert 429 in statuses


async def test_behind_a_trusted_proxy_each_client_is_counted_by_itself(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database, address_rate=2, trusted_proxies="127.0.0.1") as gateway:
        statuses = [
            (await ask(gateway, token="x", **{"X-Forwarded-For": f"192.0.2.{number}"})).status_code
            for number in range(20)
        ]
        assert statuses == [401] * 20
