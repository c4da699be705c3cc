"""A log that may not go on is ended by an operator, and another begun that names it: at a place and its gateway."""

import asyncio
import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.api.clients import GatewayProblem, UplinkClient
from biometric_flow.gateway import replicas
from biometric_flow.gateway.store import schema
from biometric_flow.ledger import verify_receipt
from biometric_flow.ledger.decisions import LogStarted
from biometric_flow.ledger.logs import agree
from biometric_flow.ledger.note import Note, PublicKey, Signer
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.place.audit import Keys, LedgerAltered, audit
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.sealed_file import new_identity
from biometric_flow.runtime.signing import signing_key
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.builders import MOMENT
from tests.services.gateways import SECRETS, Chain, RunningGateway, places_file, touches, with_keys
from tests.services.ledgers import PLACE_KEY, SignedChain
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.stores import keys_of

CAIRO = ZoneInfo("Africa/Cairo")
FIRST, SECOND = "biometric-flow/demo/cairo", "biometric-flow/demo/cairo#2"
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 21)]


async def command(*arguments: str, token: str = "") -> tuple[int, str, str]:
    """A real process of the command line: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "biometric_flow.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "BIOMETRIC_FLOW_TOKEN": token},
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def nothing_waits(place: RunningPlace) -> bool:
    return bool((await place.get("/health"))["backlog"] == 0)


async def is_read_only(place: RunningPlace) -> bool:
    return bool((await place.get("/health"))["read_only"])


async def is_cosigned(place: RunningPlace, punches: int, origin: str = FIRST) -> bool:
    if len(await place.punches()) < punches:
        return False
    note = (await place.http.get("/v1/ledger/checkpoint")).text
    head = (await place.get("/health"))["head"]
    return note.startswith(f"{origin}\n{head}\n") and "biometric-flow-gateway" in note


async def get(gateway: RunningGateway, path: str) -> Any:
    answer = await gateway.http.get(path, headers={"Authorization": f"Bearer {gateway.token}"})
    assert answer.status_code == 200, answer.text
    return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.text


async def gateway_is_whole(gateway: RunningGateway) -> replicas.Verified:
    assert gateway.database is not None
    database = with_keys(Database(gateway.database.dsn, schema.APPLICATION), gateway.folder)
    database.is_ready = True
    try:
        return await replicas.verify(database, await replicas.states(database, [TenantId("demo")]))
    finally:
        await database.close()


def where(folder: Path) -> list[str]:
    (folder / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    return ["--place", "cairo", "--config", str(folder), "--data", str(folder)]


def data_of_place(config: Path, data: Path) -> None:
    """Say in the configuration where the data of place `cairo` lie, as an operator does before a restore."""
    where(config)
    (config / "environments").mkdir(exist_ok=True)
    lines = f"BIOMETRIC_FLOW_PLACE_DATA={data}\nBIOMETRIC_FLOW_PLACE_API_KEY={SECRETS['cairo']}"
    (config / "environments" / "place-cairo.env").write_text(lines, encoding="utf-8")


async def test_a_place_restored_from_an_old_backup_goes_on_in_a_new_log_and_every_punch_counts_once(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    whole, folder = tmp_path / "whole" / "places" / "cairo", tmp_path / "places" / "cairo"
    identity = tmp_path / "identity"
    recipient = new_identity(identity)
    of_backup = ("--place", "cairo", "--config", str(tmp_path))
    whole.parent.mkdir(parents=True)
    data_of_place(tmp_path, tmp_path / "whole")
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        for pin in ("1", "2"):
            await terminal.punch(pin)
        async with running_place(whole, [configured(terminal)], **link) as place:
            await until(lambda: is_cosigned(place, 2))
            first_key = (await place.http.get("/v1/ledger/key")).text.strip()
            create = ("backup", "create", *of_backup, "--to", str(tmp_path / "backups"), "--recipient", recipient)
            code, _, err = await command(*create)
            assert code == 0, err
        for pin in ("3", "4"):
            await terminal.punch(pin)
        async with running_place(whole, [configured(terminal)], **link) as place:
            await until(lambda: is_cosigned(place, 4))
            before = {punch["id"] for punch in await place.punches()}
        held = (await get(gateway, "/v1/places/cairo/logs"))[0]["entries"]
        data_of_place(tmp_path, tmp_path)
        restore = ("backup", "restore", *of_backup, "--from", str(tmp_path / "backups"), "--identity", str(identity))
        code, _, err = await command(*restore)
        assert code == 0, err
        async with running_place(folder, [configured(terminal)], **link) as place:
            await until(lambda: is_read_only(place))

        new_log = ("ledger", "new-log", *where(tmp_path), "--gateway", gateway.url, "--reason", "the disk was lost")
        assert (await command(*new_log))[0] == 2, "nobody decided"
        assert "no log was begun" in (await command(*new_log, token="somebody"))[2]
        code, out, err = await command(*new_log, token=gateway.token)
        assert code == 0, err
        second_key = next(line.split()[-1] for line in out.splitlines() if line.startswith("key"))

        async with running_place(folder, [configured(terminal)], **link) as place:
            assert not await is_read_only(place)
            await until(lambda: is_cosigned(place, 4, SECOND))
            assert {punch["id"] for punch in await place.punches()} == before
            await terminal.punch("5")
            await until(lambda: is_cosigned(place, 5, SECOND))
            await until(lambda: counts(gateway, 5))
            ids = [punch["id"] for punch in await place.punches()]
            of_place = [(await place.http.get(f"/v1/punches/{one}/receipt")).text for one in ids]
            await until(lambda: nothing_waits(place))  # that receipts were handed out is recorded and replicated, too
        logs = await get(gateway, "/v1/places/cairo/logs")
        assert [(one["number"], one["origin"], one["goes_on"]) for one in logs] == [
            (1, FIRST, False),
            (2, SECOND, True),
        ]
        assert logs[0]["entries"] == held, "the replica of the log that ended stays as it was"
        assert "the disk was lost" in logs[1]["decision"]

        witness = (await get(gateway, "/v1/ledger/keys")).splitlines()[0]
        named = [one.id for one in (await gateway.client.punches(gateway.token)).items]
        assert len(named) == len(ids)
        receipts = [*of_place, *[await get(gateway, f"/v1/punches/{one}/receipt") for one in named]]
        for receipt in receipts:
            key = second_key if SECOND in receipt else first_key
            assert verify_receipt.verify(receipt, key, witness)["witnessed_at"]
        assert any(SECOND in one for one in of_place)
        assert any(SECOND not in one for one in of_place)
        code, out, _ = await command("ledger", "verify", *where(tmp_path), "--gateway-key", witness, "--json")
        assert (code, json.loads(out)["punches"]) == (0, 5)
        for key in (first_key, second_key):
            one = Keys(PublicKey.parse(key), PublicKey.parse(witness))
            audit(folder / "place.sqlite3", PlaceId("cairo"), one, keys_of(folder / "place.sqlite3"))
        assert (await gateway_is_whole(gateway)).places == 3, "two logs of one place, and a place with nothing"
        verify = ("ledger", "verify-url", gateway.url, "--place", "cairo", "--gateway-key", witness)
        assert (await command(*verify, "--key", second_key, "--log", "2", token=gateway.token))[0] == 0
        assert (await command(*verify, "--key", first_key, "--log", "1", token=gateway.token))[0] == 0

        await terminal.punch("6")
        async with running_place(whole, [configured(terminal)], **link) as place:
            await until(lambda: is_read_only(place))
            assert "was ended by an operator" in (await place.get("/health"))["read_only"]
    assert await gateway.count() == 5


async def counts(gateway: RunningGateway, punches: int) -> bool:
    return await gateway.count() == punches


async def test_what_only_a_forked_place_recorded_reaches_the_gateway_with_the_new_log(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    whole, folder = tmp_path / "whole", tmp_path / "places" / "cairo"
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        await terminal.punch("1")
        async with running_place(whole, [configured(terminal)], **link) as place:
            await until(lambda: is_cosigned(place, 1))
        shutil.copytree(whole, folder)
        await terminal.punch("2")
        async with running_place(whole, [configured(terminal)], **link) as place:
            await until(lambda: is_cosigned(place, 2))
        terminal.memory.punches.clear()
        for pin in ("3", "4", "5"):
            await terminal.punch(pin)
        async with running_place(folder, [configured(terminal)]) as place:
            await until(lambda: has(place, 4))
        terminal.memory.punches.clear()  # from here on the fork is the only one who knows of 3, 4 and 5
        async with running_place(folder, [configured(terminal)], **link) as place:
            await until(lambda: is_read_only(place))
        new_log = ("ledger", "new-log", *where(tmp_path), "--gateway", gateway.url, "--reason", "two copies ran")
        code, _, err = await command(*new_log, token=gateway.token)
        assert code == 0, err
        async with running_place(folder, [configured(terminal)], **link) as place:
            await until(lambda: counts(gateway, 5))
            await until(lambda: is_cosigned(place, 4, SECOND))
    assert (await command("ledger", "verify", *where(tmp_path)))[0] == 0
    await gateway_is_whole(gateway)
    file = folder / "place.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE ledger_log SET carried = carried - 1")
        connection.commit()
    own = Keys(Signer(SECOND, signing_key(folder / "ledger-key.pem")).public)
    with pytest.raises(LedgerAltered):
        audit(file, PlaceId("cairo"), own, keys_of(file))


async def has(place: RunningPlace, punches: int) -> bool:
    return len(await place.punches()) >= punches


async def refused(attempt: Any) -> str:
    with pytest.raises(GatewayProblem) as caught:
        await attempt
    return caught.value.code


async def test_the_gateway_takes_a_new_log_only_when_it_names_what_is_held_and_an_operator_decided_so(
    gateway: RunningGateway,
) -> None:
    old = SignedChain()
    old.add(*touches(300))
    await gateway.uplink().upload(0, old.entries)
    await old.show(gateway.uplink())
    new_key, uplink = Signer(SECOND, PLACE_KEY), _second(gateway)

    async def decided() -> str:
        order = gateway.client.end_log(gateway.token, "cairo", str(new_key.public), "a test")
        return str(agree((await order).note, old.signer, new_key))

    def began(note: str) -> Chain:
        chain = Chain("cairo#2")
        chain.add(LogStarted(note, 300, old.root(300), 300, MOMENT), *touches(2, first=500))
        return chain

    unsaid = Chain("cairo#2")
    unsaid.add(*touches(2))
    assert await refused(uplink.upload(0, unsaid.entries)) == "ledger.log_refused"
    note = Note.parse(await decided())
    alone = Note(note.text, note.signatures[1:])
    assert await refused(uplink.upload(0, began(str(alone)).entries)) == "ledger.log_refused", "no gateway signed it"
    other = note.text.replace("\n300\n", "\n299\n")
    forged = Note(other, note.signatures)
    assert await refused(uplink.upload(0, began(str(forged)).entries)) == "ledger.log_refused", "another state"
    wrong = str(Signer("biometric-flow/demo/leeds#2", PLACE_KEY).public)
    assert await refused(gateway.client.end_log(gateway.token, "cairo", wrong, "a test")) == "ledger.log_refused"

    stale = await decided()
    old.add(*touches(1, first=300))
    await gateway.uplink().upload(300, old.entries[300:])
    assert await refused(uplink.upload(0, began(stale).entries)) == "ledger.log_refused", "more is held since"
    chain = began(await decided())
    assert await uplink.upload(0, chain.entries) == 3
    assert await uplink.upload(0, chain.entries) == 3, "an answer that was lost"
    assert await gateway.uplink().position() == 301
    assert await refused(gateway.uplink().upload(301, _more(old))) == "ledger.log_ended"
    assert await gateway.count() == 303


def _second(gateway: RunningGateway) -> UplinkClient:
    return UplinkClient(gateway.url, "cairo", SECRETS["cairo"], log=2)


def _more(chain: SignedChain) -> list[Any]:
    return chain.add(*touches(1, first=301))
