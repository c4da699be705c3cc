"""Who comes back to a stream of states misses no change and hears none twice, also when the gateway was restarted."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

from websockets.asyncio.client import connect

from biometric_flow.api.clients import StreamEvent
from tests.services.gateways import Chain, RunningGateway, TestDatabase, running_gateway, touches
from tests.services.test_event_sockets import address, bearer, heard

TOPICS = "punches,workdays,alerts"


async def listened(gateway: RunningGateway, last: str | None, until: str, topics: str = TOPICS) -> list[StreamEvent]:
    """What one connection hears, up to the first event of a kind."""
    events: list[StreamEvent] = []
    async with asyncio.timeout(60), aclosing(gateway.client.stream(gateway.token, last, topics)) as stream:
        async for event in stream:
            events.append(event)
            if event.event == until:
                break
    return events


def versions(events: list[StreamEvent], topic: str) -> list[int]:
    return [json.loads(event.data)["version"] for event in events if event.event == topic]


async def change(gateway: RunningGateway, name: str) -> None:
    """Something that workdays depend on."""
    made = await gateway.http.put(f"/v1/departments/{name}", json={"name": name.title()}, headers=bearer(gateway.token))
    assert made.is_success, made.text


async def test_changes_are_heard_once_by_who_comes_back_also_after_a_restart(
    database: TestDatabase, tmp_path: Path
) -> None:
    chain = Chain()
    async with running_gateway(tmp_path, database) as gateway:
        told = await listened(gateway, None, "alerts")
        assert [event.event for event in told] == ["workdays", "alerts"]
        await change(gateway, "north")
        told += await listened(gateway, told[-1].id, "workdays")
        await gateway.uplink().upload(0, chain.add(*touches(1)))
        told += await listened(gateway, told[-1].id, "punch")
    async with running_gateway(tmp_path, database) as gateway:
        await gateway.uplink().upload(1, chain.add(*touches(1, first=1)))
        told += await listened(gateway, told[-1].id, "punch")
        await change(gateway, "south")
        [newest] = versions(await listened(gateway, None, "workdays"), "workdays")
        told += await listened(gateway, told[-1].id, "workdays")
    for topic in ("workdays", "alerts"):
        heard_of = versions(told, topic)
        assert heard_of == sorted(set(heard_of)), topic
    assert versions(told, "workdays")[-1] >= newest
    assert [json.loads(event.data)["position"] for event in told if event.event == "punch"] == [1, 2]


async def test_an_id_of_another_database_begins_afresh(gateway: RunningGateway) -> None:
    [workdays, alerts, reset] = await listened(gateway, "0.alerts0.workdays999999", "reset")
    assert (workdays.event, alerts.event) == ("workdays", "alerts")
    assert reset.id == alerts.id
    chain = Chain()
    await gateway.uplink().upload(0, chain.add(*touches(1)))
    again = await listened(gateway, reset.id, "punch")
    assert "reset" not in {event.event for event in again}
    assert versions(again, "alerts") == []


async def test_a_socket_goes_on_with_versions_too(gateway: RunningGateway) -> None:
    query = "?topics=punches,alerts"
    async with connect(address(gateway, query), additional_headers=bearer(gateway.token)) as listener:
        first = await heard(listener, "alerts")
    chain = Chain()
    await gateway.uplink().upload(0, chain.add(*touches(1)))
    query += f"&last_event_id={first['id']}"
    async with connect(address(gateway, query), additional_headers=bearer(gateway.token)) as listener:
        said = json.loads(await asyncio.wait_for(listener.recv(), 60))
    assert said["event"] == "punch"
    assert said["id"] == f"1.alerts{first['data']['version']}"
