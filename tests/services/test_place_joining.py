"""Places join with a token, sign what they ask with their own key, change it, and are revoked."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.clients import GatewayProblem, UplinkClient
from biometric_flow.cli import main
from biometric_flow.identity.place_requests import prove, sign_head
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.place import Place
from biometric_flow.place.joined import LINK_KEY, NEXT_KEY, Signing, public_text
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.signing import signing_key
from tests.services.gateways import SECRETS, Chain, RunningGateway, TestDatabase, places_file, running_gateway, touches
from tests.services.hours import Desk
from tests.services.places import API_KEY, RunningPlace, running_place, until

Content = bytes | AsyncIterator[bytes]

CAIRO = Place(PlaceId("cairo"), TenantId("demo"), "Cairo", ZoneInfo("Africa/Cairo"))


async def token_for(gateway: RunningGateway, place: str = "cairo") -> str:
    made = await Desk(gateway).ask("POST", f"/v1/places/{place}/join-token", 201)
    return str(made["token"])


def joining(token: str, key: Ed25519PrivateKey, place: str = "cairo") -> dict[str, str]:
    return {"token": token, "place": place, "key": public_text(key), "proof": prove(key, f"{place}\n{token}")}


async def joined(gateway: RunningGateway) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    answer = await gateway.http.post("/v1/auth/place", json=joining(await token_for(gateway), key))
    assert answer.status_code == 201, answer.text
    return key


def uplink(gateway: RunningGateway, key: Ed25519PrivateKey) -> UplinkClient:
    return UplinkClient(gateway.url, "cairo", Signing(CAIRO, key, SystemClock()))


def signed(
    key: Ed25519PrivateKey, method: str, target: str, body: bytes = b"", late: int = 0, place: str = "cairo"
) -> dict[str, str]:
    moment = datetime.now(UTC) - timedelta(seconds=late)
    head = sign_head(key, "demo", place, method, target, body, moment, secrets.token_bytes(16))
    return {"Authorization": head, "Content-Type": "application/json"}


async def byte_by_byte(body: bytes) -> AsyncIterator[bytes]:
    for number in range(len(body)):
        yield body[number : number + 1]


@contextmanager
def environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update({f"BIOMETRIC_FLOW_{name}": value for name, value in values.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def test_a_place_joins_by_the_command_and_works_over_its_link_without_any_shared_secret(
    database: TestDatabase, tmp_path: Path
) -> None:
    config, data = tmp_path / "config", tmp_path / "data"
    config.mkdir()
    (config / "places.json").write_text(places_file().model_dump_json(), "utf-8")
    async with running_gateway(tmp_path / "gateway", database, demo=False) as gateway:
        token = await token_for(gateway)
        given = {"JOIN_TOKEN": token, "PLACE_API_KEY": API_KEY, "PLACE_DATA": str(data)}
        with environment(**given, PLACE_GATEWAY_URL=gateway.url):
            command = ["join", "--place", "cairo", "--config", str(config)]
            assert await asyncio.to_thread(main, command) == 0
            assert await asyncio.to_thread(main, command) != 0
        folder = data / "places" / "cairo"
        assert (folder / LINK_KEY).stat().st_mode & 0o077 == 0
        async with running_place(folder, gateway_url=gateway.url) as place:
            await until(lambda: _answers(gateway, "/v1/places/cairo/health", 200))
            assert (await place.get("/health"))["gateway"] == "connected"
        shared = await gateway.http.get(
            "/v1/places/cairo/position", headers={"Authorization": f"Bearer bfp_{SECRETS['cairo']}"}
        )
        assert (shared.status_code, shared.json()["code"]) == (401, "access.unauthenticated")


async def test_a_token_lets_its_own_place_join_once(gateway: RunningGateway) -> None:
    key, first = Ed25519PrivateKey.generate(), await token_for(gateway)
    token = await token_for(gateway)
    other = prove(Ed25519PrivateKey.generate(), f"cairo\n{token}")
    wrong: list[tuple[dict[str, str], int, str]] = [
        (joining(first, key), 401, "access.bad_credentials"),
        (joining(token, key, "leeds"), 401, "access.bad_credentials"),
        (joining(token.replace("demo", "other"), key), 401, "access.bad_credentials"),
        (joining("bfj_demo." + "x" * 43, key), 401, "access.bad_credentials"),
        (joining(token, key) | {"proof": other}, 422, "place.key_refused"),
        (joining(token, key) | {"key": "A" * 43 + "="}, 422, "place.key_refused"),
    ]
    for body, status, code in wrong:
        answer = await gateway.http.post("/v1/auth/place", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    body = joining(token, key)
    assert (await gateway.http.post("/v1/auth/place", json=body)).status_code == 201
    assert (await gateway.http.post("/v1/auth/place", json=body)).status_code == 401
    unknown = await Desk(gateway).raw("POST", "/v1/places/nowhere/join-token")
    foreign = await Desk(gateway).raw("POST", "/v1/places/tokyo/join-token")
    assert (unknown.status_code, unknown.json()["detail"]) == (foreign.status_code, foreign.json()["detail"])
    assert unknown.status_code == 404


async def test_each_request_is_believed_once_as_it_was_signed_and_never_for_another_place(
    gateway: RunningGateway,
) -> None:
    key, chain = await joined(gateway), Chain()
    chain.add(*touches(3))
    client = uplink(gateway, key)
    assert await client.upload(0, chain.entries) == 3
    await client.close()
    path = "/v1/places/cairo/position?log=1"
    head = signed(key, "GET", path)
    assert (await gateway.http.get(path, headers=head)).json() == {"position": 3}
    told: dict[str, tuple[int, str]] = {}

    async def tried(what: str, method: str, url: str, headers: dict[str, str], body: Content = b"") -> None:
        answer = await gateway.http.request(method, url, headers=headers, content=body)
        told[what] = answer.status_code, answer.json()["code"]

    report, good = "/v1/places/cairo/report", b'{"sent_at":"x"}'
    await tried("repeated", "GET", path, head)
    await tried("another query", "GET", path.replace("log=1", "log=2"), signed(key, "GET", path))
    await tried("another method", "PUT", report, signed(key, "POST", report, good), good)
    await tried("another body", "PUT", report, signed(key, "PUT", report, good), good + b" ")
    await tried("another body in pieces", "PUT", report, signed(key, "PUT", report, good), byte_by_byte(good + b" "))
    await tried("no body", "PUT", report, signed(key, "PUT", report, good))
    await tried("a late one", "GET", path, signed(key, "GET", path, late=90))
    await tried("another key", "GET", path, signed(Ed25519PrivateKey.generate(), "GET", path))
    await tried("another place's name", "GET", path, signed(key, "GET", path, place="leeds"))
    away = "/v1/places/leeds/position?log=1"
    await tried("another place's path", "GET", away, signed(key, "GET", away))
    people = "/v1/people"
    await tried("what is no ledger", "GET", people, signed(key, "GET", people))
    # A header that says who asks is no reason to believe it.
    said = {"X-Place": "cairo", "X-Forwarded-User": "cairo", "X-Client-Cert": "cairo", "X-SSL-Client-S-DN": "CN=cairo"}
    await tried("a forged header", "GET", path, said)
    refused = (401, "access.unauthenticated")
    assert told == dict.fromkeys(told, refused) | {
        "repeated": (401, "access.repeated"),
        "another place's path": (404, "request.not_found"),
        "what is no ledger": (403, "access.forbidden"),
    }
    # The body that was signed reaches the operation, also byte by byte, which then says what is wrong with it.
    for content in (good, byte_by_byte(good)):
        answer = await gateway.http.put(report, headers=signed(key, "PUT", report, good), content=content)
        assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_a_revoked_place_is_refused_and_its_open_link_is_cut_within_a_minute(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    key, admin = await joined(gateway), Desk(gateway)
    keep_key(tmp_path, key)
    async with running_place(tmp_path, gateway_url=gateway.url) as place:
        await until(lambda: _answers(gateway, "/v1/places/cairo/health", 200))
        began = time.monotonic()
        await admin.ask("DELETE", "/v1/places/cairo/keys", 204)
        with pytest.raises(GatewayProblem) as refused:
            await uplink(gateway, key).position()
        assert (refused.value.status, refused.value.code) == (401, "access.unauthenticated")
        await until(lambda: _answers(gateway, "/v1/places/cairo/health", 503))
        assert time.monotonic() - began < 60
        await until(lambda: _is_refused(place))
    [listed] = await admin.ask("GET", "/v1/places/cairo/keys")
    assert listed["revoked_at"] is not None


async def test_a_place_changes_its_key_by_itself_and_finishes_what_was_cut_short(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    key, admin = await joined(gateway), Desk(gateway)
    keep_key(tmp_path, key)
    # A kill came after the gateway had taken the next key, and before the place knew.
    following = signing_key(tmp_path / NEXT_KEY)
    client = uplink(gateway, key)
    await client.change_key(public_text(following), prove(following, "demo/cairo"))
    await client.close()
    async with running_place(tmp_path, gateway_url=gateway.url):
        await until(lambda: _answers(gateway, "/v1/places/cairo/health", 200))
        await until(lambda: _is_gone(tmp_path / NEXT_KEY))
    assert signing_key(tmp_path / LINK_KEY).private_bytes_raw() == following.private_bytes_raw()
    old = (time.time() - 40 * 86_400,) * 2
    os.utime(tmp_path / LINK_KEY, old)
    async with running_place(tmp_path, gateway_url=gateway.url):
        await until(lambda: _has_keys(admin, 3))
        await until(lambda: _answers(gateway, "/v1/places/cairo/health", 200))
    newest, *before = await admin.ask("GET", "/v1/places/cairo/keys")
    assert newest["ends_at"] is None
    assert all(one["ends_at"] is not None for one in before)


async def test_a_place_whose_key_ended_while_nobody_told_it_that_the_next_one_is_believed_comes_back(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    """The answer to its change was lost and so was the line, for longer than the old key counts beside the next one."""
    assert gateway.database is not None
    key = await joined(gateway)
    keep_key(tmp_path, key)
    following = signing_key(tmp_path / NEXT_KEY)
    client = uplink(gateway, key)
    await client.change_key(public_text(following), prove(following, "demo/cairo"))
    with psycopg.connect(gateway.database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        connection.execute("UPDATE link_key SET ends_at = now() - interval '1 day' WHERE ends_at IS NOT NULL")
    await until(lambda: _believes_no_more(client))  # a key that was read is believed for two seconds
    await client.close()
    async with running_place(tmp_path, gateway_url=gateway.url) as place:
        await until(lambda: _is_gone(tmp_path / NEXT_KEY))
        await until(lambda: _answers(gateway, "/v1/places/cairo/health", 200))
        await until(lambda: _is_connected(place))
    assert signing_key(tmp_path / LINK_KEY).private_bytes_raw() == following.private_bytes_raw()


async def test_a_place_that_never_joined_works_alone_and_says_how_to_join(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_place(tmp_path, gateway_url="http://127.0.0.1:9") as place:
        assert (await place.get("/health"))["gateway"] == "not_configured"
    assert "biometric-flow join --place cairo" in capsys.readouterr().out


async def _believes_no_more(client: UplinkClient) -> bool:
    try:
        await client.position()
    except GatewayProblem:
        return True
    return False


async def _is_connected(place: RunningPlace) -> bool:
    return bool((await place.get("/health"))["gateway"] == "connected")


def keep_key(folder: Path, key: Ed25519PrivateKey) -> None:
    signing_key(folder / LINK_KEY)
    from joserfc.jwk import OKPKey

    (folder / LINK_KEY).write_bytes(OKPKey.import_key(key).as_pem(private=True))


async def _answers(gateway: RunningGateway, path: str, status: int) -> bool:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    return (await gateway.http.get(path, headers=headers)).status_code == status


async def _is_refused(place: Any) -> bool:
    return bool((await place.get("/health"))["gateway"] == "refused")


async def _is_gone(path: Path) -> bool:
    return not path.exists()


async def _has_keys(admin: Desk, count: int) -> bool:
    return len(await admin.ask("GET", "/v1/places/cairo/keys")) == count
