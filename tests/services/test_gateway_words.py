"""What people wrote is in no table and no file of the gateway; who may see it sees it, and after an erasure nobody."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic.util import CommandError
from psycopg.types.json import Jsonb

from biometric_flow.api.biometrics import Consent, ConsentReport
from biometric_flow.gateway.alerts import keeper, machine
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.store import schema, words
from biometric_flow.gateway.store.sealing import is_sealed
from biometric_flow.identity.errors import KeyDestroyed
from biometric_flow.identity.keyring import KeyKind, person
from biometric_flow.model.ids import TenantId
from biometric_flow.model.terminal import TerminalState
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from tests.services.canaries import files_with
from tests.services.demos import free_run
from tests.services.gateways import TestDatabase, running_gateway
from tests.services.hours import MONDAY, Desk, at, touch
from tests.services.places import until
from tests.services.test_gateway_migrations import step
from tests.services.test_gateway_reads import report, terminal
from tests.services.test_pay import another

DEMO = TenantId("demo")
ASKED, DECIDED, WITHDRAWN, AWAY = (f"Canary Nightingale {one} 87654321" for one in ("asked", "decided", "not", "away"))
WORKED = "Canary Nightingale rules 87654321"
PURPOSE, COURT, LAWYER, BOARD, CLOSED, GONE = (
    f"Canary Nightingale {one} 87654321" for one in ("purpose", "court", "lawyer", "board", "closed", "gone")
)
BLOCKED, SPOILT, TOKEN = (
    "Canary Nightingale blocked 87654321",
    "Canary Nightingale spoilt 87654321",
    "CanaryToken87654321",
)
SHUT, OPENED = "Canary Nightingale shut 87654321", "Canary Nightingale opened 87654321"
SAID = (
    *(ASKED, DECIDED, WITHDRAWN, AWAY, WORKED, PURPOSE, COURT, LAWYER, BOARD, CLOSED, GONE, BLOCKED, SPOILT, TOKEN),
    *(SHUT, OPENED),
)
PAGES = (
    *("/v1/regularisations", "/v1/leave", "/v1/workdays", "/v1/privacy/retention", "/v1/privacy/holds"),
    *("/v1/privacy/erasures", "/v1/privacy/consents", "/v1/periods/w1", "/v1/alerts", "/v1/terminals"),
    *("/v1/overview", "/v1/alert-channels", "/health/full", "/v1/break-glass"),
)
MINUTES = ("scheduled", "leave", "short", "late", "early_out", "break", "night", "meal_penalty", "ot_approved")
DAY = dict.fromkeys((*MINUTES, "ot_pending", "holiday_credit", "rounding"), 0) | {
    "date": str(MONDAY),
    "status": "present",
    "worked": 480,
    "pay": {"regular": 480},
    "exceptions": [],
    "gross": 480,
    "pack": WORKED,
    "runs": [],
    "trace": [],
}
SIGNED = {
    "number": 1,
    "place": "cairo",
    "pin": "7",
    "purpose": PURPOSE,
    "text_version": "1",
    "text_language": "",
    "text_sha256": "",
    "given_at": "2026-01-01T00:00:00Z",
    "until": "2028-01-01T00:00:00Z",
    "recorded_by": "HR",
    "recorded_at": "2026-01-01T00:00:00Z",
    "allows_keeping": True,
    "ended_at": None,
    "end_reason": "",
    "is_in_force": True,
}
WHO = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts are told at once."""
    rules = machine.Rules(gather=timedelta(milliseconds=100), calm=timedelta(milliseconds=100))
    monkeypatch.setattr(keeper.AlertKeeper.__init__, "__defaults__", (rules,))


@pytest.fixture
def folder(passable: Path) -> Iterator[Path]:
    yield passable / "gateway"
    EmbeddedPostgres(passable / "gateway" / "postgres").stop()


def rows_of(database: TestDatabase, kept: words.Kept) -> list[dict[str, Any]]:
    """All rows of a table, as whoever owns the server reads them."""
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name), row_factory=psycopg.rows.dict_row) as one:
        return one.execute(f"SELECT * FROM {kept.table}").fetchall()


def tables_with(database: TestDatabase, said: tuple[str, ...]) -> list[str]:
    """Tables in whose rows one of these texts stands, also as bytes."""
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as one:
        names = one.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [(name, row) for (name,) in names for (row,) in one.execute(f"SELECT t::text FROM {name} t").fetchall()]
    return sorted({name for name, row in rows if any(text in row or text.encode().hex() in row for text in said)})


def is_known_to_planner(database: TestDatabase, said: str) -> bool:
    """Does it stand in the file of the planner's knowledge of values, free room in its pages too?"""
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name), autocommit=True) as one:
        one.execute("CHECKPOINT")
        row = one.execute("SELECT pg_read_binary_file(pg_relation_filepath('pg_statistic'))").fetchone()
        assert row is not None
        return said.encode() in row[0]


async def plant(desk: Desk, boss: Desk) -> str:
    """Somebody about whom every kind of word was written."""
    await desk.plan()
    who = await desk.hire()
    await desk.punches(touch("7", MONDAY, "09:00"), touch("7", MONDAY, "17:00"))
    added = {"person": who, "operation": "add", "at": at(MONDAY, "17:10").isoformat(), "reason": ASKED}
    made = await desk.ask("POST", "/v1/regularisations", 201, json={"items": [added]})
    decided = {"ids": [made["items"][0]["id"]], "decision": "approved", "reason": DECIDED}
    await boss.ask("POST", "/v1/regularisations/decisions", json=decided)
    taken_back = {**decided, "decision": "rejected", "reason": WITHDRAWN}
    await boss.ask("POST", "/v1/regularisations/decisions", json=taken_back)
    other = {**added, "at": at(MONDAY, "17:20").isoformat()}
    made = await desk.ask("POST", "/v1/regularisations", 201, json={"items": [other]})
    await boss.ask("POST", "/v1/regularisations/decisions", json={**decided, "ids": [made["items"][0]["id"]]})
    day = str(MONDAY + timedelta(days=1))
    await desk.ask("POST", "/v1/leave", 201, json={"items": [{"person": who, "from": day, "to": day, "reason": AWAY}]})
    await desk.settled()
    await plant_decisions(desk, boss)
    await plant_alerts(desk)
    return who


async def plant_alerts(desk: Desk) -> None:
    """A terminal and a place that say what is wrong, and a channel with a secret in its address that takes nothing."""
    hook = {"url": f"json://127.0.0.1:{free_run(1)}/{TOKEN}"}
    await desk.ask("PUT", "/v1/alert-channels/hook", json=hook)
    gate = terminal(state=TerminalState.BLOCKED, reason=BLOCKED)
    said = report(gate).model_copy(update={"backup": f"{SPOILT}: cannot write '/srv/backup/a'"})

    async def was_tried() -> bool:
        await desk.gateway.uplink().report(said)
        [channel] = await desk.ask("GET", "/v1/alert-channels")
        return "did not take it" in channel["failure"]

    await until(was_tried)


async def plant_decisions(desk: Desk, boss: Desk) -> None:
    """What the tenant has to know for longer than it knows people, and what somebody signed."""
    rule = {"data": "account", "at_most_days": 4000, "because": BOARD}
    await desk.ask(
        "POST", "/v1/privacy/retention", 201, json={"valid_from": str(MONDAY), "by": LAWYER, "rules": [rule]}
    )
    hold = {"scope": "person", "who": "E1", "reason": COURT, "by": LAWYER, "first_day": str(MONDAY)}
    await desk.ask("POST", "/v1/privacy/holds", 201, json=hold)
    # It waits for the end of the hold.
    await desk.ask("POST", "/v1/privacy/erasures", json={"number": "E1", "reason": GONE, "by": LAWYER})
    signed = Consent.model_validate(SIGNED)
    await desk.gateway.uplink().tell_consent(ConsentReport(releases=[signed], texts=[]))
    week = {"from": str(MONDAY), "to": str(MONDAY + timedelta(days=6)), "approvers": 1}
    await desk.ask("PUT", "/v1/periods/w1", json=week)
    await boss.ask("POST", "/v1/periods/w1/close", json={"force": True, "reason": CLOSED})
    asked = await desk.ask("POST", "/v1/break-glass", 201, json={"reason": SHUT})
    opening = f"/v1/break-glass/{asked['id']}"
    await boss.ask("POST", f"{opening}/approval")
    await desk.ask("POST", f"{opening}/end")
    await boss.ask("POST", f"{opening}/review", json={"text": OPENED})


async def shown(desk: Desk) -> str:
    """All that the API tells of it."""
    return "\n".join([(await desk.raw("GET", page)).text for page in PAGES])


async def test_what_people_wrote_is_in_no_file_and_after_an_erasure_nobody_reads_it(folder: Path) -> None:
    async with running_gateway(folder, None, alert_seconds=0.1, alert_private=True) as gateway:
        gateway.database = database = TestDatabase(schema.DATABASE, EmbeddedPostgres(folder / "postgres"))
        desk = Desk(gateway)
        who = await plant(desk, await another(gateway))
        told = await shown(desk)
        assert [text for text in SAID if text not in told] == [WORKED, TOKEN]
        assert "/srv" not in told
        before = {kept: rows_of(database, kept) for kept in words.KEPT}
        for kept, rows in before.items():
            for column in kept.columns:
                held = [bytes(row[column]) for row in rows if row[column]]
                assert held, (kept.table, column)
                assert all(map(is_sealed, held)), (kept.table, column)
        assert tables_with(database, SAID) == []
        with psycopg.connect(database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        assert files_with(folder, [text.encode() for text in SAID]) == []
        with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
            connection.execute("INSERT INTO key_ending VALUES ('demo', %s, %s)", (KeyKind.PERSON, who))

        async def is_erased() -> bool:
            page = (await desk.ask("GET", "/v1/regularisations"))["items"]
            return {(one["reason"], one["decision_reason"]) for one in page} == {("erased", "erased")}

        await until(is_erased)
        assert [one["reason"] for one in (await desk.ask("GET", "/v1/leave"))["items"]] == ["erased"]
        assert await desk.days() == []
        assert (await desk.raw("GET", f"/v1/workdays/{who}/{MONDAY}/explain")).status_code == 404
        told = await shown(desk)
        stay = [PURPOSE, COURT, LAWYER, BOARD, CLOSED, GONE, BLOCKED, SPOILT, SHUT, OPENED]
        assert [text for text in SAID if text in told] == stay
    keys = open_tenant_keys(folder / "keys", [DEMO]).of(DEMO)
    for kept, rows in before.items():
        for row in [row for row in rows if kept.owner(row) == person(who)]:
            with pytest.raises(KeyDestroyed):
                keys.open(kept.owner(row), words.binding(kept, kept.columns[0], row), row[kept.columns[0]])


async def test_words_of_an_older_version_are_sealed_at_the_first_start_and_stop_a_downgrade(
    database: TestDatabase, tmp_path: Path
) -> None:
    step(database, "downgrade", "0024")
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("SELECT set_config('app.tenant', 'demo', false)")
        fill(connection)
        connection.commit()
        connection.execute("ANALYZE leave_request")
    assert is_known_to_planner(database, AWAY)
    async with running_gateway(tmp_path, database) as gateway:
        desk = Desk(gateway)
        [asked] = (await desk.ask("GET", "/v1/regularisations"))["items"]
        assert (asked["reason"], asked["decision_reason"]) == (ASKED, DECIDED)
        assert [one["entry"] for one in asked["recorded"]] == [4]
        assert (await desk.ask("GET", "/v1/leave"))["items"][0]["reason"] == AWAY
        [day] = await desk.days()
        assert (day["worked"], day["pack"]) == (480, WORKED)
        told = await shown(desk)
        assert [text for text in SAID if text not in told] == [WITHDRAWN, TOKEN, SHUT, OPENED]
        assert tables_with(database, SAID) == []
        assert not is_known_to_planner(database, AWAY)
    with pytest.raises(CommandError, match="restore the backup from before the upgrade"):
        step(database, "downgrade", "0024")
    for kept in words.KEPT:
        with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
            connection.execute(f"TRUNCATE {kept.table} CASCADE")
    with pytest.raises(CommandError, match="sealed rows in the table audit_entry"):
        step(database, "downgrade", "0001")
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
        connection.execute("TRUNCATE ledger_entry, audit_entry CASCADE")
    with pytest.raises(CommandError, match="sealed rows in the table subject"):
        step(database, "downgrade", "0001")
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as connection:
        assert connection.execute("SELECT has_words, is_rewritten FROM sealing").fetchall() == [(True, True)] * 3


def fill(connection: psycopg.Connection[Any]) -> None:
    """Rows as a gateway of before wrote them."""
    connection.execute("INSERT INTO tenant (tenant_id, name, directory_version) VALUES ('demo', 'Demo', 1)")
    connection.execute(
        "INSERT INTO employee (tenant_id, person_id, number, name, changed, zone, employed_from, plan, version)"
        " VALUES ('demo', %s, 'E1', 'Amina', 1, 'UTC', '2020-01-01', '{}', 1)",
        (WHO,),
    )
    connection.execute(
        "INSERT INTO regularisation VALUES ('demo', %s, 1, %s, '2026-11-02', 'overtime', NULL, NULL, NULL, 30, %s,"
        " 'approved', 'clerk', now(), 'boss', now(), %s)",
        (WHO, WHO, ASKED, DECIDED),
    )
    connection.execute(
        "INSERT INTO correction (tenant_id, regularisation_id, is_withdrawal, position, number, person_id, day,"
        " operation, target, changes, asked_by, reason, approved_by, decided_at, sequence)"
        " VALUES ('demo', %s, false, 1, 1, %s, '2026-11-02', 'overtime', '', %s, 'clerk', %s, 'boss', now(), 4)",
        (WHO, WHO, Jsonb([["overtime 2026-11-02", "0", ASKED]]), ASKED),
    )
    for number in range(3):
        connection.execute(
            "INSERT INTO leave_request VALUES ('demo', %s, %s, '2026-11-03', '2026-11-03', 'full', 0, 'requested', %s,"
            " 'clerk', now(), NULL, NULL)",
            (UUID(int=number), WHO, AWAY),
        )
    connection.execute(
        "INSERT INTO workday VALUES ('demo', %s, %s, 'present', '{}', %s, '')", (WHO, MONDAY, Jsonb(DAY))
    )
    fill_decisions(connection)


def fill_decisions(connection: psycopg.Connection[Any]) -> None:
    """The same of what the tenant decided, and of a release."""
    saved = {"saved_at": "2026-01-01T00:00:00Z", "number": 1}
    rule = {"data": "account", "at_most_days": 4000, "because": BOARD}
    policy = {**saved, "valid_from": "2026-01-01", "by": LAWYER, "rules": [rule]}
    connection.execute("INSERT INTO retention_policy VALUES ('demo', 1, %s)", (Jsonb(policy),))
    hold = {"id": "h1", "scope": "everybody", "who": "", "reason": COURT, "by": LAWYER, "first_day": "2026-01-01"}
    kept = {**hold, "last_day": None, "placed_at": "2026-01-01T00:00:00Z", "ended_at": None, "ended_by": ""}
    connection.execute("INSERT INTO legal_hold VALUES ('demo', 'h1', %s)", (Jsonb(kept),))
    connection.execute(
        "INSERT INTO erasure (tenant_id, erasure_id, decided_by, reason, asked_at, begun_at, done_at)"
        " VALUES ('demo', %s, %s, %s, now(), now(), now())",
        (bytes(16), LAWYER, GONE),
    )
    connection.execute(
        "INSERT INTO pay_period VALUES ('demo', 'w1', '2026-11-02', '2026-11-08', 'open', 1, '{}', NULL, 1)"
    )
    connection.execute("INSERT INTO pay_period_event VALUES ('demo', 'w1', 1, now(), 'clerk', 'made', %s)", (CLOSED,))
    connection.execute(
        "INSERT INTO place (tenant_id, place_id, name, zone, is_active, head_hash)"
        " VALUES ('demo', 'cairo', 'Cairo', 'Africa/Cairo', true, %s)",
        (bytes(32),),
    )
    connection.execute("INSERT INTO subject VALUES ('demo', %s, 'cairo', '7', '', 1)", (bytes(16),))
    body = {name: value for name, value in SIGNED.items() if name != "pin"}
    connection.execute(
        "INSERT INTO consent (tenant_id, place_id, number, subject, body) VALUES ('demo', 'cairo', 1, %s, %s)",
        (bytes(16), Jsonb(body)),
    )
    connection.execute(
        "INSERT INTO alert VALUES ('demo', %s, 'terminal_blocked', '', 'gate', %s, false, now(), now(), NULL, NULL,"
        " '')",
        (WHO, BLOCKED),
    )
    url = f"json://x/{TOKEN}"
    connection.execute("INSERT INTO alert_channel VALUES ('demo', 'hook', %s, NULL, false)", (url,))
    connection.execute(
        "INSERT INTO alert_message VALUES ('demo', %s, 'hook', 'NEW', %s, now(), now(), 1, %s)",
        (WHO, BLOCKED, "did not take it"),
    )
    connection.execute(
        "INSERT INTO place_report (tenant_id, place_id, head, version, sent_at, received_at, backup)"
        " VALUES ('demo', 'cairo', 0, '1', now(), now(), %s)",
        (SPOILT,),
    )
    connection.execute(
        "INSERT INTO terminal_status VALUES ('demo', 'cairo', 'gate', 'CAI0001', 'Main gate', 'blocked', %s, now())",
        (Jsonb(terminal(state=TerminalState.BLOCKED, reason=BLOCKED).model_dump(mode="json")),),
    )
