"""One touch is one punch, whichever places tell it, at whatever time, under whatever keys."""

import asyncio
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


async def _erased(gateway: RunningGateway, desk: Desk, chain: Chain, entries: int) -> None:
    await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)

    async def is_begun() -> bool:
        [one] = await desk.ask("GET", "/v1/privacy/erasures")
        return bool(one["begun_at"])

    await until(is_begun)
    [one] = await desk.ask("GET", "/v1/privacy/erasures")
    after = len(chain.entries)
    done = PersonErased(bytes.fromhex(one["erasure"]), bytes(32), entries, "officer", "request", MOMENT)
    await gateway.uplink(chain.place).upload(after, chain.add(done))
    await until(lambda: is_done(desk))


def _go() -> None:
    """Nothing stops it."""
