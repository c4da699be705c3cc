"""People, plans and punches for tests of workdays, through the gateway's own HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from biometric_flow.ledger.events import PunchRecorded
from tests.builders import punch
from tests.services.gateways import Chain, RunningGateway
from tests.services.places import until

CAIRO = ZoneInfo("Africa/Cairo")
MONDAY = date(2026, 11, 2)
"""A Monday long enough ago that its week is over; Cairo is two hours ahead of UTC by then."""

OFFICE = {"start": "09:00", "end": "17:00", "unpaid_break_min": 0}
WEEK = {"mode": "assigned", "weekly": {str(day): ["day"] for day in range(1, 6)}}
PACK = {
    "schema": 1,
    "id": "house",
    "name": "House rules",
    "version": 1,
    "valid_from": "2020-01-01",
    "policy": {
        "tiers": {"ot": 1.5},
        "grace_in_min": 5,
        "overtime": {"weekly": [{"after": 2400, "tier": "ot"}]},
    },
    "sources": {"grace_in_min": "house", "tiers": "house", "overtime": "house"},
}


def at(day: date, clock: str, zone: ZoneInfo = CAIRO) -> datetime:
    """The instant of a wall time in Cairo."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone).astimezone(UTC)


def touch(pin: str, day: date, clock: str, state: int = 255, **more: Any) -> PunchRecorded:
    return PunchRecorded(punch(pin, at(day, clock), state, **more))


def person(number: str, pin: str | None = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"number": number, "name": f"Person {number}", "place": "cairo"}
    body |= {"employed_from": "2026-11-01"}
    if pin is not None:
        body["pins"] = [{"place": "cairo", "pin": pin, "from": "2026-01-01"}]
    return body | more


@dataclass
class Desk:
    """What a clerk does at the gateway."""

    gateway: RunningGateway
    chain: Chain = field(default_factory=Chain)
    token: str = ""
    patience: float = 120
    """Seconds until all that is due has to be computed."""

    async def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = await self.raw(method, path, **more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def raw(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
        signed = {"Authorization": f"Bearer {self.token or self.gateway.token}"}
        return await self.gateway.http.request(method, path, headers=signed | (headers or {}), **more)

    async def plan(self, pack: dict[str, Any] = PACK) -> None:
        """The shift `day`, the schedule `week` and the pack."""
        await self.ask("PUT", "/v1/shifts/day", json=OFFICE)
        await self.ask("PUT", "/v1/schedules/week", json=WEEK)
        await self.ask("POST", "/v1/policies", 201, json=pack)

    async def hire(self, number: str = "E1", pin: str | None = "7", **more: Any) -> str:
        """Somebody who works by that plan."""
        plan = [{"from": "2026-11-01", "schedule": "week", "policy": "house"}]
        made = await self.ask("POST", "/v1/people", 201, json=person(number, pin, assignments=plan, **more))
        return str(made["id"])

    async def punches(self, *events: PunchRecorded) -> None:
        before = len(self.chain.entries)
        uplink = self.gateway.uplink(self.chain.place)
        new = self.chain.add(*events)
        for start in range(0, len(new), 1000):
            await uplink.upload(before + start, new[start : start + 1000])
        await uplink.close()

    async def settled(self) -> None:
        """Every punch that has arrived is in the workdays."""

        async def nothing_is_due() -> bool:
            said = await self.ask("GET", "/v1/workdays/progress")
            return said["people_due"] == 0 and said["feed_position"] == said["feed_end"]

        await until(nothing_is_due, self.patience)

    async def days(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            asked = {**query, "limit": 500} | ({"cursor": cursor} if cursor else {})
            page = await self.ask("GET", "/v1/workdays", params=asked)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def day(self, person_id: str, day: date) -> dict[str, Any] | None:
        found = await self.days(person=person_id, **{"from": str(day), "to": str(day)})
        return found[0] if found else None


def worked_week(pin: str, first: date = MONDAY, days: int = 5, times: Sequence[str] = ("09:00", "17:00")) -> list[Any]:
    """Punches on some days in a row."""
    return [touch(pin, first + timedelta(days=number), clock) for number in range(days) for clock in times]
