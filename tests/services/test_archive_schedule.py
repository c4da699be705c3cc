"""Punches that became cold move to the archive by themselves, and what keeps them from it is told."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from biometric_flow.gateway.archive import schedule
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.runtime.clock import SystemClock
from tests.services.gateways import ADMIN, PASSWORD, TestDatabase, running_gateway
from tests.services.hours import MONDAY, Desk, touch
from tests.services.places import until
from tests.services.test_archive import everything, hot


class LeapingClock(SystemClock):
    """Time that a test lets pass by months; who waits for hours looks again at once."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.1 if timedelta(seconds=seconds) in (schedule.LOOK, schedule.RETRY) else seconds)


async def test_months_move_when_they_become_cold_and_a_store_that_takes_nothing_is_told_until_it_does(
    database: TestDatabase, tmp_path: Path
) -> None:
    clock, folder = LeapingClock(), tmp_path / "archive"
    folder.write_text("a file where the folder should be")
    now = datetime.now(UTC)
    kept = now.year * 12 + now.month - (MONDAY.year * 12 + MONDAY.month) + 12
    settings = {"archive": str(folder), "archive_months": kept}
    async with running_gateway(tmp_path / "gateway", database, clock, **settings) as gateway:  # type: ignore[arg-type]
        desk = Desk(gateway)
        old = date(MONDAY.year - 2, 3, 2)
        await desk.punches(*(touch(pin, day, "09:00") for pin in "78" for day in (old, MONDAY)))
        before = await everything(desk)

        async def said() -> list[str]:
            told = await desk.ask("GET", "/health/full")
            assert (told["status"] == "degraded") or not told["archive"]
            found: list[str] = told["archive"]
            return found

        async def is_told() -> bool:
            return bool(await said())

        await until(is_told)
        assert f"punches older than {kept} months were not archived" in (await said())[0]
        assert hot(database) == 4
        folder.unlink()

        async def is_moved() -> bool:
            return hot(database) == 2 and not await said()

        await until(is_moved)
        clock.ahead = timedelta(days=31 * (kept + 1))
        desk.token = (await gateway.client.sign_in(ADMIN, PASSWORD)).access_token

        async def is_all_moved() -> bool:
            return hot(database) == 0

        await until(is_all_moved)
        assert await everything(desk) == before
        trail = (await desk.ask("GET", "/v1/audit", params={"limit": 1000}))["items"]
    leaves = [(one["actor"], one["result"], one["scope"]) for one in trail if one["operation"] == "archive punches"]
    scope = {"months": str(kept)}
    assert [leaf for leaf in leaves if leaf[1] == "200"] == [("process:gateway", "200", scope)] * 2, "one a file"
    assert [leaf[1] for leaf in leaves if leaf[1] != "200"] == ["503 archive.unreachable"], "one for all tries"


def test_months_without_an_archive_are_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="a folder or a bucket where older punches go"):
        GatewaySettings.model_validate({"archive_months": 13})
