"""Who may ask the gateway what."""

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from fastapi import APIRouter
from joserfc import jwt
from joserfc.jwk import OKPKey

from biometric_flow.api.clients import GatewayProblem
from biometric_flow.gateway.access import Operations, OperationUndeclared
from biometric_flow.gateway.app import create_app
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.identity.keys import load_or_create_key
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import SettingsInvalid
from biometric_flow.runtime.settings import load_settings
from tests.services.gateways import (
    ADMIN,
    PASSWORD,
    Chain,
    RunningGateway,
    TestDatabase,
    places_file,
    running_gateway,
    touches,
)


async def refusal(attempt: object) -> GatewayProblem:
    with pytest.raises(GatewayProblem) as caught:
        await attempt  # type: ignore[misc]
    return caught.value


async def test_every_operation_but_the_public_ones_asks_for_a_credential(gateway: RunningGateway) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    public = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["x-permission"] == "public":
                public.add(path)
                continue
            answer = await gateway.http.request(method, path.replace("{place}", "cairo"))
            assert (answer.status_code, answer.json()["code"]) == (401, "access.unauthenticated"), path
            assert answer.headers["www-authenticate"] == "Bearer"
    healths = {"/health", "/health/live", "/health/ready"}
    tokens = {"/v1/auth/token", "/v1/auth/invitation", "/v1/auth/place"}
    assert public == healths | tokens | {"/.well-known/jwks.json"}
    assert len(document["paths"]) > 70


async def test_a_strangers_malformed_json_is_refused_as_a_strangers(gateway: RunningGateway) -> None:
    for path in ("/v1/places/cairo/entries", "/v1/places/nowhere/entries"):
        answer = await gateway.http.post(path, content=b"{", headers={"Content-Type": "application/json"})
        assert answer.status_code == 401


async def test_an_operation_without_a_permission_stops_the_start() -> None:
    router = APIRouter()

    @router.get("/v1/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(OperationUndeclared, match="forgotten"):
        Operations([router])


async def test_wrong_password_and_unknown_account_get_the_same_answer(gateway: RunningGateway) -> None:
    wrong = await refusal(gateway.client.sign_in(ADMIN, "not the password"))
    unknown = await refusal(gateway.client.sign_in("nobody@example.com", "not the password"))
    assert (wrong.status, wrong.code, wrong.detail) == (unknown.status, unknown.code, unknown.detail)
    assert wrong.code == "access.bad_credentials"


async def test_failed_sign_ins_of_one_account_have_to_wait(gateway: RunningGateway) -> None:
    for _ in range(5):
        assert (await refusal(gateway.client.sign_in(ADMIN, "guess"))).status == 401
    answer = await gateway.http.post(
        "/v1/auth/token", json={"grant_type": "password", "email": ADMIN, "password": PASSWORD}
    )
    assert (answer.status_code, answer.json()["code"]) == (429, "access.too_many")
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert (await refusal(gateway.client.sign_in("another@example.com", "guess"))).status == 401


async def test_guesses_that_are_sent_together_count_as_those_one_after_the_other(gateway: RunningGateway) -> None:
    refused = await asyncio.gather(*(refusal(gateway.client.sign_in(ADMIN, f"guess {one}")) for one in range(24)))
    assert [one.code for one in refused].count("access.bad_credentials") == 5
    assert {one.code for one in refused} == {"access.bad_credentials", "access.too_many"}


async def test_a_refresh_token_gets_the_next_pair_once(gateway: RunningGateway) -> None:
    first = await gateway.client.sign_in(ADMIN, PASSWORD)
    second = await gateway.client.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert (await gateway.client.me(second.access_token)).email == ADMIN
    third = await gateway.client.refresh(second.refresh_token)
    assert third.refresh_token != second.refresh_token


async def test_a_refresh_token_used_twice_ends_its_whole_family(gateway: RunningGateway) -> None:
    first = await gateway.client.sign_in(ADMIN, PASSWORD)
    untouched = await gateway.client.sign_in(ADMIN, PASSWORD)
    second = await gateway.client.refresh(first.refresh_token)
    assert (await refusal(gateway.client.refresh(first.refresh_token))).code == "access.bad_credentials"
    assert (await refusal(gateway.client.refresh(second.refresh_token))).code == "access.bad_credentials"
    assert (await gateway.client.refresh(untouched.refresh_token)).refresh_token


async def test_of_two_refreshes_at_once_one_wins(gateway: RunningGateway) -> None:
    token = await gateway.client.sign_in(ADMIN, PASSWORD)
    answers = await asyncio.gather(
        *(gateway.client.refresh(token.refresh_token) for _ in range(5)), return_exceptions=True
    )
    assert sum(not isinstance(answer, GatewayProblem) for answer in answers) == 1


async def test_a_disabled_account_gets_no_tokens(gateway: RunningGateway) -> None:
    token = await gateway.client.sign_in(ADMIN, PASSWORD)
    assert gateway.database is not None
    with psycopg.connect(gateway.database.dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', true)")
        connection.execute("UPDATE account SET is_enabled = false")
    assert (await refusal(gateway.client.refresh(token.refresh_token))).code == "access.bad_credentials"
    assert (await refusal(gateway.client.sign_in(ADMIN, PASSWORD))).code == "access.bad_credentials"


async def test_only_tokens_of_this_gateway_in_their_exact_form_are_let_in(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with running_gateway(tmp_path, database) as gateway:
        key = load_or_create_key(tmp_path / "token-key.pem")
        now = int(datetime.now(UTC).timestamp())
        account = (await gateway.client.me(gateway.token)).account
        claims = {"iss": "biometric-flow", "aud": "biometric-flow-gateway", "sub": account, "tenant": "demo"}
        claims |= {"sid": "any", "iat": now, "exp": now + 300, "jti": "1"}
        header = {"alg": "Ed25519", "typ": "at+jwt", "kid": key.thumbprint()}

        async def status(
            changed_header: dict[str, object], changed_claims: dict[str, object], with_key: OKPKey = key
        ) -> int:
            token = jwt.encode({**header, **changed_header}, {**claims, **changed_claims}, with_key, ["Ed25519"])
            answer = await gateway.http.get("/v1/punches/count", headers={"Authorization": f"Bearer {token}"})
            return answer.status_code

        assert await status({}, {}) == 200
        assert await status({}, {}, OKPKey.generate_key("Ed25519")) == 401
        for changed in (
            {"typ": "JWT"},
            {"kid": "other"},
            {"jku": "https://evil.example"},
            {"x5u": "https://evil.example"},
        ):
            assert await status(changed, {}) == 401, changed
        for said in (
            {"iss": "other"},
            {"aud": "other"},
            {"exp": now - 1},
            {"exp": now + 86400},
            {"iat": now + 3600, "exp": now + 3900},
            {"tenant": ""},
            {"sub": 7},
            {"sub": "a"},
            {"sub": str(uuid4())},
            {"tenant": "other"},
        ):
            assert await status({}, said) == 401, said
        none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30."
        for token in (none, "x" * 5000, "a.b.c", "ÿ"):
            answer = await gateway.http.get("/v1/me", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
            assert answer.status_code == 401


async def test_a_token_in_the_address_is_not_looked_at(gateway: RunningGateway) -> None:
    for name in ("access_token", "token"):
        answer = await gateway.http.get("/v1/punches/count", params={name: gateway.token})
        assert answer.status_code == 401


async def test_the_signing_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_key(path).thumbprint() == key.thumbprint()
    path.chmod(0o640)
    settings = GatewaySettings.model_validate({"data": tmp_path})
    (tmp_path / "token-key.pem").write_bytes(path.read_bytes())
    (tmp_path / "token-key.pem").chmod(0o644)
    with pytest.raises(Exception, match="chmod 600"):
        create_app(settings, places_file(), SystemClock())


def test_default_and_short_admin_passwords_are_refused_outside_a_demo(tmp_path: Path) -> None:
    for password, spoken in (("demo-only-password", "well-known default"), ("short", "at least 12 characters")):
        environment = {
            "BIOMETRIC_FLOW_GATEWAY_ADMIN_EMAIL": ADMIN,
            "BIOMETRIC_FLOW_GATEWAY_ADMIN_PASSWORD": password,
        }
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(GatewaySettings, "gateway", tmp_path, environment)
        assert spoken in str(caught.value)
        assert password not in str(caught.value).replace("admin_password", "")
        demo = {**environment, "BIOMETRIC_FLOW_GATEWAY_DEMO": "true"}
        assert load_settings(GatewaySettings, "gateway", tmp_path, demo).demo


async def test_two_tenants_cannot_see_each_other(gateway: RunningGateway) -> None:
    cairo, tokyo = Chain("cairo"), Chain("tokyo")
    cairo.add(*touches(3))
    tokyo.add(*touches(2, pin="9", tenant="other"))
    await gateway.uplink("cairo").upload(0, cairo.entries)
    await gateway.uplink("tokyo").upload(0, tokyo.entries)
    other = await gateway.sign_in_of_other_tenant()
    client = gateway.client
    assert (await client.punch_count(gateway.token)).places == {"cairo": 3}
    assert (await client.punch_count(other)).places == {"tokyo": 2}
    assert [place.id for place in await client.places(other)] == ["tokyo"]
    assert [who.pin for who in (await client.pins(other)).items] == ["9"]
    assert {item.pin for item in (await client.punches(other)).items} == {"9"}
    assert (await client.punches(other, place="cairo")).items == []
    assert (await client.overview(other)).kpis.people == 1
    assert (await client.me(other)).tenant_name == "Other Works"
