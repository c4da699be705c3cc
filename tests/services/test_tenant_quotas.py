"""What a tenant may take up: refused with what the limit is and who to ask, and never at the cost of what is held."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from biometric_flow.api.clients import GatewayProblem
from biometric_flow.api.place import LedgerEntry
from biometric_flow.runtime.places import PlacesFile
from tests.services.gateways import Chain, RunningGateway, TestDatabase, places_file, running_gateway, touches
from tests.services.hours import Desk
from tests.services.test_gateway_reads import report, terminal

QUOTA = {"places": 2, "terminals": 3, "entries": 15, "contact": "ops@example.com"}


async def test_of_two_at_once_one_passes_the_last_place_in_a_quota(database: TestDatabase, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, database, quota=QUOTA) as gateway:
        desk = Desk(gateway)
        await _terminals(gateway, desk)
        await _entries(gateway)
        metrics = (await desk.raw("GET", "/metrics")).text
        for line in ('used{of="terminals"} 3', 'limit{of="terminals"} 3', 'used{of="entries"} 10'):
            assert f"biometric_flow_gateway_quota_{line}.0" in metrics


async def _terminals(gateway: RunningGateway, desk: Desk) -> None:
    """Two of three are there; each place names another one at the same moment."""
    places = ("cairo", "leeds")
    for place in places:
        await gateway.uplink(place).report(report(terminal("gate")))
    named = report(terminal("gate"), terminal("door"), head=7)

    ends = await asyncio.gather(*(gateway.uplink(one).report(named) for one in places), return_exceptions=True)

    [refused] = [one for one in ends if one is not None]
    assert isinstance(refused, GatewayProblem)
    assert (refused.status, refused.code) == (403, "quota.reached")
    said = "expected at most 3 terminals of this tenant; 3 are in use and 1 more came. Ask ops@example.com for more"
    assert refused.detail == said
    known = await desk.ask("GET", "/v1/terminals")
    assert sorted(one["key"] for one in known) == ["door", "gate", "gate"]
    heads = {one["id"]: one["head"] for one in await desk.ask("GET", "/v1/places")}
    assert heads == dict.fromkeys(places, 7), "the rest of a report is kept"
    await gateway.uplink("tokyo").report(report(*(terminal(f"gate{number}") for number in range(9))))


async def _entries(gateway: RunningGateway) -> None:
    """Fifteen entries fit; each of two places sends ten at the same moment."""
    chains = {place: Chain(place) for place in ("cairo", "leeds")}
    for chain in chains.values():
        chain.add(*touches(10))

    async def sent(place: str, entries: list[LedgerEntry]) -> int | GatewayProblem:
        try:
            return await gateway.uplink(place).upload(0, entries)
        except GatewayProblem as problem:
            return problem

    ends = dict(zip(chains, await asyncio.gather(*(sent(one, chains[one].entries) for one in chains)), strict=True))
    [lucky] = [place for place, end in ends.items() if end == 10]
    [(late, refused)] = [(place, end) for place, end in ends.items() if end != 10]
    assert isinstance(refused, GatewayProblem)
    assert (refused.status, refused.code) == (403, "quota.reached")
    assert await gateway.uplink(late).position() == 0, "the place keeps what was refused"
    assert await sent(lucky, chains[lucky].entries) == 10, "what is held already is no more"


def test_more_places_than_a_tenant_may_have_are_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match=r"at most 1 places of tenant demo, got 2; ask ops@example.com for more"):
        PlacesFile.model_validate(places_file(quota={**QUOTA, "places": 1}).model_dump(mode="json"))
