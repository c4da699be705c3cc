"""One touch is one punch, whichever places tell it, at whatever time, under whatever keys."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from biometric_flow.gateway.first_punch_ids import GONE
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.replicas import ReplicaAltered
from biometric_flow.gateway.resealing import replace
from biometric_flow.gateway.store import ledger, punch_ids
from biometric_flow.identity.keyring import subject_at
from biometric_flow.ledger.decisions import PersonErased
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.model.ids import Pin, TenantId
from biometric_flow.model.punch import clock_text, punch_id
from biometric_flow.runtime.key_store import KeyStore
from biometric_flow.runtime.postgres import SUPERUSER
from tests.builders import GATE, MOMENT
from tests.services.gateways import Chain, RunningGateway, TestDatabase, touches
from tests.services.hours import Desk, person
from tests.services.places import until
from tests.services.test_archive import archiving, create, everything, old_touches, two_months
from tests.services.test_gateway_erasure import ASKED, PIN, hire, is_done, rows_that_say, verified

DEMO = TenantId("demo")
MINE = PIN


async def told(gateway: RunningGateway, chain: Chain, step: int) -> None:
    """A place uploads its ledger in pieces."""
    for begin in range(0, len(chain.entries), step):
        await gateway.uplink(chain.place).upload(begin, chain.entries[begin : begin + step])


async def test_a_terminal_that_moves_while_both_places_tell_its_log_counts_each_touch_once(
    gateway: RunningGateway,
) -> None:
    cairo, leeds = Chain("cairo"), Chain("leeds")
    cairo.add(*touches(40), *touches(40, "8"))
    leeds.add(*reversed(list(touches(60, "8"))), *reversed(list(touches(60))))
    await asyncio.gather(told(gateway, cairo, 7), told(gateway, leeds, 11))
    assert (await gateway.count(), await gateway.count(pin="7"), await gateway.count(pin="8")) == (120, 60, 60)
    assert (await verified(gateway)).entries == 200


async def test_touches_told_again_after_keys_were_replaced_are_the_same_punches(gateway: RunningGateway) -> None:
    cairo, leeds = Chain("cairo"), Chain("leeds")
    cairo.add(*touches(5))
    await told(gateway, cairo, 5)
    before = {one.id for one in (await gateway.client.punches(gateway.token)).items}
    assert gateway.database is not None
    for _ in range(2):
        replace(gateway.database.owner_dsn, open_tenant_keys(gateway.folder / "keys", [DEMO]).of(DEMO), "people", _go)
    await told(gateway, cairo, 5)
    cairo.add(*touches(5))
    leeds.add(*touches(5))
    await gateway.uplink("cairo").upload(5, cairo.entries[5:])
    await told(gateway, leeds, 5)
    assert {one.id for one in (await gateway.client.punches(gateway.token)).items} == before
    assert await gateway.count() == 5
    assert (await verified(gateway)).entries == 15


async def test_a_touch_of_somebody_erased_at_one_place_is_its_own_pins_at_another_that_tells_it_later(
    gateway: RunningGateway,
) -> None:
    desk, cairo, leeds = Desk(gateway), Chain("cairo"), Chain("leeds")
    await hire(desk)
    cairo.add(*touches(3, MINE), *touches(2, "8"))
    await told(gateway, cairo, 5)
    await _erased(gateway, desk, cairo, entries=3)
    assert (await gateway.count(pin=MINE), await gateway.count(pin="8")) == (0, 2)
    leeds.add(*touches(3, MINE), *touches(2, "8"))
    await told(gateway, leeds, 5)
    page = await gateway.client.punches(gateway.token, pin=MINE)
    assert {(one.place, one.pin, one.name) for one in page.items} == {("leeds", MINE, "")}
    assert (await gateway.count(pin=MINE), await gateway.count(pin="8")) == (3, 2)
    assert (await verified(gateway)).places == 2


async def test_a_touch_that_two_places_told_is_the_second_ones_when_its_person_is_erased_at_the_first(
    gateway: RunningGateway,
) -> None:
    desk, cairo, leeds = Desk(gateway), Chain("cairo"), Chain("leeds")
    await hire(desk)
    cairo.add(*touches(3, MINE), *touches(2, "8"))
    leeds.add(*touches(2, MINE), *touches(1, "8"), *touches(1, MINE))
    await told(gateway, cairo, 5)
    await told(gateway, leeds, 4)
    await _begun(desk)
    assert (await verified(gateway)).entries == 9, "while the place has not answered"
    assert await _owners(gateway) == {("cairo", "8"): 2, ("leeds", MINE): 2}
    # What the first place tells in between goes with its answer, to the second one where that told it too.
    late = list(touches(1, MINE, first=20))
    leeds.add(*touches(1, MINE, first=20))
    await gateway.uplink("cairo").upload(5, cairo.add(*late))
    await gateway.uplink("leeds").upload(4, leeds.entries[4:])
    await _done(gateway, desk, cairo, entries=4)
    assert await _owners(gateway) == {("cairo", "8"): 2, ("leeds", MINE): 3}
    assert (await verified(gateway)).entries == 12
    places = await gateway.client.places(gateway.token)
    assert {one.id: one.punches for one in places} == {"cairo": 2, "leeds": 3}


async def test_whoever_is_erased_at_both_places_that_told_their_touches_is_gone_from_both(
    gateway: RunningGateway,
) -> None:
    desk, cairo, leeds = Desk(gateway), Chain("cairo"), Chain("leeds")
    held = [{"place": place, "pin": MINE, "from": "2026-01-01"} for place in ("cairo", "leeds")]
    body = {"number": ASKED["number"], "name": "Amina", "place": "cairo", "employed_from": "2026-01-01", "pins": held}
    await desk.ask("POST", "/v1/people", 201, json=body)
    cairo.add(*touches(3, MINE))
    leeds.add(*touches(5, MINE))
    await told(gateway, leeds, 2)
    await told(gateway, cairo, 3)
    one = await _begun(desk)
    assert await gateway.count(pin=MINE) == 0
    assert (await verified(gateway)).entries == 8
    for chain in (cairo, leeds):
        done = PersonErased(bytes.fromhex(one), bytes(32), len(chain.entries), "officer", "request", MOMENT)
        await gateway.uplink(chain.place).upload(len(chain.entries), chain.add(done))
        assert (await verified(gateway)).places == 2
        assert await gateway.count(pin=MINE) == 0
    await until(lambda: is_done(desk))


async def test_touches_told_while_their_person_is_erased_elsewhere_are_in_a_row_or_gone_with_them(
    gateway: RunningGateway,
) -> None:
    desk, cairo, leeds = Desk(gateway), Chain("cairo"), Chain("leeds")
    await hire(desk)
    cairo.add(*touches(40, MINE))
    leeds.add(*touches(40, MINE))
    await told(gateway, cairo, 40)
    await asyncio.gather(told(gateway, leeds, 1), _erased(gateway, desk, cairo, entries=40))
    assert await _owners(gateway) == {("leeds", MINE): 40}
    assert (await verified(gateway)).entries == 81


async def test_a_ledger_whose_touches_lie_in_the_archive_proves_and_takes_none_of_them_again(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        await two_months(desk)
        shown = await everything(desk)
        assert sum(one["rows"] for one in await create(desk)) == 21
        leeds = Chain("leeds")
        leeds.add(*old_touches())
        await told(desk.gateway, leeds, 20)
        assert await everything(desk) == shown
        assert (await verified(desk.gateway)).entries == len(shown) + 20
        with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
            connection.execute("DELETE FROM archived_punch WHERE sequence = 3")
        with pytest.raises(ReplicaAltered, match="demo/cairo: entry 3: the punch that people see"):
            await verified(desk.gateway)


@pytest.mark.parametrize(
    ("pins", "minutes"), [(10_000, 1), pytest.param(10_000, 1440, marks=[pytest.mark.drill, pytest.mark.timeout(3600)])]
)
async def test_nobody_erased_is_found_in_an_old_copy_by_counting_through_pins_and_minutes(
    gateway: RunningGateway, pins: int, minutes: int
) -> None:
    desk, cairo, leeds = Desk(gateway), Chain("cairo"), Chain("leeds")
    await hire(desk, pin="4711")
    cairo.add(*touches(3, "4711"), *touches(2, "8"))
    leeds.add(*touches(1, "8"))
    await told(gateway, cairo, 5)
    await told(gateway, leeds, 1)
    [shown] = [one for one in (await gateway.client.punches(gateway.token)).items if one.pin == "8"][:1]
    await desk.ask("POST", "/v1/people", 201, json=person("E8", "8"))
    [who] = [one["id"] for one in (await desk.ask("GET", "/v1/people"))["items"] if one["number"] == "E8"]
    asked = {"person": who, "reason": "twice", "operation": "void", "punch": shown.id}
    await desk.ask("POST", "/v1/regularisations", 201, json={"items": [asked]})
    identities = [event.punch.id for event in [*touches(3, "4711"), *touches(2, "8")]]
    assert not {"punch", "regularisation"} & set(rows_that_say(gateway, *[one.hex() for one in identities]))
    copy = _copied(gateway)
    await _erased(gateway, desk, cairo, entries=3)

    async def are_destroyed() -> bool:
        keys = open_tenant_keys(gateway.folder / "keys", [DEMO]).of(DEMO)
        return all(not keys.has(subject_at("cairo", one.subject.hex())) for one in copy if one.is_erased)

    await until(are_destroyed)
    keys = open_tenant_keys(gateway.folder / "keys", [DEMO]).of(DEMO)
    clocks = [
        clock_text((MOMENT - timedelta(minutes=minute) + timedelta(hours=2)).replace(tzinfo=None))
        for minute in range(3 * minutes)
    ]
    stored, wanted, found = {one.stored for one in copy}, set(identities), dict[bytes, str]()
    living = {one.subject for one in copy if keys.has(subject_at("cairo", one.subject.hex()))}
    for pin in map(str, range(pins)):
        guesses = [punch_id(DEMO, GATE, Pin(pin), clock, 0) for clock in clocks]
        wanted.difference_update(guesses)
        assert stored.isdisjoint(guesses)
        # Not even with the keys that there still are. Who is not erased is found with theirs: so are people found.
        for subject in living:
            known = punch_ids.keyed(keys, [punch_ids.Named("cairo", subject, one) for one in guesses])
            found |= dict.fromkeys(stored.intersection(known), pin)
    assert not wanted, "whoever counts through comes by the right one"
    assert {found.get(one.stored) for one in copy if not one.is_erased} == {"8"}
    assert {found.get(one.stored) for one in copy if one.is_erased} == {None}


@dataclass(frozen=True)
class _Row:
    """A punch in somebody's old copy of the tables."""

    stored: bytes
    subject: bytes
    is_erased: bool


def _copied(gateway: RunningGateway) -> list[_Row]:
    assert gateway.database is not None
    with psycopg.connect(gateway.database.server.dsn(SUPERUSER, gateway.database.name)) as connection:
        rows = connection.execute("SELECT punch_id, subject FROM punch").fetchall()
    punches_of = Counter(bytes(subject) for _, subject in rows)
    return [_Row(bytes(one), bytes(subject), punches_of[bytes(subject)] == 3) for one, subject in rows]


async def test_punches_of_an_older_version_hot_and_archived_are_named_at_the_first_start(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        await two_months(desk)
        await desk.ask("POST", "/v1/people", 201, json=person("E7", "7"))
        shown = await everything(desk)
        await create(desk)
        [who] = [one["id"] for one in (await desk.ask("GET", "/v1/people"))["items"]]
        void = {"person": who, "reason": "twice", "operation": "void"}
        voids = [{**void, "punch": one["id"]} for one in shown[:2]]
        await desk.ask("POST", "/v1/regularisations", 201, json={"items": voids})
        keys = desk.gateway.folder / "keys"
    before = _as_before(database, open_tenant_keys(keys, [DEMO]).of(DEMO))
    assert len(before) == 31
    async with archiving(database, tmp_path) as desk:
        assert await everything(desk) == shown
        asked = [one["punch"] for one in (await desk.ask("GET", "/v1/regularisations"))["items"]]
        assert asked == [GONE, shown[0]["id"]], "the newest first"
        assert rows_that_say(desk.gateway, *[one.hex() for one in before]) == []
        leeds = Chain("leeds")
        leeds.add(*old_touches())
        await told(desk.gateway, leeds, 20)
        assert await everything(desk) == shown
        assert (await verified(desk.gateway)).entries == 51


def _as_before(database: TestDatabase, keys: KeyStore) -> list[bytes]:
    """Put the identities of places where the names are; which ones."""
    found = []
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
        for table in ("punch", "archived_punch"):
            join = f"{table} p JOIN ledger_entry e USING (tenant_id, place_id, sequence)"
            query = f"SELECT p.punch_id, place_id, sequence, e.record FROM {join}"
            for name, place, sequence, record in connection.execute(query).fetchall():
                event = decode(ledger.opened_record(keys, place, sequence, bytes(record)))
                assert isinstance(event, PunchRecorded)
                found.append(event.punch.id)
                connection.execute(f"UPDATE {table} SET punch_id = %s WHERE punch_id = %s", (found[-1], name))
                change = "UPDATE regularisation SET target = %s WHERE target = %s"
                connection.execute(change, (found[-1].hex(), bytes(name).hex()))
        connection.execute("UPDATE regularisation SET target = %s WHERE number = 2", ("ab" * 32,))
        connection.execute("DELETE FROM terminal_place")
        connection.execute("UPDATE sealing SET has_punch_ids = false")
    return found


async def _owners(gateway: RunningGateway) -> Counter[tuple[str, str]]:
    return Counter((one.place, one.pin) for one in (await gateway.client.punches(gateway.token)).items)


async def _erased(gateway: RunningGateway, desk: Desk, chain: Chain, entries: int) -> None:
    await _begun(desk)
    await _done(gateway, desk, chain, entries)


async def _begun(desk: Desk) -> str:
    """Ask for an erasure, and its id once it began."""
    await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)

    async def is_begun() -> bool:
        [one] = await desk.ask("GET", "/v1/privacy/erasures")
        return bool(one["begun_at"])

    await until(is_begun)
    [one] = await desk.ask("GET", "/v1/privacy/erasures")
    return str(one["erasure"])


async def _done(gateway: RunningGateway, desk: Desk, chain: Chain, entries: int) -> None:
    """The place says that it erased the person."""
    [one] = await desk.ask("GET", "/v1/privacy/erasures")
    after = len(chain.entries)
    done = PersonErased(bytes.fromhex(one["erasure"]), bytes(32), entries, "officer", "request", MOMENT)
    await gateway.uplink(chain.place).upload(after, chain.add(done))
    await until(lambda: is_done(desk))


def _go() -> None:
    """Nothing stops it."""
