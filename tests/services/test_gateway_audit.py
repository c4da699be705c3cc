"""Every operation of the gateway that writes leaves exactly one leaf in its tenant's audit log, done or refused."""

import asyncio
import base64
import re
from typing import Any

import psycopg
import pytest

from biometric_flow.gateway.trail import LOG
from biometric_flow.ledger.chain import EMPTY, check, leaf_hash
from biometric_flow.ledger.merkle import fold
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway, TestDatabase

READS = {"get", "head", "options"}


def recorded(methods: dict[str, Any]) -> set[str]:
    """The methods of a path that leave a leaf: those that write, and those that take something out."""
    return {method for method, said in methods.items() if method not in READS or "x-takes-out" in said}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def trail(gateway: RunningGateway, after: int = 0) -> list[dict[str, Any]]:
    answer = await gateway.http.get(f"/v1/audit?after={after}&limit=1000", headers=bearer(gateway.token))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def leaves(database: TestDatabase) -> dict[str, int]:
    """Leaves of every log, the installation's included."""
    found = {}
    with psycopg.connect(database.owner_dsn) as connection:
        for tenant in ("demo", "other", "-"):
            connection.execute("SELECT set_config('app.tenant', %s, false)", (tenant,))
            row = connection.execute("SELECT count(*) FROM audit_entry").fetchone()
            found[tenant] = row[0] if row else 0
    return found


async def test_every_operation_that_writes_leaves_exactly_one_leaf_or_names_where_it_is_recorded(
    gateway: RunningGateway, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The walk knocks at every door without a credential, more often than strangers may in a minute.
    monkeypatch.setattr("biometric_flow.runtime.acting.STRANGERS_A_MINUTE", 10_000)
    document = (await gateway.http.get("/openapi.json")).json()
    walked = 0
    for path, methods in document["paths"].items():
        for method in recorded(methods):
            url = re.sub("{[a-z_:]+}", "cairo", path)
            for headers in ({}, bearer(gateway.token), bearer("bfp_" + "x" * 43)):
                before = sum(leaves(database).values())
                answer = await gateway.http.request(method, url, headers=headers, json={})
                is_recorded = "x-trail" not in methods[method] or answer.status_code in (401, 403)
                assert sum(leaves(database).values()) - before == is_recorded, (method, path, answer.text)
                walked += 1
    assert walked >= 15
    recorded_elsewhere = {
        path: operation["x-trail"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if "x-trail" in operation
    }
    carried = ("entries", "report", "checkpoint", "consent")
    assert set(recorded_elsewhere) == {f"/v1/places/{{place}}/{one}" for one in carried}


async def test_reading_leaves_no_leaf(gateway: RunningGateway, database: TestDatabase) -> None:
    before = leaves(database)
    for path in ("/v1/me", "/v1/places", "/v1/punches", "/v1/audit", "/v1/overview", "/v1/nothing"):
        await gateway.http.get(path, headers=bearer(gateway.token))
    assert leaves(database) == before


async def test_a_sign_in_and_its_failures_are_told_with_who_and_what_and_without_the_address(
    gateway: RunningGateway,
) -> None:
    seen = len(await trail(gateway))
    for password, status in (("not the password", 401), (PASSWORD, 200)):
        grant = {"grant_type": "password", "email": ADMIN.upper(), "password": password}
        answer = await gateway.http.post("/v1/auth/token", json=grant)
        assert answer.status_code == status, answer.text
    refused, done = await trail(gateway, after=seen)
    account = (await gateway.client.me(gateway.token)).account
    assert (refused["operation"], refused["result"], refused["actor"]) == (
        "POST /v1/auth/token",
        "401 access.bad_credentials",
        "",
    )
    assert (done["result"], done["actor"], done["source"]) == ("200", f"account:{account}", "127.0.0.1")
    assert done["request"] == answer.headers["x-request-id"]
    assert refused["scope"] == done["scope"], "the same address has the same commitment"
    assert ADMIN.lower() not in str(await trail(gateway)).lower()


async def test_a_refresh_token_that_comes_back_is_told_as_a_refusal_in_the_revoking_transaction(
    gateway: RunningGateway,
) -> None:
    first = await gateway.client.sign_in(ADMIN, PASSWORD)
    await gateway.client.refresh(first.refresh_token)
    seen = len(await trail(gateway))
    again = await gateway.http.post(
        "/v1/auth/token", json={"grant_type": "refresh_token", "refresh_token": first.refresh_token}
    )
    assert again.status_code == 401
    [entry] = await trail(gateway, after=seen)
    assert entry["result"] == "401 access.bad_credentials"


async def test_the_log_verifies_by_its_bytes_alone_and_its_checkpoint_covers_all_of_it(
    gateway: RunningGateway,
) -> None:
    headers = bearer(gateway.token)
    await asyncio.gather(
        *(gateway.http.post("/v1/auth/token", json={"grant_type": "nonsense"}) for _ in range(5)),
        *(gateway.client.sign_in(ADMIN, PASSWORD) for _ in range(5)),
    )
    page = (await gateway.http.get("/v1/audit/entries?limit=1000", headers=headers)).json()
    head = EMPTY
    for entry in page["entries"]:
        content = (base64.b64decode(entry[name]) for name in ("leaf", "record", "opening"))
        head = check(LOG, head, *content)
    note = Note.parse((await gateway.http.get("/v1/audit/checkpoint", headers=headers)).text)
    key = PublicKey.parse((await gateway.http.get("/v1/audit/key", headers=headers)).text)
    note.verified_by(key)
    hashes = [leaf_hash(base64.b64decode(entry["leaf"])) for entry in page["entries"]]
    assert Checkpoint.parse(note.text) == Checkpoint("biometric-flow/demo#audit", head.sequence, fold(hashes))
    tile = (await gateway.http.get(f"/v1/audit/tile/0/000.p/{head.sequence}", headers=headers)).content
    assert tile == b"".join(hashes)


async def test_who_may_not_read_the_trail_is_refused_and_another_tenant_sees_its_own(
    gateway: RunningGateway, database: TestDatabase
) -> None:
    other = await gateway.sign_in_of_other_tenant()
    page = (await gateway.http.get("/v1/audit", headers=bearer(other))).json()
    operations = [item["operation"] for item in page["items"]]
    assert operations == ["configure places.json", "POST /v1/auth/token"]
    assert (await gateway.http.get("/v1/audit")).status_code == 401


@pytest.mark.parametrize("edit", ["UPDATE audit_entry SET record = ''", "DELETE FROM audit_entry"])
async def test_the_application_cannot_alter_what_was_recorded(database: TestDatabase, edit: str) -> None:
    with psycopg.connect(database.dsn) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(edit)


async def test_strangers_cannot_fill_the_log(gateway: RunningGateway, database: TestDatabase) -> None:
    before = leaves(database)["-"]
    for _ in range(80):
        await gateway.http.post("/v1/places/cairo/entries", json={})
    assert leaves(database)["-"] - before <= 60
