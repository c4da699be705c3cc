"""A witness outside the operator's hands, as a process of its own: it cosigns the gateway's log, and catches a fork."""

import asyncio
import base64
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from psycopg import sql

from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.merkle import fold, verifies_inclusion
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey, Signer
from biometric_flow.runtime.signing import signing_key
from tests.services.demos import free_run
from tests.services.gateways import RunningGateway, TestDatabase, running_gateway, touches
from tests.services.ledgers import SignedChain
from tests.services.places import until

NAME = "auditor.example.org"
PROGRAM = (sys.executable, "-m", "biometric_flow.cli", "witness")


async def said(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode()


@contextlib.asynccontextmanager
async def witness(folder: Path, port: int, *logs: str) -> AsyncIterator[str]:
    """A real witness process; killed at the end, as a machine that loses its power."""
    named = [word for log in logs for word in ("--log", log)]
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "serve", "--name", NAME, "--data", str(folder), "--port", str(port), *named,
        env={**os.environ}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        await until(lambda: answers(url))
        yield url
    finally:
        process.kill()
        await process.wait()


async def answers(url: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        async with httpx2.AsyncClient(timeout=5) as http:
            return (await http.get(f"{url}/key")).status_code == 200
    return False


async def get(gateway: RunningGateway, path: str) -> Any:
    answer = await gateway.http.get(path, headers={"Authorization": f"Bearer {gateway.token}"})
    assert answer.status_code == 200, answer.text
    return answer.json() if "json" in answer.headers["content-type"] else answer.text


async def has_seen(gateway: RunningGateway, size: int) -> bool:
    return any(one["size"] == size and not one["failure"] for one in await get(gateway, "/v1/ledger/witnesses"))


async def needs(gateway: RunningGateway, kind: str) -> bool:
    return any(one["kind"] == kind for one in (await get(gateway, "/v1/overview"))["attention"])


async def add(gateway: RunningGateway, chain: SignedChain) -> None:
    """One more entry of a place, and its checkpoint, which is a leaf of the gateway's own log."""
    after = len(chain.entries)
    chain.add(*touches(1, first=after))
    uplink = gateway.uplink()
    await uplink.upload(after, chain.entries[after:])
    await chain.show(uplink)


async def test_the_gateways_log_is_cosigned_outside_and_a_fork_of_it_is_caught(
    database: TestDatabase, tmp_path: Path
) -> None:
    port = free_run(1)
    folder, data, chain = tmp_path / "witness", tmp_path / "gateway", SignedChain()
    data.mkdir()
    log = Signer("biometric-flow/demo", signing_key(data / "witness-key.pem"))
    url = f"http://127.0.0.1:{port}"
    line = (await said("key", "--name", NAME, "--data", str(folder), "--url", url))[1]
    key = PublicKey.parse(line.split()[2])
    (tmp_path / "witnesses").write_text(f"# who cosigns\n{line}", encoding="utf-8")
    settings = {"witnesses": tmp_path / "witnesses", "witness_seconds": 0.2, "witness_limit_hours": 1e-6}
    async with running_gateway(data, database, **settings) as gateway:
        await add(gateway, chain)
        await until(lambda: needs(gateway, "witness_silent"))
        async with witness(folder, port, str(log.public)):
            await until(lambda: has_seen(gateway, 1))
            for size in (2, 3):
                await add(gateway, chain)
                await until(lambda size=size: has_seen(gateway, size))
        await add(gateway, chain)
        async with witness(folder, port, str(log.public)):
            await until(lambda: has_seen(gateway, 4))
            note = Note.parse(await get(gateway, "/v1/ledger/checkpoint"))
            assert note.verified_by(log.public) is None
            assert note.verified_by(key)
            assert str(Note.parse(await get(gateway, "/v1/ledger/checkpoint?witnessed=true"))) == str(note)
            await check_witness_receipt(gateway, log.public, key)

            # Whoever holds the disk and the key of the gateway writes its past anew.
            forge(database, log)
            await add(gateway, chain)
            await until(lambda: needs(gateway, "witness_refused"))
            (told,) = await get(gateway, "/v1/ledger/witnesses")
            assert (told["size"], told["is_contradiction"]) == (4, True)
            assert "two histories" in told["failure"]
    code, out = await said("refused", "--data", str(folder))
    assert code == 1
    assert "two histories" in out


async def check_witness_receipt(gateway: RunningGateway, log: PublicKey, witness_key: PublicKey) -> None:
    punch = (await get(gateway, "/v1/punches?limit=1"))["items"][0]["id"]
    before = (await get(gateway, "/v1/audit?limit=1"))["head"]
    head, _, text = (await get(gateway, f"/v1/punches/{punch}/receipt/witnesses")).partition("\n\n")
    leaves = (await get(gateway, f"/v1/audit?after={before}"))["items"]
    [leaf_of] = [one for one in leaves if not one["actor"].startswith("process:")]
    assert (leaf_of["operation"], leaf_of["result"]) == ("GET /v1/punches/{punch}/receipt/witnesses", "200")
    assert leaf_of["actor"].startswith("account:")
    _, extra, index, *proof = head.split("\n")
    note, leaf = Note.parse(text), _bytes(extra.removeprefix("extra "))
    note.verified_by(log)
    assert note.verified_by(witness_key)
    said_of = Checkpoint.parse(note.text)
    at = int(index.removeprefix("index "))
    assert verifies_inclusion(leaf_hash(leaf), at, said_of.size, [_bytes(one) for one in proof], said_of.root)
    receipt = (await get(gateway, f"/v1/punches/{punch}/receipt")).partition("\n\n")[2]
    assert Note.parse(leaf.decode()).text == Note.parse(receipt).text, "the checkpoint that the receipt rests on"


def _bytes(coded: str) -> bytes:
    return base64.b64decode(coded, validate=True)


def forge(database: TestDatabase, log: Signer) -> None:
    """The gateway's own log with another first leaf, signed with its real key: whole in itself."""
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        rows = connection.execute("SELECT leaf FROM checkpoint ORDER BY number").fetchall()
        leaves = [b"another history", *(bytes(row[0]) for row in rows[1:])]
        query = sql.SQL("UPDATE checkpoint SET leaf = %s, hash = %s WHERE number = 0")
        connection.execute(query, (leaves[0], leaf_hash(leaves[0])))
        note = log.sign(Checkpoint(log.public.name, len(leaves), fold([leaf_hash(one) for one in leaves])))
        connection.execute("UPDATE checkpoint_log SET note = %s", (str(note),))


async def test_a_witness_bounds_what_it_reads_and_answers_as_the_specification_says(tmp_path: Path) -> None:
    port = free_run(1)
    log = SignedChain().signer
    async with witness(tmp_path, port, str(log.public)) as url, httpx2.AsyncClient(base_url=url, timeout=20) as http:

        async def post(body: str) -> tuple[int, str, str]:
            answer = await http.post("/add-checkpoint", content=body.encode())
            return answer.status_code, answer.headers["content-type"].partition(";")[0], answer.text

        def body(old: int, size: int) -> str:
            chain = SignedChain()
            chain.add(*touches(size))
            return f"old {old}\n\n{chain.signed()}"

        assert (await post("x" * 100_000))[0] == 413
        assert (await post("old 0\n\nnothing"))[0] == 400
        assert (await post(body(0, 3)))[0] == 200
        assert await post(body(0, 4)) == (409, "text/x.tlog.size", "3\n")
        assert (await post(body(3, 4)))[0] == 422
        assert (await post(body(3, 3)))[0] == 200
        kept = Note.parse((await http.get("/checkpoint", params={"origin": log.public.name})).text)
        kept.verified_by(log.public)
        kept.verified_by(PublicKey.parse((await http.get("/key")).text))
