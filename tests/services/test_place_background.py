"""What goes on at a place beside a request: it is nobody's doing, and a large upload leaves others their turn."""

import asyncio
from pathlib import Path

import pytest

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.places import until
from tests.services.pushes import SECRET, push_place, pushing
from tests.services.test_push import dialling, is_in, terminal
from tests.services.test_push_jobs import do

PUSHES = {"key": "door", "name": "Door", "protocol": "push", "serial": "PUSH0001", "push_secret": SECRET}
PULLED = {"key": "gate", "name": "Gate"}


async def test_what_a_request_starts_carries_no_request_in_its_log_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with SimulatedTerminal(serial="PULL0001") as pulled, terminal() as pushes, push_place(tmp_path) as place:
        for body in (PULLED | {"host": pulled.host, "port": pulled.port}, PUSHES):
            assert (await place.http.post("/v1/terminals", json=body)).status_code == 201
        async with dialling(place, pushes):
            await until(lambda: is_in(place, "online"))
            await until(lambda: is_in(place, "online", "gate"))
            assert (await do(place, "info"))[0] == "confirmed"
    lines = capsys.readouterr().out.splitlines()
    assert any("push_job_ended" in one for one in lines)
    assert [one for one in lines if "request_id" in one and ("push_job_ended" in one or "terminal=gate" in one)] == []


@pytest.mark.parametrize("table", ["OPERLOG", "ATTLOG"])
async def test_the_place_answers_while_an_upload_of_nothing_but_bad_lines_is_put_aside(
    tmp_path: Path, table: str
) -> None:
    body = b"".join(b"no line of any kind %d\n" % number for number in range(12_000))
    answers = 0
    other = {"secret": f"{SECRET}-other", "serial": "PUSH0002"}
    terminals = [pushing(), pushing("PUSH0002", "other", f"{SECRET}-other")]
    async with push_place(tmp_path, terminals) as place:
        upload = asyncio.create_task(place.upload(table, body))
        while not upload.done():
            assert (await place.http.get("/health")).status_code == 200
            answers += 1
            if answers == 1:
                punch = await place.dial("POST", "cdata?table=ATTLOG", b"7\t2026-03-02 08:00:00\t0\t1\n", **other)
                assert punch == (200, "OK: 1")
        assert await upload == (200, "OK: 12000")
        counters = (await place.terminal("door"))["counters"]
    assert counters["quarantined"] == 12_000
    assert answers >= 2, "a loop that is held answers once, when all is over"
