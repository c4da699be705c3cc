"""A person who is erased at the gateway is gone there and at their places, and every log still proves (E1, E3)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from biometric_flow.gateway import erasures, replicas
from biometric_flow.gateway.store import schema
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from tests.services.gateways import SECRETS, RunningGateway, with_keys
from tests.services.hours import Desk
from tests.services.places import until
from tests.services.pushes import PushPlace, push_place, pushing

TODAY = datetime.now(UTC).date()
PIN, NUMBER, NAME = "87654321", "CAN-4711", "Canary Nightingale"
ASKED = {"number": NUMBER, "reason": "request of 3 March", "by": "privacy officer"}


def link(gateway: RunningGateway) -> dict[str, Any]:
    return {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"], "retention_look_seconds": 0.2}


async def hire(desk: Desk, number: str = NUMBER, pin: str = PIN, first: str = "2026-01-01", last: str = "") -> None:
    held = {"place": "cairo", "pin": pin, "from": first, **({"to": last} if last else {})}
    body = {"number": number, "name": NAME, "place": "cairo", "employed_from": first, "pins": [held]}
    await desk.ask("POST", "/v1/people", 201, json=body)


async def touched(place: PushPlace, gateway: RunningGateway, count: int = 5) -> None:
    rows = "".join(f"{pin}\t{TODAY} 08:0{n}:00\t0\t1\n" for n in range(count) for pin in (PIN, "8"))
    await place.upload("ATTLOG", rows.encode())
    await place.upload("OPERLOG", f"USER PIN={PIN}\tName={NAME}\tPri=0\n".encode())

    async def is_replicated() -> bool:
        if await gateway.count(pin=PIN) != count:
            return False
        return [one["pin"] for one in (await Desk(gateway).ask("GET", f"/v1/pins?q={NAME}"))["items"]] == [PIN]

    await until(is_replicated)


async def is_done(desk: Desk) -> bool:
    [one] = await desk.ask("GET", "/v1/privacy/erasures")
    return bool(one["done_at"])


async def verified(gateway: RunningGateway) -> replicas.Verified:
    assert gateway.database is not None
    database = with_keys(Database(gateway.database.dsn, schema.APPLICATION), gateway.folder)
    database.is_ready = True
    try:
        return await replicas.verify(database, await replicas.states(database, [TenantId("demo")]))
    finally:
        await database.close()


def rows_that_say(gateway: RunningGateway, *words: str) -> list[str]:
    """Tables of the gateway in whose rows one of these texts stands, also as bytes."""
    found = []
    assert gateway.database is not None
    with psycopg.connect(gateway.database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in names:
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t").fetchall():
                if any(word in row or word.encode().hex() in row for word in words):
                    found.append(str(table))
    return sorted(set(found))


async def test_a_person_goes_from_the_gateway_and_their_places_and_all_logs_still_prove(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    desk = Desk(gateway)
    await hire(desk)
    async with push_place(tmp_path, [pushing()], **link(gateway)) as place:
        await touched(place, gateway)
        assert rows_that_say(gateway, PIN, NAME, NUMBER) == []
        asked = await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
        assert (asked["places"], asked["stays"], asked["done_at"]) == (["cairo"], [], None)
        assert await gateway.count(pin=PIN) == 0
        await until(lambda: is_done(desk))
        [told] = await desk.ask("GET", "/v1/privacy/erasures")
        assert (told["erasure"], told["places"]) == (asked["erasure"], [])
        assert told["entries"] >= 6
        assert rows_that_say(gateway, PIN, NAME, NUMBER) == []
        assert (await place.http.get(f"/v1/people/{PIN}/export")).status_code == 404
        assert await gateway.count(pin="8") == 5
        assert await gateway.count() == 5
        held = await verified(gateway)
        assert held.entries >= 12
        await desk.ask("POST", "/v1/privacy/erasures", 404, json=ASKED)


async def test_an_erasure_waits_for_a_legal_hold_and_is_done_by_itself_when_that_ends(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    desk = Desk(gateway)
    await hire(desk)
    hold = {"scope": "person", "who": NUMBER, "reason": "claim 12", "by": "counsel", "first_day": str(TODAY)}
    placed = await desk.ask("POST", "/v1/privacy/holds", 201, json=hold)
    async with push_place(tmp_path, [pushing()], **link(gateway)) as place:
        await touched(place, gateway, 1)
        for _ in range(2):
            asked = await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
            assert (asked["begun_at"], {one["why"] for one in asked["stays"]}) == (None, {"claim 12"})
        assert await gateway.count(pin=PIN) == 1
        await desk.ask("POST", f"/v1/privacy/holds/{placed['id']}/end", json={"by": "counsel"})
        await until(lambda: is_done(desk))
    assert rows_that_say(gateway, PIN, NAME, NUMBER) == []


async def test_a_place_that_erased_the_person_before_says_that_nobody_is_there(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    desk = Desk(gateway)
    await hire(desk)
    async with push_place(tmp_path, [pushing()], **link(gateway)) as place:
        await touched(place, gateway, 1)

        async def is_erased_there() -> bool:
            wanted = {"pin": PIN, "reason": "at the place", "by": "officer"}
            return (await place.http.post("/v1/erasures", json=wanted)).status_code == 200

        await until(is_erased_there)
        await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
        await until(lambda: is_done(desk))
    assert rows_that_say(gateway, PIN, NAME, NUMBER) == []


async def test_a_pin_that_somebody_else_held_is_not_erased_with_one_of_them(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await hire(desk, last="2026-02-01")
    await hire(desk, "E2", first="2026-03-01")
    answer = await desk.raw("POST", "/v1/privacy/erasures", json=ASKED)
    assert (answer.status_code, answer.json()["code"]) == (409, "privacy.pin_shared")


async def test_an_erasure_that_waits_takes_nobody_with_it_who_got_the_pin_meanwhile(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await hire(desk, last="2026-02-01")
    hold = {"scope": "person", "who": NUMBER, "reason": "claim 12", "by": "counsel", "first_day": str(TODAY)}
    placed = await desk.ask("POST", "/v1/privacy/holds", 201, json=hold)
    await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
    await hire(desk, "E2", first="2026-03-01")
    await desk.ask("POST", f"/v1/privacy/holds/{placed['id']}/end", json={"by": "counsel"})
    policy = {"valid_from": str(TODAY), "by": "officer", "rules": []}
    await desk.ask("POST", "/v1/privacy/retention", 201, json=policy)

    async def was_looked_at() -> bool:
        [one] = await desk.ask("GET", "/v1/privacy/erasures")
        assert one["begun_at"] is None
        return [stay["why"] for stay in one["stays"]] == [erasures.SHARED]

    await until(was_looked_at)
    assert {one["number"] for one in (await desk.ask("GET", "/v1/people"))["items"]} == {NUMBER, "E2"}


async def test_a_gateway_that_lost_its_copy_takes_a_ledger_with_erased_people_again(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        await place.upload("ATTLOG", f"{PIN}\t{TODAY} 08:00:00\t0\t1\n8\t{TODAY} 08:01:00\t0\t1\n".encode())
        wanted = {"pin": PIN, "reason": "request", "by": "officer"}
        assert (await place.http.post("/v1/erasures", json=wanted)).status_code == 200
    async with push_place(tmp_path, [pushing()], **link(gateway)) as place:
        await until(lambda: _has(gateway, 1))
        held = await verified(gateway)
        assert held.entries >= 3


async def test_a_record_that_is_missing_without_an_erasure_is_found(gateway: RunningGateway, tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], **link(gateway)) as place:
        await place.upload("ATTLOG", f"8\t{TODAY} 08:01:00\t0\t1\n".encode())
        await until(lambda: _has(gateway, 1))
    assert gateway.database is not None
    with psycopg.connect(gateway.database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        gone = "UPDATE ledger_entry SET record = '', opening = '' WHERE sequence = (SELECT max(sequence) FROM punch)"
        assert connection.execute(gone).rowcount == 1
        connection.execute("DELETE FROM punch")
    with pytest.raises(replicas.ReplicaAltered, match="1 entries have lost their contents, erasures account for 0"):
        await verified(gateway)


async def _has(gateway: RunningGateway, count: int) -> bool:
    return await gateway.count() == count
