"""A place that was alone for thirty days: it worked, and all of it arrives once, in order, when the line is back."""

import os
import resource
import time
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from biometric_flow.ledger.note import Checkpoint, Note
from biometric_flow.place.joined import LINK_KEY, NEXT_KEY
from biometric_flow.runtime.clock import SystemClock
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway, TestDatabase, running_gateway
from tests.services.hours import Desk
from tests.services.places import RunningPlace, running_place, until
from tests.services.pushes import pushing
from tests.services.test_gateway_erasure import verified
from tests.services.test_link import line_to
from tests.services.test_place_joining import joined, keep_key

DAYS, TOUCHES = 30, ("08:00", "12:00", "12:30", "17:00")


class MonthClock(SystemClock):
    """Begins a month ago and is moved on day by day; waiting is real."""

    behind = timedelta(days=DAYS)

    def now(self) -> datetime:
        return super().now() - self.behind


def day_of(clock: MonthClock, people: int) -> bytes:
    """What a terminal wrote on the day before, as a file that somebody carried over."""
    day = (clock.now() - timedelta(days=1)).date()
    rows = (f"{pin}\t{day} {touch}:{pin % 60:02}\t1\t0\t0\t0\r\n" for touch in TOUCHES for pin in range(1, people + 1))
    return "".join(rows).encode()


async def worked(place: RunningPlace, clock: MonthClock, people: int) -> None:
    """The punches of a day are taken, all of them, once."""
    answer = await place.http.post("/v1/terminals/door/import", content=day_of(clock, people), timeout=60)
    said = answer.json()
    assert (said["accepted"], said["quarantined"], said["duplicate"]) == (people * len(TOUCHES), 0, 0), said


async def is_signed(place: RunningPlace) -> bool:
    """Does the last checkpoint cover all entries?"""
    answer = await place.http.get("/v1/ledger/checkpoint")
    head = (await place.get("/health"))["head"]
    return answer.status_code == 200 and Checkpoint.parse(Note.parse(answer.text).text).size == head


async def is_cosigned(place: RunningPlace) -> bool:
    if not await is_signed(place):
        return False
    return len(Note.parse((await place.http.get("/v1/ledger/checkpoint")).text).signatures) > 1


async def own_size(desk: Desk) -> int:
    """How many checkpoints of places the gateway's own log holds."""
    answer = await desk.raw("GET", "/v1/ledger/checkpoint")
    return Checkpoint.parse(Note.parse(answer.text).text).size


async def signed_in(gateway: RunningGateway) -> Desk:
    return Desk(gateway, token=(await gateway.client.sign_in(ADMIN, PASSWORD)).access_token)


async def told(desk: Desk) -> list[tuple[str, str]]:
    """The punches of the gateway, newest first: who and when."""
    found: list[tuple[str, str]] = []
    query = "/v1/punches?limit=1000"
    page = await desk.ask("GET", query)
    while True:
        found += [(one["pin"], one["local_time"]) for one in page["items"]]
        if page["next_cursor"] is None:
            return found
        page = await desk.ask("GET", f"{query}&cursor={page['next_cursor']}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("people", [15, pytest.param(200, marks=pytest.mark.drill)])
async def test_a_month_alone_arrives_once_and_in_order(database: TestDatabase, tmp_path: Path, people: int) -> None:
    """Two keys end within that month: the place's own for its requests, and the gateway's of its sign-ins."""
    clock, folder, a_day = MonthClock(), tmp_path / "place", people * len(TOUCHES)
    async with running_gateway(tmp_path / "gateway", database, clock) as gateway, line_to(gateway) as line:
        folder.mkdir()
        keep_key(folder, await joined(gateway))
        os.utime(folder / LINK_KEY, (clock.now().timestamp() - 20 * 86_400,) * 2)

        def opened() -> AbstractAsyncContextManager[RunningPlace]:
            return running_place(folder, [pushing()], clock=clock, gateway_url=f"http://127.0.0.1:{line.port}")

        async with opened() as place:
            await worked(place, clock, people)
            await until(lambda: is_cosigned(place))
            checkpoints = await own_size(await signed_in(gateway))
            line.cut()
            for _ in range(DAYS // 2):
                clock.behind -= timedelta(days=1)
                await worked(place, clock, people)
        async with opened() as place:
            for _ in range(DAYS // 2):
                clock.behind -= timedelta(days=1)
                await worked(place, clock, people)
            await until(lambda: is_signed(place))
            health = await place.get("/health")
            assert (health["status"], health["gateway"], health["read_only"]) == ("degraded", "unreachable", "")
            assert health["backlog"] >= DAYS * a_day
            mine = [(one["pin"], one["local_time"]) for one in await place.punches()]
            assert len(mine) == len(set(mine)) == (DAYS + 1) * a_day
            assert (folder / NEXT_KEY).exists(), "the key of its requests is old by now"

            before, since = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
            await line.mend()
            await until(lambda: is_cosigned(place), 600)
            took = time.monotonic() - since
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            print(f"{DAYS * a_day} punches: {took:.1f} s, both processes in one grew by {grown:.0f} MB")
            await until(lambda: is_changed(folder))
        desk = await signed_in(gateway)
        theirs = await told(desk)
        assert len(theirs) == len(set(theirs))
        assert set(theirs) == set(mine)
        assert await own_size(desk) == checkpoints + 1, "one proof spans the month"
        assert (await verified(gateway)).entries == health["head"]
        newest, first = await desk.ask("GET", "/v1/places/cairo/keys")
        assert (newest["ends_at"], bool(first["ends_at"])) == (None, True)


async def is_changed(folder: Path) -> bool:
    return not (folder / NEXT_KEY).exists()
