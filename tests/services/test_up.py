"""`biometric-flow up` with a real configuration."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.services.demos import free_ports
from tests.services.places import until

API_KEY = "k" * 43


def configuration(folder: Path, **gateway: str) -> tuple[Path, list[str]]:
    """A tenant with one place and no terminals, as docs/configuration.md tells people to write it; its addresses."""
    ports = free_ports()
    config = folder / "config"
    (config / "environments").mkdir(parents=True)
    place = {
        "id": "cairo",
        "tenant": "acme",
        "name": "Cairo plant",
        "zone": "Africa/Cairo",
        "port": ports.place,
    }
    (config / "places.json").write_text(json.dumps({"tenants": [{"id": "acme", "name": "Acme"}], "places": [place]}))
    environment(
        config,
        "place-cairo",
        "PLACE",
        data=str(folder / "data"),
        gateway_url=f"http://127.0.0.1:{ports.gateway}",
        api_key=API_KEY,
    )
    defaults = {"admin_email": "you@example.com", "admin_password": "a long enough sentence"}
    data = {"data": str(folder / "data" / "gateway"), "port": str(ports.gateway)}
    environment(config, "gateway", "GATEWAY", **{**defaults, **data, **gateway})
    gateway_url = f"http://127.0.0.1:{ports.gateway}"
    environment(config, "dashboard", "DASHBOARD", port=str(ports.dashboard), gateway_url=gateway_url)
    return config, [f"http://127.0.0.1:{port}/health" for port in (ports.place, ports.gateway, ports.dashboard)]


def environment(config: Path, name: str, process: str, **values: str) -> None:
    lines = (f"BIOMETRIC_FLOW_{process}_{key.upper()}='{value}'\n" for key, value in values.items())
    (config / "environments" / f"{name}.env").write_text("".join(lines))


def command(config: Path) -> list[str]:
    logs = config.parent / "logs"
    return [sys.executable, "-m", "biometric_flow.cli", "up", "--config", str(config), "--logs", str(logs)]


async def is_ok(address: str) -> bool:
    try:
        async with httpx2.AsyncClient(timeout=2) as http:
            return (await http.get(address)).json()["status"] == "ok"
    except (httpx2.HTTPError, ValueError):
        return False


def told(*words: str, **variables: str) -> str:
    """What a command says, with these variables."""
    given = {**os.environ, **{f"BIOMETRIC_FLOW_{name}": value for name, value in variables.items()}}
    run = subprocess.run(
        [sys.executable, "-m", "biometric_flow.cli", *words], env=given, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


async def test_a_real_configuration_runs_lets_its_place_join_and_stops_whole(passable: Path) -> None:
    """Also when its database hangs at the end, as on a slow disk: nothing of it goes on running."""
    config, addresses = configuration(passable)
    process = await asyncio.create_subprocess_exec(*command(config), stdout=asyncio.subprocess.DEVNULL)
    try:
        for address in addresses:
            await until(lambda address=address: is_ok(address), seconds=60)
        account = {"EMAIL": "you@example.com", "PASSWORD": "a long enough sentence"}
        asking = ("access", "join-token", "--place", "cairo", "--gateway", addresses[1].removesuffix("/health"))
        token = await asyncio.to_thread(told, *asking, **account)
        joining = ("join", "--place", "cairo", "--config", str(config))
        assert "cairo has joined" in await asyncio.to_thread(told, *joining, JOIN_TOKEN=token)
        assert (passable / "data" / "places" / "cairo" / "link-key.pem").exists()
        [checkpointer] = [one for one in of_database(passable) if "checkpointer" in " ".join(one.cmdline())]
        checkpointer.suspend()
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert of_database(passable) == []


def of_database(folder: Path) -> list[psutil.Process]:
    """The processes of the embedded PostgreSQL below a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"admin_password": "demo-only-password"}, "well-known default"),
        ({"admin_password": "short"}, "at least 12 characters"),
        ({"prot": "9000"}, "gateway.env: BIOMETRIC_FLOW_GATEWAY_PROT: expected a known key"),
    ],
)
def test_a_default_secret_or_a_wrong_key_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, str], told: str
) -> None:
    config, _ = configuration(tmp_path, **change)
    assert told in refusal(config)


def test_a_place_without_its_key_is_refused_in_one_line(tmp_path: Path) -> None:
    config, _ = configuration(tmp_path)
    (config / "environments" / "place-cairo.env").unlink()
    assert "place cairo: BIOMETRIC_FLOW_PLACE_API_KEY: expected a value, got none" in refusal(config)


def refusal(config: Path) -> str:
    result = subprocess.run(command(config), capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    return line
