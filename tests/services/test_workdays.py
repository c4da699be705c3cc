"""Workdays as the gateway keeps them: seconds after the punch, by key, explained, and the same however they came."""

from datetime import timedelta
from typing import Any

from tests.services.gateways import Chain, RunningGateway
from tests.services.hours import MONDAY, PACK, WEEK, Desk, touch, worked_week
from tests.services.places import until


async def test_a_punch_is_in_its_workday_within_seconds_and_explained(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(touch("7", MONDAY, "09:12"), touch("7", MONDAY, "17:30"))

    async def is_there() -> bool:
        day = await desk.day(who, MONDAY)
        return day is not None and day["worked"] == 498

    await until(is_there, 20)
    day = await desk.day(who, MONDAY)
    assert day is not None
    assert (day["status"], day["late"], day["scheduled"], day["pack"]) == ("present", 12, 480, "house v1")
    told = await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain")
    assert told["headline"].startswith("Monday 2026-11-02: 8:18 worked")
    assert any("0:12 late" in line and "house v1" in line for line in told["because"])


async def test_a_feed_that_ends_with_a_gap_is_read_to_its_end(gateway: RunningGateway) -> None:
    desk, twin = Desk(gateway), Desk(gateway, Chain("leeds"))
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    # The same touches again from another place: they are numbered, and not stored.
    await twin.punches(*worked_week("7"))
    await desk.settled()
    assert sum(day["worked"] for day in await desk.days(person=who)) == 5 * 480


async def test_a_late_punch_moves_overtime_of_the_whole_week_and_stores_each_day_once(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    await desk.settled()
    friday = await desk.day(who, MONDAY + timedelta(days=4))
    assert friday is not None
    assert friday["pay"] == {"regular": 480}
    # Monday's evening is read later: 60 minutes more on Monday push 60 of Friday over the 40 hours.
    await desk.punches(touch("7", MONDAY, "19:00"), touch("7", MONDAY, "20:00"))
    await desk.settled()
    days = await desk.days(person=who, **{"from": str(MONDAY), "to": str(MONDAY + timedelta(days=4))})
    assert len(days) == 5
    assert days[0]["worked"] == 540
    assert days[4]["pay"] == {"regular": 420, "ot": 60}


async def test_punches_of_an_unknown_pin_become_workdays_once_it_is_mapped(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    await desk.punches(*worked_week("99"))
    await desk.settled()
    unknown = await desk.ask("GET", "/v1/pins", params={"unheld": "true"})
    assert [one["pin"] for one in unknown["items"]] == ["99"]
    who = await desk.hire(pin=None)
    await desk.settled()
    first = await desk.day(who, MONDAY)
    assert first is not None
    assert first["status"] == "absent"
    found = await desk.raw("GET", f"/v1/people/{who}")
    body = {name: value for name, value in found.json().items() if name not in ("id", "version")}
    body["pins"] = [{"place": "cairo", "pin": "99", "from": "2026-11-01", "to": "2026-11-03"}]
    await desk.ask("PUT", f"/v1/people/{who}", headers={"If-Match": found.headers["etag"]}, json=body)
    await desk.settled()
    assert (await desk.ask("GET", "/v1/pins", params={"unheld": "true"}))["items"] == []
    days = await desk.days(person=who, **{"from": str(MONDAY), "to": str(MONDAY + timedelta(days=4))})
    # The PIN is theirs for two days of the week only.
    assert [day["worked"] for day in days] == [480, 480, 0, 0, 0]


async def test_a_pin_means_another_person_at_another_time_and_terminal(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    old = await desk.hire("E1", pins=[{"place": "cairo", "pin": "7", "from": "2026-11-01", "to": "2026-11-03"}])
    new = await desk.hire("E2", pins=[{"place": "cairo", "pin": "7", "from": "2026-11-04"}])
    taken = await desk.raw("POST", "/v1/people", json=_holder("E3", "2026-11-05"))
    assert (taken.status_code, taken.json()["code"]) == (422, "person.invalid")
    assert taken.json()["errors"] == [{"field": "0.pins.0.pin", "expected": "a PIN that nobody holds in these days"}]
    await desk.punches(*worked_week("7"))
    await desk.settled()
    worked = {who: sum(day["worked"] for day in await desk.days(person=who)) for who in (old, new)}
    assert worked == {old: 960, new: 1440}


async def test_changing_a_shift_a_schedule_a_calendar_or_a_pack_recomputes_those_it_touches(
    gateway: RunningGateway,
) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    await desk.settled()

    async def monday() -> dict[str, Any]:
        await desk.settled()
        day = await desk.day(who, MONDAY)
        assert day is not None
        return day

    shift = await desk.raw("GET", "/v1/shifts/day")
    tag = {"If-Match": shift.headers["etag"]}
    await desk.ask("PUT", "/v1/shifts/day", headers=tag, json={"start": "08:30", "end": "17:00"})
    assert (await monday())["late"] == 30
    await desk.ask("PUT", "/v1/schedules/week", headers={"If-Match": '"1"'}, json={**WEEK, "weekly": {"2": ["day"]}})
    assert (await monday())["status"] == "rest_worked"
    stricter = {**PACK, "version": 2, "valid_from": "2026-11-02", "policy": {"overtime": {}, "grace_in_min": 60}}
    await desk.ask("POST", "/v1/policies", 201, json={**stricter, "sources": {"grace_in_min": "house"}})
    assert (await monday())["pack"] == "house v2"
    await desk.ask("PUT", "/v1/calendars/eg", json={"holidays": [{"date": str(MONDAY), "name": "A feast"}]})
    found = await desk.raw("GET", f"/v1/people/{who}")
    body = {name: value for name, value in found.json().items() if name not in ("id", "version")}
    body["assignments"][0]["calendar"] = "eg"
    await desk.ask("PUT", f"/v1/people/{who}", headers={"If-Match": found.headers["etag"]}, json=body)
    assert (await monday())["status"] == "holiday_worked"
    refused = await desk.raw("DELETE", "/v1/shifts/day", headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "plan.in_use")


def _holder(number: str, first: str) -> dict[str, Any]:
    return {
        "number": number,
        "name": "Somebody",
        "place": "cairo",
        "employed_from": "2026-11-01",
        "pins": [{"place": "cairo", "pin": "7", "from": first}],
    }
