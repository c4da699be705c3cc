"""Regularisations by request and approval, leave, periods that close and lock, adjustments, exports."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from biometric_flow.gateway.store import accounts, schema, workdays
from biometric_flow.identity.passwords import Passwords
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from tests.builders import MOMENT
from tests.services.gateways import PASSWORD, RunningGateway
from tests.services.hours import MONDAY, Desk, at, touch, worked_week
from tests.services.test_gateway_reads import report, terminal

SUNDAY = MONDAY + timedelta(days=6)
CODES = {"codes": {"regular": "REG", "ot": "OT"}}


async def another(gateway: RunningGateway, email: str = "second@example.com", role: str = "tenant_admin") -> Desk:
    """Somebody else of the same tenant, signed in."""
    assert gateway.database is not None
    database = Database(gateway.database.dsn, schema.APPLICATION)
    database.is_ready = True
    async with database.tenant(TenantId("demo")) as connection:
        await accounts.add(
            connection,
            tenant_id="demo",
            account_id=uuid4(),
            email=email,
            name=email,
            role=role,
            password_hash=await Passwords().hash(PASSWORD),
            is_enabled=True,
            created_at=MOMENT,
        )
    await database.close()
    return Desk(gateway, token=(await gateway.client.sign_in(email, PASSWORD)).access_token)


async def test_a_missing_punch_is_seen_requested_previewed_and_counts_once_somebody_else_approves(
    gateway: RunningGateway,
) -> None:
    desk, boss = Desk(gateway), await another(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(touch("7", MONDAY, "09:00"))
    await desk.settled()
    inbox = await desk.ask("GET", "/v1/irregularities", params={"to": str(MONDAY), "from": str(MONDAY)})
    assert [(one["code"], one["status"], one["requests"]) for one in inbox["items"]] == [
        ("MISSING_OUT", "incomplete", 0)
    ]
    assert inbox["counts"] == {"MISSING_OUT": 1}

    added = {"person": who, "operation": "add", "at": at(MONDAY, "17:10").isoformat(), "reason": "forgot to punch"}
    seen = await desk.ask("POST", "/v1/regularisations", 201, json={"items": [added], "preview": True})
    assert (seen["people"], seen["days"], seen["worked"], seen["pay"]) == (1, 1, 490, {"regular": 490})
    assert seen["changes"][0]["fields"]["status"] == ["incomplete", "present"]
    assert (await desk.ask("GET", "/v1/regularisations"))["items"] == []
    made = await desk.ask("POST", "/v1/regularisations", 201, json={"items": [added]})
    ids = [one["id"] for one in made["items"]]
    await desk.settled()
    day = await desk.day(who, MONDAY)
    assert day is not None
    assert day["worked"] == 0
    inbox = await desk.ask("GET", "/v1/irregularities", params={"irregularity": "MISSING_OUT"})
    assert inbox["items"][0]["requests"] == 1

    decision = {"ids": ids, "decision": "approved", "reason": "seen on the camera"}
    own = await desk.raw("POST", "/v1/regularisations/decisions", json=decision)
    assert (own.status_code, own.json()["code"]) == (403, "decision.own_request")
    foretold = await boss.ask("POST", "/v1/regularisations/decisions", json={**decision, "preview": True})
    assert foretold["worked"] == 490
    await boss.ask("POST", "/v1/regularisations/decisions", json=decision)
    await desk.settled()
    day = await desk.day(who, MONDAY)
    assert day is not None
    assert (day["worked"], day["exceptions"], day["status"]) == (490, [], "present")
    told = await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain")
    assert any("correction" in line.lower() for line in told["because"])
    again = await boss.raw("POST", "/v1/regularisations/decisions", json=decision)
    assert again.json()["code"] == "decision.made"


async def test_a_punch_is_moved_and_voided_and_adding_then_voiding_changes_nothing(gateway: RunningGateway) -> None:
    desk, boss = Desk(gateway), await another(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(touch("7", MONDAY, "09:00"), touch("7", MONDAY, "15:00"), touch("7", MONDAY, "17:00"))
    await desk.settled()
    punches = (await gateway.client.punches(gateway.token, order="oldest")).items

    async def approve(**body: Any) -> str:
        orders = {"items": [{"person": who, "reason": "because", **body}]}
        made = await desk.ask("POST", "/v1/regularisations", 201, json=orders)
        name = made["items"][0]["id"]
        await boss.ask("POST", "/v1/regularisations/decisions", json={"ids": [name], "decision": "approved"})
        await desk.settled()
        return str(name)

    async def worked() -> int:
        day = await desk.day(who, MONDAY)
        assert day is not None
        return int(day["worked"])

    assert await worked() == 360
    await approve(operation="void", punch=punches[1].id)
    assert await worked() == 480
    await approve(operation="replace", punch=punches[2].id, at=at(MONDAY, "18:00").isoformat())
    assert await worked() == 540
    added = await approve(operation="add", at=at(MONDAY, "12:00").isoformat())
    assert await worked() != 540
    await approve(operation="void", punch=added)
    assert await worked() == 540
    far = {"person": who, "operation": "replace", "punch": punches[0].id, "at": at(SUNDAY, "09:00").isoformat()}
    foreign = {"person": who, "operation": "void", "punch": "0" * 64}
    bare = {"person": who, "operation": "add"}
    wrong = [{**one, "reason": "because"} for one in (far, foreign, bare)]
    refused = await desk.raw("POST", "/v1/regularisations", json={"items": wrong})
    assert refused.json()["code"] == "regularisation.invalid"
    assert [one["field"] for one in refused.json()["errors"]] == ["items.0.at", "items.1.punch", "items.2.at"]


async def test_leave_counts_once_another_account_approved_it_and_is_withdrawn_by_who_asked(
    gateway: RunningGateway,
) -> None:
    desk, boss = Desk(gateway), await another(gateway)
    await desk.plan()
    who = await desk.hire()
    wanted = {"person": who, "from": str(MONDAY), "to": str(MONDAY + timedelta(days=1)), "reason": "family"}
    other = {**wanted, "from": str(SUNDAY), "to": str(SUNDAY)}
    made = (await desk.ask("POST", "/v1/leave", 201, json={"items": [wanted, other]}))["items"]
    by_day = {one["from"]: one["id"] for one in made}
    first, second = by_day[str(MONDAY)], by_day[str(SUNDAY)]
    own = await desk.raw("POST", "/v1/leave/decisions", json={"ids": [first], "decision": "approved"})
    assert own.json()["code"] == "decision.own_request"
    await boss.ask("POST", "/v1/leave/decisions", json={"ids": [first], "decision": "approved"})
    not_theirs = await boss.raw("POST", "/v1/leave/decisions", json={"ids": [second], "decision": "withdrawn"})
    assert not_theirs.status_code == 403
    await desk.ask("POST", "/v1/leave/decisions", json={"ids": [second], "decision": "withdrawn"})
    await desk.settled()
    days = await desk.days(person=who, **{"from": str(MONDAY), "to": str(MONDAY + timedelta(days=2))})
    assert [day["status"] for day in days] == ["leave", "leave", "absent"]
    assert len((await desk.ask("GET", "/v1/leave", params={"status": "approved"}))["items"]) == 1
    await boss.ask("POST", "/v1/leave/decisions", json={"ids": [first], "decision": "rejected", "reason": "ill"})
    await desk.settled()
    day = await desk.day(who, MONDAY)
    assert day is not None
    assert day["status"] == "absent"


async def test_a_period_closes_locks_with_two_accounts_and_later_knowledge_is_paid_by_the_next(
    gateway: RunningGateway,
) -> None:
    desk, boss = Desk(gateway), await another(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    await desk.settled()
    first = {"from": str(MONDAY), "to": str(SUNDAY), "approvers": 2}
    await desk.ask("PUT", "/v1/periods/w1", json=first)
    twice = await desk.raw("PUT", "/v1/periods/other", json=first)
    assert twice.json()["code"] == "period.invalid"
    assert (await desk.ask("GET", "/v1/periods/w1/completeness"))["is_complete"]
    # The place says that it holds more, and one of its terminals was last read within the period.
    head = len(desk.chain.entries) + 3
    await desk.gateway.uplink().report(report(terminal(last_contact=at(MONDAY, "12:00")), head=head))
    found = await desk.ask("GET", "/v1/periods/w1/completeness")
    assert [(one["kind"], one["subject"]) for one in found["obstacles"]] == [
        ("place", "cairo"),
        ("terminal", "CAI0001"),
    ]
    assert (await desk.raw("POST", "/v1/periods/w1/close", json={})).json()["code"] == "period.not_possible"
    await desk.ask("POST", "/v1/periods/w1/close", json={"force": True, "reason": "the place is gone"})
    await desk.ask("PUT", "/v1/payroll-mappings/default", json=CODES)
    early = await desk.raw("GET", "/v1/periods/w1/export")
    assert early.json()["code"] == "export.not_possible"
    await desk.ask("POST", "/v1/periods/w1/approve", json={})
    assert (await desk.raw("POST", "/v1/periods/w1/approve", json={})).status_code == 409
    locked = await boss.ask("POST", "/v1/periods/w1/approve", json={"reason": "checked"})
    assert (locked["status"], len(locked["approved_by"])) == ("locked", 2)
    assert [one["action"] for one in locked["events"]] == [
        "made", "closed with 2 obstacles", "approved", "approved", "locked"
    ]  # fmt: skip

    export = (await desk.raw("GET", "/v1/periods/w1/export")).content
    rows = list(csv.DictReader(io.StringIO(export.decode())))
    assert sum(int(row["minutes"]) for row in rows) == 5 * 480

    # An hour of Monday is read only now: the locked day stands, the week's overtime becomes an adjustment.
    await desk.punches(touch("7", MONDAY, "19:00"), touch("7", MONDAY, "20:00"))
    await desk.settled()
    monday = await desk.day(who, MONDAY)
    assert monday is not None
    assert (monday["worked"], monday["is_locked"]) == (480, True)
    told = await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain")
    assert told["adjustments"] == [{"paid_in": None, "delta": {"worked": 60, "regular": 60}}]
    assert (await desk.raw("GET", "/v1/periods/w1/export")).content == export

    second = {"from": str(SUNDAY + timedelta(days=1)), "to": str(SUNDAY + timedelta(days=7))}
    await desk.ask("PUT", "/v1/periods/w2", json=second)
    await desk.ask("POST", "/v1/periods/w2/close", json={"force": True, "reason": "the place is gone"})
    await desk.ask("POST", "/v1/periods/w2/approve", json={})
    rows = list(csv.DictReader(io.StringIO((await desk.raw("GET", "/v1/periods/w2/export")).text)))
    paid = [(row["date"], row["code"], int(row["minutes"]), row["adjusts"]) for row in rows if row["adjusts"]]
    friday = MONDAY + timedelta(days=4)
    assert paid == [
        (second["to"], "REG", 60, str(MONDAY)),
        (second["to"], "OT", 60, str(friday)),
        (second["to"], "REG", -60, str(friday)),
    ]
    total = await desk.ask("GET", "/v1/periods/w2/totals")
    assert (total["adjustments"], total["minutes"]) == (60, 60)

    # The older one cannot be opened under the newer one; in reverse order both can, and everything is as it is known.
    assert (await desk.raw("POST", "/v1/periods/w1/reopen", json={"reason": "wrong"})).status_code == 409
    await desk.ask("POST", "/v1/periods/w2/reopen", json={"reason": "wrong"})
    await desk.ask("POST", "/v1/periods/w1/reopen", json={"reason": "wrong"})
    await desk.settled()
    days = await desk.days(person=who, **{"from": str(MONDAY), "to": str(friday)})
    assert (days[0]["worked"], days[4]["pay"]) == (540, {"regular": 420, "ot": 60})
    told = await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain")
    assert told["adjustments"] == []


async def test_a_move_reaches_the_days_whose_clocks_differ_and_locked_ones_get_adjustments(
    gateway: RunningGateway,
) -> None:
    desk, boss = Desk(gateway), await another(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    await desk.settled()
    await desk.ask("PUT", "/v1/periods/w1", json={"from": str(MONDAY), "to": str(SUNDAY)})
    await desk.ask("POST", "/v1/periods/w1/close", json={"force": True, "reason": "the place is gone"})
    await boss.ask("POST", "/v1/periods/w1/approve", json={})

    async def moved(zone: str) -> tuple[int, list[Any]]:
        """How many people are due at once, and what the locked week is worth otherwise."""
        answer = await desk.raw("GET", f"/v1/people/{who}")
        body = {name: value for name, value in answer.json().items() if name not in ("id", "version")} | {"zone": zone}
        await desk.ask("PUT", f"/v1/people/{who}", json=body, headers={"If-Match": answer.headers["ETag"]})
        due = (await desk.ask("GET", "/v1/workdays/progress"))["people_due"]
        await desk.settled()
        told = [await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY + timedelta(days=n)}/explain") for n in range(5)]
        assert [one["workday"]["worked"] for one in told] == [480] * 5, "locked days stand"
        return due, [one["adjustments"] for one in told if one["adjustments"]]

    assert await moved("Europe/Athens") == (0, []), "the same clock since this person works here: nothing is due"
    due, adjustments = await moved("Pacific/Pago_Pago")  # where it is still Sunday when they come on Monday
    assert (due, bool(adjustments)) == (1, True)
    assert await moved("Africa/Cairo") == (1, [])


async def test_a_period_that_is_over_closes_while_punches_of_today_keep_arriving_and_not_before_its_own_are_computed(
    gateway: RunningGateway,
) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    await desk.settled()
    await desk.ask("PUT", "/v1/periods/w1", json={"from": str(MONDAY), "to": str(SUNDAY)})
    assert gateway.database is not None
    database = Database(gateway.database.dsn, schema.APPLICATION)
    database.is_ready = True
    now = datetime.now(UTC)
    # Marked an hour ahead, a row never becomes quiet: it stands there as if punches never ceased.
    ahead = now + timedelta(hours=1)

    async def obstacles(first: date, last: date) -> list[str]:
        async with database.tenant(TenantId("demo")) as connection:
            await workdays.done(connection, UUID(who), None, is_order=False)
            await workdays.mark(connection, TenantId("demo"), {UUID(who): (first, last)}, ahead)
        found = await desk.ask("GET", "/v1/periods/w1/completeness")
        return [one["kind"] for one in found["obstacles"]]

    after = SUNDAY + timedelta(days=1)
    assert await obstacles(SUNDAY, SUNDAY) == ["workdays"]
    assert await obstacles(MONDAY - timedelta(days=9), MONDAY) == ["workdays"]
    assert await obstacles(MONDAY, now.date()) == ["workdays"], "more than the clock alone looks at"
    assert await obstacles(MONDAY - timedelta(days=9), MONDAY - timedelta(days=1)) == []
    assert await obstacles(SUNDAY - timedelta(days=2), after) == []
    assert await obstacles(now.date() - timedelta(days=3), now.date()) == []
    await desk.ask("POST", "/v1/periods/w1/close", json={})
    assert (await desk.ask("GET", "/v1/workdays/progress"))["people_due"] == 1
    await database.close()


async def test_an_open_irregularity_and_an_unmapped_tier_stop_the_export(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    await desk.hire()
    await desk.punches(*worked_week("7"), touch("7", date(2026, 11, 7), "10:00"))
    await desk.settled()
    await desk.ask("PUT", "/v1/periods/w1", json={"from": str(MONDAY), "to": str(SUNDAY)})
    await desk.ask("POST", "/v1/periods/w1/close", json={"force": True, "reason": "for the test"})
    await desk.ask("POST", "/v1/periods/w1/approve", json={})
    await desk.ask("PUT", "/v1/payroll-mappings/default", json=CODES)
    refused = await desk.raw("GET", "/v1/periods/w1/export")
    assert "E1 2026-11-07 MISSING_OUT" in refused.json()["detail"]


async def test_a_pack_is_tried_before_it_is_saved(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    await desk.hire()
    await desk.punches(*worked_week("7", times=("09:20", "17:00")))
    await desk.settled()
    pack = (await desk.ask("GET", "/v1/policies/house"))["body"]
    softer = {**pack, "version": 2, "policy": {**pack["policy"], "grace_in_min": 30}}
    order = {"pack": softer, "from": str(MONDAY), "to": str(MONDAY + timedelta(days=2))}
    tried = await desk.ask("POST", "/v1/policies/try", json=order)
    assert (tried["people"], tried["days"], tried["worked"]) == (1, 3, 0)
    assert tried["changes"][0]["fields"] == {"late": [20, 0]}
    assert [one["version"] for one in (await desk.ask("GET", "/v1/policies"))["items"]] == [1]
