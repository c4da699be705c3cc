"""One touch is one leaf, however often and over how many ways at once it comes."""

import asyncio
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2

from biometric_flow.place.push.intake import Upload
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.lone_place import usb_file
from tests.services.places import configured, seen_in, truth_of, until
from tests.services.pushes import SECRET, PushPlace, push_place, pushing

CAIRO = ZoneInfo("Africa/Cairo")
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 10)]


async def test_the_same_file_a_thousand_times_is_one_leaf_for_each_punch(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        file = usb_file(0, 20)
        first = (await place.http.post("/v1/terminals/door/import", content=file)).json()
        head = (await place.get("/health"))["head"]
        state = place.app.app.app.state.place
        for _ in range(1000):
            kept = await place.server.desk.intake.usb_file(Upload(state.roster.get("door"), file, {}))
            assert (kept.received, kept.duplicate) == (20, 20)
        assert first["accepted"] == 20
        assert (await place.get("/health"))["head"] == head
        assert len(await place.punches()) == 20


async def test_sixteen_tasks_of_four_kinds_at_one_terminal_make_one_leaf_for_each_punch(tmp_path: Path) -> None:
    async with SimulatedTerminal(serial="PUSH0001", users=PEOPLE, zone=CAIRO) as machine:
        pulled = configured(machine, "door").model_dump() | {"serial": "PUSH0001", "push_secret": SECRET}
        for number in range(40):
            await machine.punch(str(1 + number % 9), state=number // 9)
        async with push_place(tmp_path, [type(pushing()).model_validate(pulled)]) as place:
            await until(lambda: _holds(place, 40))
            tasks = [
                *(asyncio.create_task(_touch(machine, number)) for number in range(4)),
                *(asyncio.create_task(_carry(place, machine)) for _ in range(4)),
                *(asyncio.create_task(_push(place, machine)) for _ in range(4)),
                *(asyncio.create_task(_pull(place)) for _ in range(4)),
            ]
            await asyncio.gather(*tasks)
            await until(lambda: _holds(place, len(truth_of(machine))))
            seen = seen_in(await place.punches())
    assert len(seen) == len(set(seen)) >= 60
    assert set(seen) == truth_of(machine)


async def _touch(machine: SimulatedTerminal, number: int) -> None:
    for turn in range(6):
        await machine.punch(str(1 + number), state=10 + turn)
        await asyncio.sleep(0.05)


async def _carry(place: PushPlace, machine: SimulatedTerminal) -> None:
    for _ in range(6):
        answer = await place.http.post("/v1/terminals/door/import", content=_usb_lines(machine))
        assert answer.status_code == 200, answer.text


async def _push(place: PushPlace, machine: SimulatedTerminal) -> None:
    for _ in range(6):
        status, _ = await place.upload("ATTLOG", _lines(machine), "1")
        assert status == 200


async def _pull(place: PushPlace) -> None:
    for _ in range(3):
        answer: httpx2.Response = await place.http.post("/v1/terminals/door/jobs", json={"kind": "pull_again"})
        assert answer.status_code == 202, answer.text


def _lines(machine: SimulatedTerminal) -> bytes:
    rows = (f"{one.pin}\t{_time(one)}\t{one.state}\t1\t0\t0\t0\n" for one in machine.truth())
    return "".join(rows).encode()


def _usb_lines(machine: SimulatedTerminal) -> bytes:
    rows = (f"{one.pin:>9}\t{_time(one)}\t1\t{one.state}\t1\t0\r\n" for one in machine.truth())
    return "".join(rows).encode()


def _time(punch: StoredPunch) -> str:
    return punch.time.text().replace("T", " ")


async def _holds(place: PushPlace, count: int) -> bool:
    return len(await place.punches()) >= count
