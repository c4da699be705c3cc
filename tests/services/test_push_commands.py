"""The commands people run: import a file, and a simulated terminal that dials as a process of its own."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from biometric_flow.place.push.carry import run_import
from biometric_flow.place.push.uploads_command import RunningArchive
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.zk.simulator.control import ask_control
from tests.services.places import API_KEY, until
from tests.services.pushes import SECRET, push_place, pushing


async def test_a_usb_file_is_imported_into_the_running_place_by_one_command(tmp_path: Path) -> None:
    file = tmp_path / "1_attlog.dat"
    file.write_bytes(b"7\t2026-03-02 08:00:00\t1\t0\t1\t0\r\nno line\r\n8\t2026-03-02 08:01:00\t1\t0\t1\t0\r\n")
    said: list[str] = []
    async with push_place(tmp_path / "data", [pushing()]) as place:
        config, environment = configured_place(tmp_path, place.url)
        for _ in range(2):
            assert await asyncio.to_thread(run_import, config, environment, "cairo", "door", file, said.append) == 0
        assert len(await place.punches()) == 2
    assert [line.split(": ")[1].split(" (")[0] for line in said] == [
        "3 lines, 2 new punches, 0 known already, 1 put aside",
        "3 lines, 0 new punches, 3 known already, 0 put aside",
    ]


async def test_what_a_terminal_sent_is_listed_exported_and_replayed_by_one_command(tmp_path: Path) -> None:
    rows = b"7\t2026-03-02 08:00:00\t0\t1\t0\t0\t0\n"
    said: list[str] = []
    async with push_place(tmp_path / "data", [pushing()]) as place:
        await place.upload("ATTLOG", rows)
        config, environment = configured_place(tmp_path, place.url)

        def ask() -> None:
            with RunningArchive(config, environment, "cairo") as archive:
                archive.list("door", said.append)
                archive.export("door", tmp_path / "out", said.append)
                archive.replay(1, said.append)
                with pytest.raises(StartRefused, match="404"):
                    archive.replay(99, said.append)

        await asyncio.to_thread(ask)
    assert "1 new, 0 known, 0 aside" in said[0]
    assert (tmp_path / "out" / "00000001-attlog.txt").read_bytes() == rows
    assert json.loads((tmp_path / "out" / "index.jsonl").read_text())["accepted"] == 1
    assert said[2] == "upload 1: 1 lines, 0 new punches, 1 known already, 0 put aside"


def configured_place(folder: Path, url: str) -> tuple[Path, dict[str, str]]:
    """A configuration folder that names the running place, and the environment that goes with it."""
    config = folder / "config"
    config.mkdir()
    one = {"id": "cairo", "tenant": "demo", "name": "Cairo", "zone": "Africa/Cairo", "host": "127.0.0.1"}
    one |= {"port": url.rpartition(":")[2], "credential_sha256": "0" * 64}
    places = {"tenants": [{"id": "demo", "name": "Demo"}], "places": [one]}
    (config / "places.json").write_text(json.dumps(places))
    return config, {"BIOMETRIC_FLOW_PLACE_API_KEY": API_KEY}


async def test_a_simulated_terminal_dials_as_a_process_and_misbehaves_on_demand(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], push_poll_seconds=1) as place:
        flags = ["--port", "0", "--control-port", "0", "--serial", "PUSH0001", "--push", f"{place.push}/p/{SECRET}"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "biometric_flow.cli", "simulate", *flags, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(30):
                line = (await process.stdout.readline()).decode()
            control = int(line.rpartition(":")[2])
            await ask_control("127.0.0.1", control, {"do": "fault", "kind": "push_cut", "times": 1})
            assert (await ask_control("127.0.0.1", control, {"do": "punch", "pin": "7"}))["ok"]

            async def has_arrived() -> bool:
                return len(await place.punches()) == 1

            await until(has_arrived)
            await ask_control("127.0.0.1", control, {"do": "stop"})
            async with asyncio.timeout(10):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
