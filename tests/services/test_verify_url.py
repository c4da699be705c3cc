"""Anybody who may read a log can check it over HTTP with its public key, and each altered byte is named."""

import asyncio
import json
from pathlib import Path

import psycopg
import pytest

from biometric_flow.cli import main
from biometric_flow.commands.replica import TOKEN_VARIABLE
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway, TestDatabase
from tests.services.places import API_KEY
from tests.services.test_gateway_witness import keys, seen, text
from tests.services.test_place_ledger import place_with_punches


async def verify(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["ledger", "verify-url", *arguments])


async def test_replica_log_of_checkpoints_and_audit_trail_verify_and_what_was_edited_is_named(
    gateway: RunningGateway,
    database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chain = await seen(gateway, 600)
    monkeypatch.setenv(TOKEN_VARIABLE, gateway.token)
    witness, own = await keys(gateway)
    audit = (await text(gateway, "/v1/audit/key")).strip()
    replica = (gateway.url, "--place", "cairo", "--key", str(chain.signer.public))
    capsys.readouterr()
    assert await verify(*replica, "--gateway-key", str(witness), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["log"], said["leaves"]) == ("biometric-flow/demo/cairo", 600)
    assert said["cosigned at"] > 1_600_000_000
    assert await verify(gateway.url, "--checkpoints", "--key", str(own)) == 0
    assert await verify(gateway.url, "--audit", "--key", audit) == 0
    assert await verify(gateway.url, "--audit", "--key", str(own)) == 1, "another log's key"
    for edit, named in (
        ("UPDATE ledger_node SET hash = sha256('x') WHERE log = 'cairo' AND position = 1", "tile 1/000.p/2"),
        ("UPDATE ledger_entry SET hash = sha256('x') WHERE sequence = 300", "tile 0/001"),
        ("UPDATE ledger_entry SET leaf = set_byte(leaf, 40, 1 - get_byte(leaf, 40)) WHERE sequence = 20", "tile 0/000"),
    ):
        with psycopg.connect(database.owner_dsn) as connection:
            connection.execute("SELECT set_config('app.tenant', 'demo', false)")
            assert connection.execute(edit).rowcount == 1
        capsys.readouterr()
        assert await verify(*replica) == 1, edit
        assert named in capsys.readouterr().err
    monkeypatch.delenv(TOKEN_VARIABLE)
    assert await verify(*replica) == 2


async def test_a_place_is_checked_over_its_own_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place_with_punches(tmp_path, 3) as place:
        monkeypatch.setenv(TOKEN_VARIABLE, API_KEY)
        key = (await place.http.get("/v1/ledger/key")).text.strip()
        assert await verify(place.url, "--own", "cairo", "--key", key) == 0


def row(database: TestDatabase, sequence: int) -> dict[str, bytes]:
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        query = "SELECT leaf, hash, record, opening FROM audit_entry WHERE sequence = %s"
        found = connection.execute(query, (sequence,)).fetchone()
        assert found is not None
        return dict(zip(("leaf", "hash", "record", "opening"), found, strict=True))


def put(database: TestDatabase, sequence: int, column: str, value: bytes) -> None:
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        change = f"UPDATE audit_entry SET {column} = %s WHERE sequence = %s"
        assert connection.execute(change, (value, sequence)).rowcount == 1


@pytest.mark.parametrize("step", [211, pytest.param(1, marks=[pytest.mark.drill, pytest.mark.timeout(3600)])])
async def test_each_bit_of_a_record_of_the_audit_trail_that_was_turned_is_found_and_its_entry_named(
    gateway: RunningGateway,
    database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: int,
) -> None:
    for _ in range(3):
        await gateway.http.post("/v1/auth/token", json={"grant_type": "nonsense"})
        await gateway.client.me((await gateway.client.sign_in(ADMIN, PASSWORD)).access_token)
    monkeypatch.setenv(TOKEN_VARIABLE, gateway.token)
    command = (gateway.url, "--audit", "--key", (await text(gateway, "/v1/audit/key")).strip())
    assert await verify(*command) == 0
    held, turned = row(database, 2), 0
    for column, value in held.items():
        for place in range(0, len(value) * 8, step):
            altered = bytearray(value)
            altered[place // 8] ^= 1 << place % 8
            put(database, 2, column, bytes(altered))
            capsys.readouterr()
            assert await verify(*command) == 1, (column, place)
            said = capsys.readouterr().err
            # A leaf that still fits its record is contradicted by the next one; a hash stands in the tile only.
            named = {"leaf": ("entry 2:", "entry 3:"), "record": ("entry 2:",), "hash": ("tile 0/000",)}[column]
            assert any(name in said for name in named), (column, place, said)
            turned += 1
        put(database, 2, column, value)
    assert turned >= sum(map(len, held.values())) * 8 // step
    assert await verify(*command) == 0
