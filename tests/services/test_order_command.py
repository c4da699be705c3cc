"""`biometric-flow order` as an operator uses it, against a running place."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.cli import main
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.test_push_commands import configured_place

CAIRO = ZoneInfo("Africa/Cairo")
Order = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def order(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Order:
    async def run(config: Path, environment: dict[str, str], *what: str, as_json: bool = True) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        flags = ["order", "--place", "cairo", "--config", str(config), *(["--json"] if as_json else [])]
        code = await asyncio.to_thread(main, [*flags, *what])
        return (code, *capsys.readouterr())

    return run


async def test_a_changed_terminal_is_confirmed_and_given_a_key_from_the_command_line(
    tmp_path: Path, order: Order
) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path / "data", [configured(terminal)]) as place:
            at = configured_place(tmp_path, place.url)
            await until(lambda: _is(place, "online"))
            code, _, said = await order(*at, "confirm", "gate")
            assert (code, "does not" in said) == (1, True)
            terminal.memory.options["~SerialNumber"] = "OTHER001"
            await terminal.fault("cut")
            await until(lambda: _is(place, "blocked"))
            code, out, said = await order(*at, "confirm", "gate", as_json=False)
            assert (code, "OTHER001" in out, "expected --serial OTHER001" in said) == (2, True, True)
            code, out, _ = await order(*at, "confirm", "gate", "--serial", "OTHER001")
            assert (code, document(out)["serial"]) == (0, "OTHER001")
            await until(lambda: _is(place, "online"))
            code, out, _ = await order(*at, "comm-key", "gate")
            assert (code, document(out)["state"], terminal.comm_key > 0) == (0, "confirmed", True)
            assert str(terminal.comm_key) not in out


async def test_jobs_files_and_rollouts_from_the_command_line(tmp_path: Path, order: Order) -> None:
    file = tmp_path / "firmware.bin"
    file.write_bytes(bytes(3_000_000))
    async with SimulatedTerminal(zone=CAIRO, drift=timedelta(minutes=9)) as terminal:
        async with running_place(tmp_path / "data", [configured(terminal)]) as place:
            at = configured_place(tmp_path, place.url)
            await until(lambda: _is(place, "online"))
            code, out, _ = await order(*at, "job", "gate", "unlock", "seconds=3")
            assert (code, document(out)["detail"]) == (0, "open for 3 s")
            code, out, _ = await order(*at, "put", str(file))
            blob = document(out)
            assert (code, blob["is_whole"], blob["title"]) == (0, True, "firmware.bin")
            code, out, _ = await order(*at, "blobs", as_json=False)
            assert (code, blob["id"] in out) == (0, True)
            code, out, _ = await order(*at, "rollout", "sync_time", "gate")
            rollout: dict[str, Any] = document(out)
            assert (code, rollout["state"]) == (0, "done")
            code, _, said = await order(*at, "rollout", "install_firmware", "gate", "--field", f"blob={blob['id']}")
            assert (code, "not possible over pull" in said) == (1, True)
            code, out, _ = await order(*at, "rollouts", as_json=False)
            assert (code, "sync_time  done   1 of 1" in out) == (0, True)
            assert (await order(*at, "show", str(rollout["number"])))[0] == 0
            code, _, said = await order(*at, "job", "gate", "explode")
            assert (code, said.startswith("biometric-flow: ")) == (1, True)


def document(out: str) -> Any:
    """The one JSON document in what was printed, between the lines that the place in this process logs."""
    return json.loads(out[out.index("{\n") : out.rindex("\n}\n") + 2])


async def _is(place: RunningPlace, state: str) -> bool:
    return bool((await place.terminal("gate"))["state"] == state)
