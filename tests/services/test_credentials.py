"""Invitations, passwords, API keys and the keys that sign tokens, at a running gateway."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from joserfc import jwt
from joserfc.jwk import KeySet

from biometric_flow.identity.keys import SIGNS_FOR, VERIFIES_FOR, rotated_keys
from tests.services.gateways import ADMIN, PASSWORD, Chain, RunningGateway, touches
from tests.services.hours import Desk

SENTENCE = "lantern quay and seven geese"


async def invited(admin: Desk, email: str = "amina@example.com", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await admin.ask("POST", "/v1/accounts", 201, json={"email": email, "name": "Amina", **more})
    return made


async def accept(gateway: RunningGateway, invitation: str, password: str = SENTENCE) -> tuple[int, str]:
    body = {"invitation": invitation, "password": password}
    answer = await gateway.http.post("/v1/auth/invitation", json=body)
    return answer.status_code, answer.json()["code"] if answer.content else ""


async def test_an_invitation_sets_a_password_once_and_the_account_holds_nothing_yet(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    made = await invited(admin)
    for guess in ("", "nobody's password", SENTENCE):
        grant = {"grant_type": "password", "email": "amina@example.com", "password": guess or "x"}
        assert (await gateway.http.post("/v1/auth/token", json=grant)).status_code == 401
    weak = await accept(gateway, made["invitation"], "Password2026!")
    assert weak == (422, "access.password_weak")
    assert await accept(gateway, made["invitation"]) == (204, "")
    assert await accept(gateway, made["invitation"]) == (401, "access.bad_credentials")
    amina = Desk(gateway, token=(await gateway.client.sign_in("Amina@Example.com", SENTENCE)).access_token)
    me = await amina.ask("GET", "/v1/me")
    assert (me["roles"], me["pages"]) == ([], [])
    assert (await amina.raw("GET", "/v1/places")).status_code == 403
    again = await admin.raw("POST", "/v1/accounts", json={"email": "AMINA@example.com", "name": "A"})
    assert again.json()["code"] == "account.exists"


async def test_an_invitation_of_another_form_tenant_or_week_is_refused(gateway: RunningGateway) -> None:
    made = await invited(Desk(gateway))
    secret = made["invitation"]
    for wrong in (
        secret[:-1] + "x",
        secret.replace("demo", "other"),
        "bfi_" + "x" * 60,
        secret.replace("bfi_", "bfk_"),
    ):
        assert (await accept(gateway, wrong))[0] == 401, wrong
    assert gateway.database is not None
    with psycopg.connect(gateway.database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', true)")
        stored = connection.execute("SELECT digest FROM invitation").fetchall()
        assert secret.encode() not in bytes(stored[0][0])
        connection.execute("UPDATE invitation SET expires_at = now() - interval '1 second'")
    assert (await accept(gateway, secret))[0] == 401


async def test_a_changed_or_forgotten_password_ends_every_sign_in(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    made = await invited(admin)
    await accept(gateway, made["invitation"])
    amina = Desk(gateway, token=(await gateway.client.sign_in("amina@example.com", SENTENCE)).access_token)
    wrong = await amina.raw("PUT", "/v1/me/password", json={"old": "guess", "new": SENTENCE + "!"})
    assert wrong.json()["code"] == "access.bad_credentials"
    await amina.ask("PUT", "/v1/me/password", 204, json={"old": SENTENCE, "new": SENTENCE + "!"})
    assert (await amina.raw("GET", "/v1/me")).status_code == 401
    amina = Desk(gateway, token=(await gateway.client.sign_in("amina@example.com", SENTENCE + "!")).access_token)
    anew = await admin.ask("POST", f"/v1/accounts/{made['account']}/invitation", 201)
    assert (await amina.raw("GET", "/v1/me")).status_code == 401
    assert await accept(gateway, anew["invitation"]) == (204, "")
    await gateway.client.sign_in("amina@example.com", SENTENCE)


async def test_a_key_does_what_it_was_made_for_until_it_is_taken_away(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    chain = Chain()
    chain.add(*touches(3))
    await gateway.uplink().upload(0, chain.entries)
    service = (await invited(admin, "export@example.com", kind="service"))["account"]
    await admin.ask("POST", f"/v1/accounts/{service}/grants", 201, json={"role": "auditor"})
    body = {"name": "export", "permissions": ["punch:read"], "days": 30}
    made = await admin.ask("POST", f"/v1/accounts/{service}/keys", 201, json=body)
    assert made["secret"].startswith("bfk_demo.")
    key = Desk(gateway, token=made["secret"])
    assert (await key.ask("GET", "/v1/punches/count"))["count"] == 3
    assert (await key.raw("GET", "/v1/people")).json()["detail"] == "this key was not made for person:read"
    assert (await key.raw("POST", "/v1/auth/sign-out")).status_code == 403
    [listed] = await admin.ask("GET", f"/v1/accounts/{service}/keys")
    assert listed["last_used"] is not None
    assert "secret" not in listed
    for wrong in (made["secret"][:-1] + "-", made["secret"].replace("demo", "other"), "bfk_demo.x"):
        assert (await Desk(gateway, token=wrong).raw("GET", "/v1/punches/count")).status_code == 401, wrong
    await admin.ask("DELETE", f"/v1/accounts/{service}/keys/{made['id']}", 204)
    async with asyncio.timeout(5):
        while (await key.raw("GET", "/v1/punches/count")).status_code != 401:
            await asyncio.sleep(0.1)


async def test_nobody_makes_a_key_for_what_they_do_not_hold_and_none_changes_the_account(
    gateway: RunningGateway,
) -> None:
    admin = Desk(gateway)
    service = (await invited(admin, "export@example.com", kind="service"))["account"]
    for permission in ("ledger:write", "public", "self:write", "terminal:fly"):
        body = {"name": "no", "permissions": [permission]}
        assert (await admin.raw("POST", f"/v1/accounts/{service}/keys", json=body)).status_code in (403, 422)


async def test_a_disabled_accounts_keys_open_nothing(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    service = (await invited(admin, "export@example.com", kind="service"))["account"]
    await admin.ask("POST", f"/v1/accounts/{service}/grants", 201, json={"role": "auditor"})
    made = await admin.ask(
        "POST", f"/v1/accounts/{service}/keys", 201, json={"name": "k", "permissions": ["punch:read"]}
    )
    key = Desk(gateway, token=made["secret"])
    await key.ask("GET", "/v1/punches/count")
    await admin.ask("PUT", f"/v1/accounts/{service}/state", 204, json={"is_enabled": False})
    async with asyncio.timeout(5):
        while (await key.raw("GET", "/v1/punches/count")).status_code != 401:
            await asyncio.sleep(0.1)


async def test_published_keys_verify_access_tokens_and_hold_nothing_private(gateway: RunningGateway) -> None:
    token = (await gateway.client.sign_in(ADMIN, PASSWORD)).access_token
    published = (await gateway.http.get("/.well-known/jwks.json")).json()
    assert all("d" not in key for key in published["keys"])
    claims = jwt.decode(token, KeySet.import_key_set(published), algorithms=["Ed25519"]).claims
    assert claims["tenant"] == "demo"


def test_a_signing_key_is_replaced_after_ninety_days_and_verifies_for_one_more(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    [first] = rotated_keys(tmp_path, now)
    assert [key.thumbprint() for key in rotated_keys(tmp_path, now + SIGNS_FOR - timedelta(hours=1))] == [
        first.thumbprint()
    ]
    old = (now - SIGNS_FOR).timestamp()
    os.utime(tmp_path / "token-key.pem", (old, old))
    second, before = rotated_keys(tmp_path, now)
    assert before.thumbprint() == first.thumbprint() != second.thumbprint()
    assert len(rotated_keys(tmp_path, now + VERIFIES_FOR - timedelta(hours=1))) == 2
    assert [key.thumbprint() for key in rotated_keys(tmp_path, now + VERIFIES_FOR * 2)] == [second.thumbprint()]
    assert {path.name for path in tmp_path.iterdir()} == {"token-key.pem"}
