"""What people's programs read: pages, counts, directory, overview."""

from datetime import UTC, datetime, timedelta

import pytest

from biometric_flow.api.clients import GatewayProblem
from biometric_flow.api.gateway import PlaceReport
from biometric_flow.api.place import Counters, TerminalView
from biometric_flow.ledger.events import PunchRecorded
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.model.terminal import TerminalState
from tests.builders import GATE, MOMENT, person, punch
from tests.services.gateways import Chain, RunningGateway, touches
from tests.services.places import until


def report(*terminals: TerminalView, head: int = 0) -> PlaceReport:
    return PlaceReport(sent_at=datetime.now(UTC), head=head, version="1", terminals=list(terminals))


def terminal(key: str = "gate", state: TerminalState = TerminalState.ONLINE, **more: object) -> TerminalView:
    plain = {
        "name": "Main gate",
        "host": "10.0.0.9",
        "port": 4370,
        "is_enabled": True,
        "state_since": MOMENT,
        "serial": GATE,
        "last_contact": MOMENT,
        "has_comm_key": True,
    }
    return TerminalView.model_validate({"key": key, "state": state, **plain, **more})


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_are_complete_and_stable_while_punches_arrive(gateway: RunningGateway, order: str) -> None:
    chain, uplink = Chain(), gateway.uplink()
    # Pairs at the same instant: the position decides between them.
    chain.add(*touches(30, pin="7"), *touches(30, pin="8"))
    await uplink.upload(0, chain.entries)
    expected = {entry.id for entry in (await gateway.client.punches(gateway.token, limit=1000)).items}
    seen: list[str] = []
    cursor = None
    arriving = iter(touches(60, pin="9", first=-30))
    while True:
        page = await gateway.client.punches(gateway.token, limit=7, order=order, cursor=cursor)
        seen += [item.id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        await uplink.upload(len(chain.entries), chain.add(next(arriving), next(arriving)))
    assert len(seen) == len(set(seen))
    assert expected <= set(seen)


async def test_counts_follow_the_filters(gateway: RunningGateway) -> None:
    cairo, leeds = Chain("cairo"), Chain("leeds")
    north = TerminalSerial("CAI0002")
    cairo.add(*touches(4, pin="7"), *touches(3, pin="8", terminal=north))
    leeds.add(*touches(2, pin="7", terminal=TerminalSerial("LEE0001"), offset=timedelta(0)))
    await gateway.uplink("cairo").upload(0, cairo.entries)
    await gateway.uplink("leeds").upload(0, leeds.entries)
    assert (await gateway.client.punch_count(gateway.token)).places == {"cairo": 7, "leeds": 2}
    assert await gateway.count(place="cairo") == 7
    assert await gateway.count(terminal=north) == 3
    assert await gateway.count(pin="7") == 6
    assert await gateway.count(pin="7", place="leeds") == 2
    # `from` is included and `to` is not, so that days and hours add up.
    assert await gateway.count(from_=MOMENT.isoformat()) == 3
    assert await gateway.count(to=MOMENT.isoformat()) == 6
    # 08:00 UTC is 10:00 on Cairo's wall and 08:00 on that of Leeds.
    assert await gateway.count(local_from="2026-11-22T10:00:00") == 2
    assert await gateway.count(local_from="2026-11-22T08:00:00", local_to="2026-11-22T08:00:01") == 1
    assert await gateway.count(place="nowhere") == 0


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 1001},
        {"limit": 0},
        {"place": "No Slug"},
        {"from": "2026-11-22T08:00:00"},
        {"local_from": "2026-11-22T08:00:00Z"},
        {"unheard_of": 1},
        {"pin": "x" * 25},
        {"pin": "a\0b"},
        {"order": "random"},
    ],
)
async def test_a_wrong_query_is_named_and_refused(gateway: RunningGateway, query: dict[str, object]) -> None:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    answer = await gateway.http.get("/v1/punches", params=query, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert answer.json()["errors"][0]["field"].endswith(next(iter(query)))
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_cursor_that_no_page_gave_out_is_refused(gateway: RunningGateway) -> None:
    for cursor in ("x", "!!", "WzFd", "WyIyMDI2LTExLTIyIiwxXQ", "W1tbW1tbW1tb", "é"):
        with pytest.raises(GatewayProblem) as caught:
            await gateway.client.punches(gateway.token, cursor=cursor)
        assert caught.value.code == "cursor.invalid"
    with pytest.raises(GatewayProblem):
        await gateway.client.pins(gateway.token, cursor="WzFd")


async def test_people_are_found_by_name_and_pin_and_paged(gateway: RunningGateway) -> None:
    chain = Chain()
    chain.add(*(person(str(pin), f"Person {pin}%") for pin in range(1, 26)), *touches(1, pin="99"))
    await gateway.uplink().upload(0, chain.entries)
    client = gateway.client
    everyone = []
    cursor = None
    while True:
        page = await client.pins(gateway.token, limit=10, cursor=cursor)
        everyone += [who.pin for who in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(everyone) == sorted([*map(str, range(1, 26)), "99"])
    assert len(everyone) == 26
    assert [who.pin for who in (await client.pins(gateway.token, q="person 25%")).items] == ["25"]
    assert (await client.pins(gateway.token, q="_")).items == []
    assert [who.name for who in (await client.pins(gateway.token, q="99")).items] == [""]
    assert (await client.pins(gateway.token, place="leeds")).items == []


async def test_terminals_are_shown_as_their_place_reported_them(gateway: RunningGateway) -> None:
    uplink = gateway.uplink()
    await uplink.report(report(terminal("gate"), terminal("back", TerminalState.OFFLINE, serial="CAI0002")))
    shown = await gateway.client.terminals(gateway.token)
    assert [(one.key, one.state, one.place, one.is_stale) for one in shown] == [
        ("back", "offline", "cairo", False),
        ("gate", "online", "cairo", False),
    ]
    assert [one.key for one in await gateway.client.terminals(gateway.token, state="offline")] == ["back"]
    assert await gateway.client.terminals(gateway.token, place="leeds") == []
    await uplink.report(report(terminal("gate")))
    assert [one.key for one in await gateway.client.terminals(gateway.token)] == ["gate"]
    [cairo] = [place for place in await gateway.client.places(gateway.token) if place.id == "cairo"]
    assert (cairo.is_reporting, cairo.terminals_online, cairo.terminals_total) == (True, 1, 1)


async def test_the_overview_counts_each_place_by_its_own_clock_and_names_who_is_silent(
    gateway: RunningGateway,
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    cairo = Chain("cairo")
    weeks = [now - timedelta(days=days) for days in (7, 14, 21)]
    cairo.add(
        PunchRecorded(punch("7", now - timedelta(seconds=5))),
        PunchRecorded(punch("8", now - timedelta(seconds=4))),
        PunchRecorded(punch("8", now - timedelta(seconds=3), state=1)),
        *(PunchRecorded(punch("7", week - timedelta(seconds=1))) for week in weeks),
        PunchRecorded(punch("8", weeks[0] - timedelta(seconds=1))),
    )
    await gateway.uplink("cairo").upload(0, cairo.entries)
    await gateway.uplink("cairo").report(
        report(terminal("gate", TerminalState.OFFLINE, counters=Counters(quarantined=2)), head=7)
    )
    overview = await gateway.client.overview(gateway.token)
    kpis = overview.kpis
    assert (kpis.present, kpis.seen_today, kpis.people, kpis.punches_today) == (1, 2, 2, 3)
    assert (kpis.terminals_online, kpis.terminals_total) == (0, 1)
    assert kpis.usual_seen == 1
    assert kpis.seen_trend[-1] == 2
    assert kpis.seen_trend[-8] == 2
    assert [place.id for place in kpis.missing] == ["leeds"]
    kinds = [(one.kind, one.place) for one in overview.attention]
    assert kinds == [("place_silent", "leeds"), ("terminal_offline", "cairo"), ("quarantine", "cairo")]
    assert sum(quarter.today for quarter in overview.arrivals) == 2
    [place] = [place for place in overview.places if place.id == "cairo"]
    assert (place.present, place.trend[-1]) == (1, 2)


async def test_problems_and_documents_describe_themselves(gateway: RunningGateway) -> None:
    answer = await gateway.http.get("/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "request.not_found")
    answer = await gateway.http.delete("/health")
    assert (answer.status_code, answer.json()["code"]) == (405, "request.method_not_allowed")
    document = (await gateway.http.get("/openapi.json")).json()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, described in operation["responses"].items():
                assert status.startswith("2") or "application/problem+json" in described["content"], operation
    await until(gateway.is_well)
