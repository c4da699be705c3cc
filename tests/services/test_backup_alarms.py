"""Backups and rehearsals of a restore that fail or are not done are told where people look, and heal (B2)."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.runtime.backup_drill import DrillTask
from biometric_flow.runtime.backup_task import BackupPlan, BackupTask
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.postgres import EmbeddedPostgres
from biometric_flow.runtime.sealed_file import new_identity
from tests.builders import MOMENT
from tests.services.gateways import RunningGateway, running_gateway
from tests.services.places import running_place, until
from tests.services.test_gateway_erasure import link

WEEK = timedelta(days=7)


class HandClock:
    """A clock whose sleepers wake at once, that much later."""

    def __init__(self) -> None:
        self.moment = MOMENT

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        await asyncio.sleep(0.001)


async def true_of(fact: Any) -> None:
    async def is_true() -> bool:
        return bool(fact())

    await until(is_true)


async def test_a_drill_is_done_every_week_and_a_failure_stands_until_one_works(tmp_path: Path) -> None:
    clock, done = HandClock(), list[datetime]()

    def rehearse(now: datetime) -> None:
        done.append(now)
        if len(done) == 2:
            raise FolderUnusable("no room for a copy")

    record = tmp_path / "drill.json"
    drill = DrillTask(rehearse, WEEK, record, clock, asyncio.Lock())
    running = asyncio.create_task(drill.run())
    await true_of(lambda: len(done) >= 4)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    first, failed, again, fourth = done[:4]
    assert (first - MOMENT, failed - first, fourth - again) == (timedelta(days=1), WEEK, WEEK)
    assert again - failed == timedelta(hours=1)
    assert drill.trouble(clock.now()) is None
    assert datetime.fromisoformat(json.loads(record.read_text())["done_at"]) >= again


async def test_what_failed_or_was_not_done_is_said_also_after_a_restart(tmp_path: Path) -> None:
    clock, record = HandClock(), tmp_path / "drill.json"
    told = {"since": (MOMENT - 3 * WEEK).isoformat(), "done_at": "", "failure": ""}
    for failure, sentence in (
        ("", "no restore was rehearsed since the beginning; one is due every 7 days"),
        ("entry 3 is missing", "the last rehearsal of a restore failed: entry 3 is missing"),
    ):
        record.write_text(json.dumps(told | {"failure": failure}))
        drill = DrillTask(lambda _now: None, WEEK, record, clock, asyncio.Lock(), is_ready=lambda: False)
        running = asyncio.create_task(drill.run())
        await true_of(lambda drill=drill: drill.trouble(MOMENT))
        trouble = drill.trouble(MOMENT)
        assert trouble is not None
        assert trouble.text == sentence
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_backup_that_fails_is_told_and_forgotten_when_one_works(tmp_path: Path) -> None:
    clock, broken = HandClock(), tmp_path / "broken"
    broken.write_text("a file where a folder should be")
    plan = BackupPlan(broken, "age1", timedelta(hours=24), WEEK, WEEK)
    task = BackupTask(plan, "place", "cairo", lambda _folder, _recipient, _now: {}, clock)
    assert task.trouble(MOMENT) is None
    overdue = task.trouble(MOMENT + timedelta(hours=49))
    assert overdue is not None
    assert overdue.text == "no backup was made in time, there is none yet; one is due every 24 h"
    running = asyncio.create_task(task.run())
    await true_of(lambda: task.failure)
    failed = task.trouble(clock.now())
    assert failed is not None
    assert failed.text.startswith("the last backup failed, there is none yet: ")
    broken.unlink()
    await true_of(lambda: task.made_at)
    assert task.failure is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def attention(gateway: RunningGateway) -> list[str]:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    overview = (await gateway.http.get("/v1/overview", headers=headers)).json()
    return [one["text"] for one in overview["attention"] if one["kind"] == "backup"]


async def test_broken_backups_of_a_place_and_of_the_gateway_are_in_health_metrics_and_the_attention_list(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("a file where a folder should be")
    plan = {"backup_folder": broken / "backups", "backup_recipient": new_identity(tmp_path / "identity")}
    assert gateway.database is not None
    assert await attention(gateway) == []
    async with running_gateway(gateway.folder, gateway.database, **plan) as other:
        async with running_place(tmp_path / "place", **plan, **link(other), report_seconds=0.2) as place:

            async def both_are_told() -> bool:
                return len(await attention(other)) == 2

            await until(both_are_told)
            told = await attention(other)
            assert told[0].startswith("Backups of Cairo: the last backup failed, there is none yet")
            assert told[1].startswith("Backups of the gateway: the last backup failed, there is none yet")
            health = await place.get("/health")
            assert health["status"] == "degraded"
            assert "the last backup failed" in health["backup"]
            assert "biometric_flow_backups_wrong 1.0" in (await place.http.get("/metrics")).text
        headers = {"Authorization": f"Bearer {other.token}"}
        full = (await other.http.get("/health/full", headers=headers)).json()
        assert (full["status"], len(full["backups"])) == ("degraded", 2)
        metrics = (await other.http.get("/metrics", headers=headers)).text
        assert "biometric_flow_gateway_backups_wrong 1.0" in metrics


def due_drill(folder: Path) -> Path:
    """The record of an installation that is two days old and never rehearsed a restore."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "drill.json"
    since = datetime.now(UTC) - timedelta(days=2)
    record.write_text(json.dumps({"since": since.isoformat(), "done_at": "", "failure": ""}))
    return record


async def test_a_place_rehearses_a_restore_by_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    record = due_drill(tmp_path / "place")
    plan = {"backup_folder": tmp_path / "backups", "backup_recipient": new_identity(tmp_path / "identity")}
    async with running_place(tmp_path / "place", **plan) as place:
        await true_of(lambda: json.loads(record.read_text())["done_at"])
        assert (await place.get("/health"))["backup"] == ""
        assert not (tmp_path / "place" / "drill").exists()


@pytest.fixture
def gateway_folder(passable: Path) -> Iterator[Path]:
    yield passable / "gateway"
    EmbeddedPostgres(passable / "gateway" / "postgres").stop()


@pytest.mark.drill
async def test_a_gateway_rehearses_a_restore_by_itself_and_leaves_nothing_behind(
    gateway_folder: Path, passable: Path
) -> None:
    record = due_drill(gateway_folder)
    plan = {"backup_folder": passable / "backups", "backup_recipient": new_identity(passable / "identity")}
    async with running_gateway(gateway_folder, None, **plan) as gateway:
        await true_of(lambda: json.loads(record.read_text())["done_at"] or json.loads(record.read_text())["failure"])
        assert json.loads(record.read_text())["failure"] == ""
        assert await attention(gateway) == []
        assert not (gateway_folder / "drill").exists()
