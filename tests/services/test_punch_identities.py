"""One touch is one punch, whichever places tell it, at whatever time, under whatever keys."""

import asyncio
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.replicas import ReplicaAltered
from biometric_flow.gateway.resealing import replace
from biometric_flow.ledger.decisions import PersonErased
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.postgres import SUPERUSER
from tests.builders import MOMENT
from tests.services.gateways import Chain, RunningGateway, TestDatabase, touches
from tests.services.hours import Desk
from tests.services.places import until
from tests.services.test_archive import archiving, create, everything, old_touches, two_months
from tests.services.test_gateway_erasure import ASKED, PIN, hire, is_done, verified

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
