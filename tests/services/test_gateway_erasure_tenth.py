"""A tenth of all people is erased at the gateway: receipts stay proofs, and no file says who they were (E1, E3)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.store import schema
from biometric_flow.identity.envelope import KeyId
from biometric_flow.identity.keyring import KeyState
from biometric_flow.ledger.verify_receipt import verify
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from biometric_flow.runtime.sealed_file import new_identity, read_identity
from tests.services.canaries import files_with
from tests.services.gateways import SECRETS, RunningGateway, TestDatabase, running_gateway
from tests.services.hours import Desk
from tests.services.places import until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_gateway_erasure import verified

DEMO = TenantId("demo")
GOES, STAYS = ("87654321099", "Canary", "CANARYBIRD-"), ("43210987650", "Sparrow", "SPARROW-")
"""What PINs, names and numbers begin with of who is erased, and of everybody else. None is so short that it comes about
by chance: in two gigabytes of what is sealed, four bytes did."""
DAY = datetime.now(UTC).date() - timedelta(days=1)
STEP = 500


@pytest.fixture
def gateway_folder(passable: Path) -> Iterator[Path]:
    yield passable / "gateway"
    EmbeddedPostgres(passable / "gateway" / "postgres").stop()


def who(number: int) -> tuple[str, str, str]:
    """PIN, name and employee number; every tenth is to go."""
    pin, name, code = STAYS if number % 10 else GOES
    return f"{pin}{number:05}", f"{name} {number}", f"{code}{number}"


async def hire(desk: Desk, people: range) -> None:
    rows = [(code, name, pin) for pin, name, code in map(who, people)]
    for first in range(0, len(rows), STEP):
        lines = [f"{code},{name},cairo,2026-01-01,{pin},2026-01-01" for code, name, pin in rows[first : first + STEP]]
        sheet = "\n".join(["number,name,place,employed_from,pin,pin_from", *lines])
        assert (await desk.ask("POST", "/v1/imports/people", content=sheet.encode()))["problems"] == []


async def touch(place: PushPlace, people: range) -> None:
    """Everybody comes once, and their terminal tells what it calls them."""
    for first in range(0, len(people), STEP):
        some = [(number, *who(number)) for number in people[first : first + STEP]]
        rows = [f"{pin}\t{DAY} {8 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}\t0\t1\n" for n, pin, _, _ in some]
        assert (await place.upload("ATTLOG", "".join(rows).encode()))[0] == 200
        users = [f"USER PIN={pin}\tName={name}\tPri=0\n" for _, pin, name, _ in some]
        assert (await place.upload("OPERLOG", "".join(users).encode()))[0] == 200


async def receipts(desk: Desk, pins: list[str]) -> list[str]:
    found = []
    for pin in pins:
        [one] = (await desk.ask("GET", "/v1/punches", params={"pin": pin}))["items"]
        found.append((await desk.raw("GET", f"/v1/punches/{one['id']}/receipt")).text)
    return found


def keys_at(gateway: RunningGateway) -> dict[KeyId, tuple[KeyState, bytes]]:
    store = open_tenant_keys(gateway.folder / KEYS_FOLDER, [DEMO]).of(DEMO)
    try:
        return {one.id: (one.state, one.wrapped) for one in store.records()}
    finally:
        store.close()


async def is_all_done(desk: Desk) -> bool:
    return all(one["done_at"] for one in await desk.ask("GET", "/v1/privacy/erasures"))


@pytest.mark.parametrize(
    ("count", "seconds"), [(50, 60), pytest.param(10_000, 1500, marks=[pytest.mark.drill, pytest.mark.timeout(7200)])]
)
async def test_a_tenth_of_all_people_is_erased_and_every_receipt_still_proves(
    gateway_folder: Path, passable: Path, capfd: pytest.CaptureFixture[str], count: int, seconds: float
) -> None:
    people = range(count)
    gone, others = [who(n) for n in people[::10]], [who(n) for n in people[1::10]]
    identity = passable.parent / f"{passable.name}.key"
    settings: dict[str, Any] = {"backup_folder": passable / "backups", "backup_recipient": new_identity(identity)}
    try:
        async with running_gateway(gateway_folder, None, **settings) as gateway:
            gateway.database = TestDatabase(schema.DATABASE, EmbeddedPostgres(gateway_folder / "postgres"))
            desk = Desk(gateway)
            await hire(desk, people)
            link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"], "retention_look_seconds": 1}
            async with push_place(passable / "place", [pushing()], **link) as place:
                await touch(place, people)

                async def is_replicated() -> bool:
                    return await gateway.count() == count

                await until(is_replicated, seconds)

                async def has_receipt() -> bool:
                    [one] = (await desk.ask("GET", "/v1/punches", params={"pin": who(count - 1)[0]}))["items"]
                    return (await desk.raw("GET", f"/v1/punches/{one['id']}/receipt")).status_code == 200

                await until(has_receipt, seconds)
                before = await receipts(desk, [pin for pin, _, _ in gone + others])
                keys = keys_at(gateway)
                for at, (_, _, number) in enumerate(gone):
                    if at % 100 == 0:
                        assert await gateway.is_entered(), "of ten thousand it lasts longer than an access token"
                    wanted = {"number": number, "reason": "the site was sold", "by": "privacy officer"}
                    assert (await desk.ask("POST", "/v1/privacy/erasures", json=wanted))["stays"] == []
                await until(lambda: is_all_done(desk), seconds)

                async def are_keys_gone() -> bool:
                    states = [state for state, _ in keys_at(gateway).values()]
                    return states.count(KeyState.DESTROYED) >= 2 * len(gone)

                await until(are_keys_gone, seconds)
                assert await gateway.is_entered()
                assert await gateway.count() == count - len(gone)
                place_key = (await place.http.get("/v1/ledger/key")).text.strip()
                assert await receipts(desk, [pin for pin, _, _ in others]) == before[len(gone) :]
                told = (await desk.ask("GET", "/v1/people", params={"q": others[0][1]}))["items"]
                assert others[0][1:] in {(one["name"], one["number"]) for one in told}
            assert (await verified(gateway)).entries >= 2 * count
            assert all(verify(one, place_key, None) for one in before)
            destroyed = {one for one, (state, _) in keys_at(gateway).items() if state is KeyState.DESTROYED}
            wrapped = {keys[one][1] for one in destroyed if one in keys}
            assert len(wrapped) >= 2 * len(gone), "of each person, and of each PIN"
            with psycopg.connect(gateway.database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
                connection.execute("SELECT pg_switch_wal()")
                connection.execute("CHECKPOINT")
        in_keys = b"".join(one.read_bytes() for one in (gateway_folder / KEYS_FOLDER).rglob("*") if one.is_file())
        assert not any(one in in_keys for one in wrapped), "a key that is destroyed is in no page or journal"
        words = [GOES[0].encode(), f"{GOES[1]} ".encode(), GOES[2].encode()]
        assert files_with(passable, words, read_identity(identity)) == []
        said = "".join(capfd.readouterr())
        assert [one for one in words if one.decode() in said] == []
    finally:
        identity.unlink()
