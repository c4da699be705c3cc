"""Every command that meets a root key, with that key in a file, in a PKCS#11 token and in a key service (K1)."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from biometric_flow.cli import main
from biometric_flow.commands.asking import TOKEN_VARIABLE
from biometric_flow.runtime.postgres import EmbeddedPostgres
from biometric_flow.runtime.root_home import ROOT_FILE_NAME
from biometric_flow.runtime.sealed_file import new_identity
from tests.root_homes import RootHome
from tests.services.gateways import Chain, TestDatabase, places_file, running_gateway, touches
from tests.services.hours import Desk, person
from tests.services.lone_place import usb_file
from tests.services.places import API_KEY, RunningPlace, running_place, until
from tests.services.pushes import pushing

HOMES = ("file", "token", "service")
FILE, TOKEN, SERVICE = HOMES


class Shell:
    """Commands as somebody types them, each in a process of its own, or all in this one with what runs in it."""

    def __init__(self, config: Path, in_processes: bool, printed: pytest.CaptureFixture[str]) -> None:
        self.config, self._in_processes, self._printed = config, in_processes, printed
        self.noted = ""
        """What the last one noted beside its answer."""
        (config / "environments").mkdir(parents=True)
        (config / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")

    def set(self, file: str, *lines: str) -> None:
        """Write an environment file."""
        (self.config / "environments" / f"{file}.env").write_text("\n".join(lines), encoding="utf-8")

    async def __call__(self, *words: object) -> None:
        """Run one that has to end well."""
        command = [*map(str, words)]
        if command[:2] != ["receipt", "verify"]:
            command += ["--config", str(self.config)]
        if not self._in_processes:
            self._printed.readouterr()
            assert await asyncio.to_thread(main, command) == 0, command
            self.noted = self._printed.readouterr().err
            return
        program = [sys.executable, "-m", "biometric_flow.cli", *command]
        environment = dict(os.environ)
        ended = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True, env=environment)
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        self.noted = ended.stderr


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.drill)], ids=["here", "processes"])
def shell(request: pytest.FixtureRequest, passable: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    yield Shell(passable / "config", request.param, capsys)
    for cluster in passable.glob("*/postgres"):
        EmbeddedPostgres(cluster).stop()


def no_root_file(folder: Path, home: RootHome) -> bool:
    return home.name == "file" or not list(folder.rglob(ROOT_FILE_NAME))


@pytest.mark.parametrize("root_home", [pytest.param(FILE, marks=pytest.mark.drill), TOKEN, SERVICE], indirect=True)
async def test_a_place_does_with_it_all_that_a_place_does(root_home: RootHome, passable: Path, shell: Shell) -> None:
    identity, backups, mine = passable / "identity", passable / "backups", passable / "mine.tlog-proof"
    recipient, here = new_identity(identity), ("--place", "cairo")
    create = ("backup", "create", *here, "--to", backups, "--recipient", recipient)

    def settings(data: Path, port: int) -> None:
        own = [f"BIOMETRIC_FLOW_PLACE_{name}={value}" for name, value in (("DATA", data), ("PORT", port))]
        shell.set("place-cairo", *own, f"BIOMETRIC_FLOW_PLACE_API_KEY={API_KEY}", *root_home.lines("place"))

    async with running_place(passable / "old/places/cairo", [pushing()], **root_home.settings) as place:
        settings(passable / "old", _port(place.url))
        assert (await place.http.post("/v1/terminals/door/import", content=usb_file(0, 9))).status_code == 200
        key, proof = await _receipt(place)
        mine.write_text(proof, encoding="utf-8")
        for level in ("root", "tenant", "terminals", "people", "place"):
            await shell("keys", "rotate", *here, "--level", level, "--wait", "60")
            assert ("The old root key is destroyed" in shell.noted) == (level == "root" and root_home.name != FILE)
        await shell("keys", "status", *here)
        await shell("privacy", "export", *here, "--pin", "1")
        await shell(*create)
        await shell("privacy", "erase", *here, "--pin", "2", "--reason", "asked", "--by", "officer", "--yes")
        await shell("backup", "drill", *here, "--work", passable)
        await shell("ledger", "verify", *here)
        assert len(await place.punches()) == 8
    assert no_root_file(passable / "old", root_home)
    await shell("receipt", "verify", mine, "--place-key", key)
    await shell("ledger", "change-key", *here, "--by", "operator")
    await shell("ledger", "verify", *here)
    await shell(*create)
    shutil.rmtree(passable / "old")
    settings(passable / "new", 8000)
    await shell("backup", "restore", *here, "--from", backups, "--identity", identity)
    await shell("ledger", "verify", *here)
    async with running_place(passable / "new/places/cairo", [pushing()], **root_home.settings) as place:
        assert (await place.http.post("/v1/terminals/door/import", content=usb_file(9, 9))).status_code == 200
        assert len(await place.punches()) == 8 + 8, "an old touch of the erased one does not come back"
    assert no_root_file(passable / "new", root_home)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def _receipt(place: RunningPlace) -> tuple[str, str]:
    """The key of the place, and a receipt of a punch."""
    last = (await place.punches())[-1]
    told: list[str] = []

    async def is_there() -> bool:
        answer = await place.http.get(f"/v1/punches/{last['id']}/receipt")
        assert answer.status_code in {200, 404, 409, 503}, answer.text
        told.append(answer.text)
        return answer.status_code == 200

    await until(is_there)
    return (await place.http.get("/v1/ledger/key")).text.strip(), told[-1]


@pytest.mark.parametrize("root_home", [TOKEN, pytest.param(SERVICE, marks=pytest.mark.drill)], indirect=True)
async def test_two_gateways_of_one_machine_turn_its_keys_and_go_on(
    root_home: RootHome, tmp_path: Path, shell: Shell, database: TestDatabase
) -> None:
    chain = Chain()
    keys = {"keys": str(tmp_path / "keys"), **root_home.settings}
    lines = [f"BIOMETRIC_FLOW_GATEWAY_DATA={tmp_path / 'one'}", f"BIOMETRIC_FLOW_GATEWAY_KEYS={tmp_path / 'keys'}"]
    shell.set("gateway", *lines, *root_home.lines("gateway"))
    async with running_gateway(tmp_path / "one", database, **keys) as gateway:
        async with running_gateway(tmp_path / "two", database, **keys) as other:
            await gateway.uplink().upload(0, chain.add(*touches(5), *touches(5, pin="8")))
            for level in ("root", "tenant"):
                await shell("keys", "rotate", "--gateway", "--level", level)
                assert ("The old root key is destroyed" in shell.noted) == (level == "root")
            assert await other.count(pin="8") == 5
        await shell("keys", "status", "--gateway")
        await gateway.uplink().upload(10, chain.add(*touches(5, pin="9")))
    assert no_root_file(tmp_path, root_home)
    async with running_gateway(tmp_path / "one", database, **keys) as gateway:
        assert await gateway.count(pin="9") == 5


@pytest.mark.drill
@pytest.mark.parametrize("root_home", HOMES, indirect=True)
async def test_a_gateway_comes_back_from_a_backup_with_it(
    root_home: RootHome, passable: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, backups, old, new = (passable / name for name in ("identity", "backups", "old", "new"))
    recipient = new_identity(identity)

    def settings(data: Path) -> None:
        shell.set("gateway", f"BIOMETRIC_FLOW_GATEWAY_DATA={data}", *root_home.lines("gateway"))

    settings(old)
    async with running_gateway(old, None, **root_home.settings) as gateway:
        await gateway.uplink().upload(0, Chain().add(*touches(5), *touches(5, pin="8")))
        desk = Desk(gateway)
        await desk.ask("POST", "/v1/people", 201, json=person("E8", "8"))
        monkeypatch.setenv(TOKEN_VARIABLE, gateway.token)
        for level in ("root", "tenant"):
            await shell("keys", "rotate", "--gateway", "--level", level)
        await shell("keys", "status", "--gateway")
        await shell("backup", "create", "--gateway", "--to", backups, "--recipient", recipient)
        await shell("backup", "drill", "--gateway", "--work", passable)
        order = ("--gateway", gateway.url, "--number", "E8", "--reason", "asked", "--by", "officer", "--yes")
        await shell("privacy", "erase", *order)
        assert await gateway.count() == 5
    await shell("backup", "verify")
    assert no_root_file(old, root_home)
    settings(new)
    await shell("backup", "restore", "--gateway", "--from", backups, "--identity", identity)
    await shell("backup", "verify")
    async with running_gateway(new, None, **root_home.settings) as gateway:
        assert await gateway.count(pin="7") == 5
    assert no_root_file(new, root_home)
