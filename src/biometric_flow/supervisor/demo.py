"""`biometric-flow demo`: three places, six simulated terminals, a year of punches, on one machine with one command."""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from biometric_flow.api.clients import BlockingGatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.process import bind, hold, usable_folder
from biometric_flow.supervisor import history, people
from biometric_flow.supervisor.ports import Ports, each_once
from biometric_flow.supervisor.settling import read_company, settle
from biometric_flow.supervisor.tree import Child, Tree

TENANT: Final = "demo"
EMAIL: Final = "demo@example.com"
PASSWORD: Final = "demo-only-password"  # noqa: S105 - refused by every process that is not the demo
FREE_BYTES: Final = 300 * 1024 * 1024
HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class DemoTerminal:
    """One simulated terminal."""

    key: str
    name: str
    profile: str
    serial: str
    comm_key: int = 0
    drift: float = 0.0


@dataclass(frozen=True, slots=True)
class DemoPlace:
    """One place of the demo."""

    id: str
    name: str
    zone: str
    names: tuple[str, ...]
    terminals: tuple[DemoTerminal, ...]


PLACES: Final = (
    DemoPlace(
        "cairo",
        "Cairo plant",
        "Africa/Cairo",
        people.CAIRO,
        (
            DemoTerminal("cairo-gate", "Main gate", "tft", "CAI2110470001"),
            DemoTerminal("cairo-hall", "Assembly hall", "vl49", "CAI2240880002", drift=4),
        ),
    ),
    DemoPlace(
        "dhaka",
        "Dhaka mill",
        "Asia/Dhaka",
        people.DHAKA,
        (
            DemoTerminal("dhaka-gate", "North gate", "tft", "DAC2010330003", comm_key=482916),
            DemoTerminal("dhaka-floor", "Weaving floor", "vl49", "DAC2310220004"),
        ),
    ),
    DemoPlace(
        "mexico",
        "Ciudad de México depot",
        "America/Mexico_City",
        people.MEXICO,
        (
            DemoTerminal("mexico-gate", "Entrada", "tft", "MEX2150910005", drift=-38),
            DemoTerminal("mexico-dock", "Andén 2", "zk6", "MEX0960120006"),
        ),
    ),
)


def run_demo(data: Path, ports: Ports, live_seconds: float, say: Callable[[str], None]) -> int:
    """Run the demo until it is told to stop. Raises StartRefused before anything is started when it cannot run."""
    folder = usable_folder(data.resolve())
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise FolderUnusable(
            f"{folder} has {free >> 20} MiB left, the demo needs {FREE_BYTES >> 20}: free some space or use --data"
        )
    with hold(folder):
        for port in each_once(_wanted_ports(ports)):
            bind(HOST, port, "an option of `biometric-flow demo`, see --help").close()
        asyncio.run(_run(folder, ports, live_seconds, say))
    return 0


async def _run(folder: Path, ports: Ports, live_seconds: float, say: Callable[[str], None]) -> None:
    expected = write_terminals(folder / "terminals", SystemClock().now())
    write_config(folder, ports)
    tree = Tree(folder / "logs", SystemClock(), say)
    say(f"BiometricFlow-ZK demo. All its data are in {folder}")
    say("Starting 6 simulated terminals, 3 places, the gateway and the dashboard ...")
    guide = asyncio.create_task(_guide(folder, ports, expected, live_seconds, tree, say))
    guide.add_done_callback(lambda task: None if task.cancelled() or not task.exception() else tree.stop())
    try:
        await tree.run(_children(folder, ports))
    finally:
        guide.cancel()
        with suppress(asyncio.CancelledError):
            await guide
    say("Everything has stopped. The next start goes on from here.")


def _wanted_ports(ports: Ports) -> list[tuple[str, int]]:
    terminals = [terminal for place in PLACES for terminal in place.terminals]
    return [
        ("the gateway", ports.gateway),
        ("the dashboard", ports.dashboard),
        *((f"place {place.id}", ports.place + index) for index, place in enumerate(PLACES)),
        *((_child_name(terminal), ports.terminal + index) for index, terminal in enumerate(terminals)),
        *(
            (f"the control of {_child_name(terminal)}", ports.control + index)
            for index, terminal in enumerate(terminals)
        ),
    ]


def _children(folder: Path, ports: Ports) -> list[Child]:
    config = str(folder / "config")
    children = []
    pairs = [(place, terminal) for place in PLACES for terminal in place.terminals]
    for index, (place, terminal) in enumerate(pairs):
        files = folder / "terminals" / terminal.key
        arguments = [
            "simulate", "--host", HOST, "--port", str(ports.terminal + index),
            "--control-port", str(ports.control + index), "--profile", terminal.profile, "--serial", terminal.serial,
            "--name", terminal.name, "--comm-key", str(terminal.comm_key), "--zone", place.zone,
            "--drift", str(terminal.drift), "--users", f"{files}.users", "--attlog", f"{files}.attlog",
            "--journal", f"{files}.journal",
        ]  # fmt: skip
        children.append(Child(_child_name(terminal), arguments))
    children += [Child(f"place {place.id}", ["place", "--config", config, "--place", place.id]) for place in PLACES]
    children.append(Child("gateway", ["gateway", "--config", config]))
    children.append(Child("dashboard", ["dashboard", "--config", config]))
    return children


async def _guide(
    folder: Path, ports: Ports, expected: int, live_seconds: float, tree: Tree, say: Callable[[str], None]
) -> None:
    """Tell what happens, and let people punch once the past has arrived."""
    clock = SystemClock()
    started = clock.monotonic()
    await _until_held(f"http://{HOST}:{ports.gateway}", expected, partial(_welcome, folder, ports, say), say)
    say(f"  all {expected:,} punches of the year have arrived, {clock.monotonic() - started:.0f} s after the start")
    account, files = (EMAIL, PASSWORD), folder / "terminals"
    found = await asyncio.to_thread(read_company, files, _terminals(), {place.id: place.name for place in PLACES})
    workdays = await settle(f"http://{HOST}:{ports.gateway}", account, found)
    say(f"  {workdays:,} workdays of their people are computed, {clock.monotonic() - started:.0f} s after the start")
    if live_seconds > 0:
        say("People punch live now. Ctrl-C stops everything.")
        await _keep_live(tree, ports, live_seconds)


async def _until_held(url: str, expected: int, welcome: Callable[[], None], say: Callable[[str], None]) -> None:
    """Ask the gateway how many punches it holds until it holds them all."""
    told = -1
    with BlockingGatewayClient(url) as client:
        while True:
            try:
                if told < 0:
                    await asyncio.to_thread(client.sign_in, EMAIL, PASSWORD)
                    welcome()
                held = (await asyncio.to_thread(client.punch_count)).count
            except (GatewayUnreachable, GatewayProblem):
                await asyncio.sleep(1)
                continue
            if held >= expected:
                return
            if held != told:
                say(f"  {held:,} of {expected:,} punches have arrived")
            told = held
            await asyncio.sleep(1)


def _welcome(folder: Path, ports: Ports, say: Callable[[str], None]) -> None:
    say(f"  dashboard  http://{HOST}:{ports.dashboard}   sign in as {EMAIL} with {PASSWORD}")
    say(f"  gateway    http://{HOST}:{ports.gateway}/health")
    for index, place in enumerate(PLACES):
        say(f"  {place.name:<10} http://{HOST}:{ports.place + index}/health")
    say(f"  logs       {folder / 'logs'}")


async def _keep_live(tree: Tree, ports: Ports, every: float) -> None:
    """Tell each terminal once to punch by itself, and again when it was started again."""
    told: dict[str, int] = {}
    while True:
        for index, terminal in enumerate(terminal for place in PLACES for terminal in place.terminals):
            pid = tree.pids.get(_child_name(terminal))
            if pid is not None and told.get(terminal.key) != pid and await _punch_live(ports.control + index, every):
                told[terminal.key] = pid
        await asyncio.sleep(2)


async def _punch_live(port: int, every: float) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(json.dumps({"do": "live", "every": every}).encode() + b"\n")
            answer = await reader.readline()
            writer.close()
            return bool(answer)
    return False


def _child_name(terminal: DemoTerminal) -> str:
    return f"terminal {terminal.key}"


def write_terminals(folder: Path, now: datetime) -> int:
    """Each terminal's people and punches, written once; how many punches the terminals hold in files of the year."""
    folder.mkdir(parents=True, exist_ok=True)
    terminals = _terminals()
    keys = [key for of_place in terminals.values() for key in of_place]
    source = resources.files("biometric_flow.supervisor") / "demo_data" / "attlog-year-2015.dat"
    rows = history.parse(source.read_text(encoding="utf-8"))
    if not (folder / "complete").exists():
        place_of = history.deal([row.pin for row in rows], list(terminals))
        zones = {place.id: ZoneInfo(place.zone) for place in PLACES}
        spread = history.spread(history.shift(rows, place_of, zones, now), place_of, terminals)
        for key in keys:
            (folder / f"{key}.attlog").write_text("".join(row.line() for row in spread[key]), encoding="utf-8")
        for place in PLACES:
            pins = sorted((pin for pin, at in place_of.items() if at == place.id), key=int)
            users = "".join(f"{pin},{name},0,0\n" for pin, name in zip(pins, place.names, strict=False))
            for terminal in place.terminals:
                (folder / f"{terminal.key}.users").write_text(f"pin,name,card,privilege\n{users}", encoding="utf-8")
        (folder / "complete").touch()
    return len(rows)


def _terminals() -> dict[str, list[str]]:
    return {place.id: [terminal.key for terminal in place.terminals] for place in PLACES}


def write_config(folder: Path, ports: Ports) -> None:
    """The configuration that the processes read; secrets are made once and kept in files that only we may read."""
    config, keys = folder / "config", _secrets(folder / "secrets.json")
    places = []
    index = 0
    for number, place in enumerate(PLACES):
        credential, api_key = keys[f"{place.id} credential"], keys[f"{place.id} api key"]
        places.append(
            {
                "id": place.id,
                "tenant": TENANT,
                "name": place.name,
                "zone": place.zone,
                "port": ports.place + number,
                "credential_sha256": hashlib.sha256(credential.encode()).hexdigest(),
            }
        )
        devices = []
        for terminal in place.terminals:
            device: dict[str, Any] = {
                "key": terminal.key, "name": terminal.name, "host": HOST, "port": ports.terminal + index,
            }  # fmt: skip
            if terminal.comm_key:
                device["comm_key"] = str(terminal.comm_key)
            devices.append(device)
            index += 1
        _write(config / "devices" / f"{place.id}.json", json.dumps({"terminals": devices}, indent=2))
        _write_environment(
            config / "environments" / f"place-{place.id}.env",
            {
                "BIOMETRIC_FLOW_PLACE_DATA": str(folder),
                "BIOMETRIC_FLOW_PLACE_API_KEY": api_key,
                "BIOMETRIC_FLOW_PLACE_GATEWAY_URL": f"http://{HOST}:{ports.gateway}",
                "BIOMETRIC_FLOW_PLACE_GATEWAY_CREDENTIAL": credential,
                "BIOMETRIC_FLOW_PLACE_BACKOFF_MAX_SECONDS": "5",
                "BIOMETRIC_FLOW_PLACE_BLOCKED_RETRY_SECONDS": "15",
            },
        )
    tenants = [{"id": TENANT, "name": "Nile Delta Textiles (demo)"}]
    _write(config / "places.json", json.dumps({"tenants": tenants, "places": places}, indent=2, ensure_ascii=False))
    _write_environment(
        config / "environments" / "gateway.env",
        {
            "BIOMETRIC_FLOW_GATEWAY_DEMO": "true",
            "BIOMETRIC_FLOW_GATEWAY_DATA": str(folder / "gateway"),
            "BIOMETRIC_FLOW_GATEWAY_PORT": str(ports.gateway),
            "BIOMETRIC_FLOW_GATEWAY_ADMIN_EMAIL": EMAIL,
            "BIOMETRIC_FLOW_GATEWAY_ADMIN_PASSWORD": PASSWORD,
        },
    )
    _write_environment(
        config / "environments" / "dashboard.env",
        {
            "BIOMETRIC_FLOW_DASHBOARD_PORT": str(ports.dashboard),
            "BIOMETRIC_FLOW_DASHBOARD_GATEWAY_URL": f"http://{HOST}:{ports.gateway}",
        },
    )


def _secrets(path: Path) -> Mapping[str, str]:
    if path.exists():
        kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    made = {f"{place.id} {what}": secrets.token_urlsafe(32) for place in PLACES for what in ("credential", "api key")}
    _write(path, json.dumps(made))
    return made


def _write_environment(path: Path, variables: Mapping[str, str]) -> None:
    _write(path, "".join(f"{name}='{value}'\n" for name, value in variables.items()))


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
