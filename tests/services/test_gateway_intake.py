"""What the gateway takes from places: once, in order, unaltered, or not at all."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from biometric_flow.api.clients import GatewayProblem
from biometric_flow.gateway.store import ledger, schema
from biometric_flow.ledger.chain import EMPTY
from biometric_flow.ledger.events import GenerationStarted, PunchRecorded
from biometric_flow.model.ids import PlaceId, PunchId, TenantId, TerminalSerial
from biometric_flow.runtime.database import Database
from tests.builders import GATE, MOMENT, person, punch
from tests.services.gateways import Chain, RunningGateway, touches, with_keys


async def refusal(attempt: object) -> GatewayProblem:
    with pytest.raises(GatewayProblem) as caught:
        await attempt  # type: ignore[misc]
    return caught.value


async def test_uploaded_entries_become_punches_and_people(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    chain.add(GenerationStarted(GATE, 1, "6.60", "ZMM220", 3, MOMENT), person("7", "Amina"), *touches(3))
    assert await uplink.position() == 0
    assert await uplink.upload(0, chain.entries) == 5
    assert await uplink.position() == 5
    page = await gateway.client.punches(gateway.token, order="oldest")
    assert [item.instant for item in page.items] == [MOMENT - timedelta(minutes=ago) for ago in (2, 1, 0)]
    assert {(item.name, item.place, item.zone, item.terminal) for item in page.items} == {
        ("Amina", "cairo", "Africa/Cairo", GATE)
    }
    assert page.items[0].local_time == (MOMENT + timedelta(hours=2, minutes=-2)).replace(tzinfo=None)
    [who] = (await gateway.client.pins(gateway.token)).items
    assert (who.pin, who.name, who.terminals, who.last_punch) == ("7", "Amina", [GATE], MOMENT)


async def test_a_replayed_upload_is_stored_once(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    chain.add(*touches(10))
    assert await uplink.upload(0, chain.entries) == 10
    assert await uplink.upload(0, chain.entries) == 10
    chain.add(*touches(5, first=10))
    assert await uplink.upload(4, chain.entries[4:]) == 15
    assert await uplink.upload(2, chain.entries[2:5]) == 15
    assert await gateway.count() == 15


async def test_uploads_at_the_same_time_store_each_entry_once(gateway: RunningGateway) -> None:
    chain = Chain()
    chain.add(*touches(200))
    uplinks = [gateway.uplink() for _ in range(6)]
    assert await asyncio.gather(*(uplink.upload(0, chain.entries) for uplink in uplinks)) == [200] * 6
    assert await gateway.count() == 200


async def test_a_gap_is_refused_and_nothing_of_it_stored(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    chain.add(*touches(6))
    await uplink.upload(0, chain.entries[:2])
    assert (await refusal(uplink.upload(3, chain.entries[3:]))).code == "ledger.out_of_order"
    assert (await refusal(uplink.upload(2, chain.entries[3:]))).code == "ledger.chain_broken"
    assert await uplink.position() == 2
    assert await gateway.count() == 2


async def test_a_fork_is_refused_and_nothing_of_it_stored(gateway: RunningGateway) -> None:
    chain, other, uplink = Chain(), Chain(), gateway.uplink()
    chain.add(*touches(3))
    other.add(*touches(5, pin="8"))
    await uplink.upload(0, chain.entries)
    assert (await refusal(uplink.upload(0, other.entries))).code == "ledger.out_of_order"
    assert (await refusal(uplink.upload(3, other.entries[3:]))).code == "ledger.chain_broken"
    assert await gateway.count() == 3


async def test_one_altered_record_refuses_the_whole_upload(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    chain.add(*touches(5))
    altered = list(chain.entries)
    record = bytearray(altered[3].record)
    record[-1] ^= 1
    altered[3] = altered[3].model_copy(update={"record": bytes(record)})
    problem = await refusal(uplink.upload(0, altered))
    assert (problem.status, problem.code) == (409, "ledger.chain_broken")
    assert "entry 4" in problem.detail
    assert await uplink.position() == 0
    assert await gateway.count() == 0


async def test_an_identity_that_does_not_follow_from_the_contents_is_refused(gateway: RunningGateway) -> None:
    honest = punch("7")
    for lie in (
        replace(honest, id=PunchId(bytes(32))),
        punch("7", tenant="other"),  # type: ignore[arg-type]
        replace(honest, terminal=TerminalSerial("CAI0002")),
    ):
        chain = Chain()
        chain.add(PunchRecorded(lie))
        assert (await refusal(gateway.uplink().upload(0, chain.entries))).code == "ledger.chain_broken"
    assert await gateway.count() == 0


async def test_a_place_reaches_only_its_own_ledger(gateway: RunningGateway) -> None:
    chain = Chain("leeds")
    chain.add(*touches(1))
    foreign = Chain("leeds")
    foreign.add(*touches(1))
    with_cairo = gateway.uplink("leeds", "cairo-secret-".ljust(43, "x"))
    assert (await refusal(with_cairo.upload(0, chain.entries))).status == 404
    assert (await refusal(with_cairo.position())).status == 404
    assert (await refusal(gateway.uplink("cairo").upload(0, foreign.entries))).code == "ledger.chain_broken"
    assert (await refusal(gateway.uplink("cairo", "x" * 43).position())).status == 401
    answer = await gateway.http.get("/v1/places/cairo/position", headers={"Authorization": f"Bearer {gateway.token}"})
    assert answer.status_code == 403
    assert await gateway.count() == 0


async def test_the_same_touch_through_two_places_counts_once(gateway: RunningGateway) -> None:
    cairo, leeds = Chain("cairo"), Chain("leeds")
    cairo.add(*touches(3))
    leeds.add(*touches(5))
    await gateway.uplink("cairo").upload(0, cairo.entries)
    assert await gateway.uplink("leeds").upload(0, leeds.entries) == 5
    assert await gateway.count() == 5


async def test_the_replica_is_the_ledger_byte_for_byte(gateway: RunningGateway) -> None:
    chain = Chain()
    chain.add(person("7"), *touches(4))
    await gateway.uplink().upload(0, chain.entries)
    assert gateway.database is not None
    with psycopg.connect(gateway.database.dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', true)")
        leaves = connection.execute("SELECT leaf FROM ledger_entry ORDER BY sequence").fetchall()
        head = connection.execute("SELECT position, head_hash FROM place WHERE place_id = 'cairo'").fetchone()
    assert leaves == [(entry.leaf,) for entry in chain.entries]
    database = with_keys(Database(gateway.database.dsn, schema.APPLICATION), gateway.folder)
    database.is_ready = True
    async with database.tenant(TenantId("demo")) as connection_of_tenant:
        held = await ledger.entries(connection_of_tenant, PlaceId("cairo"), 0, 100)
    await database.close()
    assert [(one.record, one.opening) for one in held] == [(one.record, one.opening) for one in chain.entries]
    assert head == (chain.head.sequence, chain.head.hash)
    assert chain.head != EMPTY
