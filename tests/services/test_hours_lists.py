"""The lists of people's hours behave alike: pages, cursors, filters, versions, and problems that say what is wrong."""

from datetime import timedelta
from typing import Any

from tests.services.gateways import RunningGateway
from tests.services.hours import MONDAY, OFFICE, PACK, Desk, touch

LISTS = (
    "/v1/workdays", "/v1/schedules", "/v1/shifts", "/v1/policies", "/v1/calendars", "/v1/leave", "/v1/irregularities",
    "/v1/regularisations", "/v1/periods",
)  # fmt: skip


async def filled(desk: Desk) -> str:
    """Two of everything."""
    await desk.plan()
    who = await desk.hire()
    await desk.ask("PUT", "/v1/shifts/late", json={**OFFICE, "start": "14:00", "end": "22:00"})
    await desk.ask("PUT", "/v1/schedules/free", json={"mode": "none"})
    pack = (await desk.ask("GET", "/v1/policies/house"))["body"]
    await desk.ask("POST", "/v1/policies", 201, json={**pack, "version": 2})
    asked: dict[str, list[dict[str, Any]]] = {"leave": [], "regularisations": []}
    for number in range(2):
        day = str(MONDAY + timedelta(days=number))
        later = [str(MONDAY + timedelta(days=7 * number + far)) for far in (0, 6)]
        holidays = {"holidays": [{"date": day, "name": "A feast"}]}
        await desk.ask("PUT", f"/v1/calendars/c{number}", json=holidays)
        await desk.ask("PUT", f"/v1/periods/p{number}", json={"from": later[0], "to": later[1]})
        asked["leave"].append({"person": who, "from": day, "to": day, "reason": "family"})
        at = f"{day}T17:00:00+02:00"
        asked["regularisations"].append({"person": who, "operation": "add", "at": at, "reason": "forgot"})
    for name, items in asked.items():
        await desk.ask("POST", f"/v1/{name}", 201, json={"items": items})
    await desk.punches(*(touch("7", MONDAY + timedelta(days=number), "09:00") for number in range(2)))
    await desk.settled()
    return who


async def test_every_list_pages_by_cursor_has_a_version_and_names_what_is_wrong_with_a_question(
    gateway: RunningGateway,
) -> None:
    desk = Desk(gateway)
    who = await filled(desk)
    for path in LISTS:
        whole = (await desk.ask("GET", path, params={"limit": 200}))["items"]
        assert len(whole) >= 2, path
        seen: list[Any] = []
        cursor = None
        while len(seen) <= len(whole):
            page = await desk.ask("GET", path, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
            seen += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == whole, path
        page = await desk.raw("GET", path)
        known = {"If-None-Match": page.headers["etag"]}
        assert (await desk.raw("GET", path, headers=known)).status_code == 304, path
        assert (await desk.raw("GET", path, params={"limit": 1}, headers=known)).status_code == 200, path
        for wrong in ({"colour": "red"}, {"cursor": "nonsense"}, {"limit": "0"}, {"limit": "many"}):
            refused = await desk.raw("GET", path, params=wrong)
            assert refused.status_code in (400, 422), (path, wrong, refused.text)
            assert refused.headers["content-type"] == "application/problem+json"
            told = refused.json()
            assert told["code"], (path, wrong)
            assert next(iter(wrong)) in refused.text, (path, wrong, told)
    told = await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain")
    assert told["because"]


async def test_what_can_be_changed_has_a_version_that_a_change_must_name(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await filled(desk)
    for path in ("/v1/shifts/late", "/v1/schedules/free", "/v1/calendars/c0", "/v1/periods/p0"):
        stored = await desk.raw("GET", path)
        assert stored.headers["etag"] == '"1"', path
        sent = stored.json()
        body = sent.get("body") or {"from": sent["from"], "to": sent["to"], "approvers": 2}
        assert (await desk.raw("PUT", path, json=body)).status_code == 428, path
        assert (await desk.raw("PUT", path, json=body, headers={"If-Match": '"7"'})).status_code == 412, path
    assert (await desk.raw("GET", "/v1/policies/house")).headers["etag"] == '"2"'


async def test_every_list_narrows_by_what_its_rows_say(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    who = await filled(desk)
    second = str(MONDAY + timedelta(days=7))
    narrowed = {
        f"/v1/workdays?person={who}&from={MONDAY}&to={MONDAY}": 1,
        f"/v1/irregularities?person={who}&from={MONDAY}&to={MONDAY}&irregularity=MISSING_OUT": 1,
        "/v1/shifts?begins=la": 1,
        "/v1/schedules?begins=week": 1,
        "/v1/calendars?begins=c": 2,
        "/v1/calendars?begins=x": 0,
        "/v1/policies?id=house": 2,
        "/v1/policies?on=2019-12-31": 0,
        f"/v1/policies?id=house&on={MONDAY}": 2,
        f"/v1/leave?person={who}&from={MONDAY}&to={MONDAY}&status=requested": 1,
        "/v1/regularisations?status=approved": 0,
        f"/v1/periods?from={second}": 1,
        f"/v1/periods?to={MONDAY}&status=open": 1,
        "/v1/periods?status=locked": 0,
    }
    for question, count in narrowed.items():
        assert len((await desk.ask("GET", question))["items"]) == count, question


async def test_many_packs_are_saved_at_once_or_none(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    other = {**PACK, "id": "other"}
    wrong = [PACK, other, {**PACK, "version": 3}]
    refused = await desk.raw("POST", "/v1/policies/bulk", json={"items": wrong})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "items.2.version"), refused.text
    assert (await desk.ask("GET", "/v1/policies"))["items"] == []
    broken = [PACK, {**other, "policy": {"grace_in_min": "five"}}]
    refused = await desk.raw("POST", "/v1/policies/bulk", json={"items": broken})
    assert refused.json()["errors"][0]["field"] == "items.1.policy.grace_in_min", refused.text
    made = await desk.ask("POST", "/v1/policies/bulk", 201, json={"items": [PACK, other, {**PACK, "version": 2}]})
    assert [(one["id"], one["version"]) for one in made["items"]] == [("house", 1), ("other", 1), ("house", 2)]
    assert (await desk.raw("POST", "/v1/policies/bulk", json={"items": []})).status_code == 422


async def test_many_periods_are_made_and_moved_at_once_or_none(gateway: RunningGateway) -> None:
    desk = Desk(gateway)

    def weeks(shift: int = 0, approvers: int = 1) -> dict[str, dict[str, Any]]:
        days = [MONDAY + timedelta(days=7 * number + shift) for number in range(3)]
        ends = [day + timedelta(days=6) for day in days]
        spans = zip(days, ends, strict=True)
        return {
            f"w{n}": {"from": str(day), "to": str(end), "approvers": approvers} for n, (day, end) in enumerate(spans)
        }

    made = await desk.ask("POST", "/v1/periods/bulk", json={"items": weeks()})
    assert [(one["id"], one["version"]) for one in made["items"]] == [("w0", 1), ("w1", 1), ("w2", 1)]
    moved = await desk.ask("POST", "/v1/periods/bulk", json={"items": weeks(1)})
    assert [one["version"] for one in moved["items"]] == [2, 2, 2], "each over days that another had a moment ago"
    again = await desk.ask("POST", "/v1/periods/bulk", json={"items": weeks(1)})
    assert [one["version"] for one in again["items"]] == [2, 2, 2], "the same again changes nothing"
    events = (await desk.ask("GET", "/v1/periods/w1"))["events"]
    assert [one["action"] for one in events] == ["made", "changed"]
    meets = {"w3": {"from": str(MONDAY), "to": str(MONDAY + timedelta(days=1))}}
    for wrong, field in (
        (meets, "items.w3.from"),
        ({"a": weeks()["w0"], "b": weeks()["w0"]}, "items.b.from"),
        ({**weeks(1, 2), "x": {"from": "2027-01-02", "to": "2027-01-01"}}, "items.x.to"),
    ):
        refused = await desk.raw("POST", "/v1/periods/bulk", json={"items": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
    assert [one["approvers"] for one in (await desk.ask("GET", "/v1/periods"))["items"]] == [1, 1, 1]
    await desk.ask("POST", "/v1/periods/w0/close", json={"force": True, "reason": "for the test"})
    refused = await desk.raw("POST", "/v1/periods/bulk", json={"items": weeks()})
    assert (refused.status_code, refused.json()["code"]) == (409, "period.not_possible")
