"""`biometric-flow`: one door per process. Prints for people; every process logs to standard error."""

import argparse
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from biometric_flow import __version__
from biometric_flow.commands import backup as backup_commands
from biometric_flow.commands import ledger as ledger_commands
from biometric_flow.commands import order as order_commands
from biometric_flow.commands import policy as policy_commands
from biometric_flow.commands import privacy as privacy_commands
from biometric_flow.commands import terminal as terminal_commands
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.process import watch_supervisor
from biometric_flow.supervisor.ports import Ports
from biometric_flow.zk.simulator import main as simulator

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0 is success, 2 a request that cannot be carried out, explained in one line."""
    watch_supervisor()
    parser = _parser()
    given = parser.parse_args(arguments)
    command: Command = given.command
    try:
        return command(given)
    except StartRefused as error:
        print(f"biometric-flow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="biometric-flow", description=__doc__)
    parser.add_argument("--version", action="version", version=f"biometric-flow {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo", help="everything on this machine, with simulated terminals and a year of punches"
    )
    demo.add_argument("--data", type=Path, default=Path("biometric-flow-data"), help="folder for everything it keeps")
    demo.add_argument(
        "--live",
        type=float,
        default=20,
        metavar="SECONDS",
        help="mean time between two punches of one terminal; 0 for none (default: 20)",
    )
    for name, default in asdict(Ports()).items():
        demo.add_argument(f"--{name}-port", type=int, default=default, help=f"default: {default}")
    demo.set_defaults(command=_demo)

    up = commands.add_parser("up", help="the places, gateway and dashboard of a real configuration, on this machine")
    up.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    up.add_argument("--logs", type=Path, default=Path("biometric-flow-data/logs"), help="folder for the logs")
    up.set_defaults(command=_up)

    place = commands.add_parser("place", help="one location: its terminals, its ledger (:8000 and up)")
    place.add_argument("--place", required=True, metavar="ID", help="which place of places.json this process is")
    _common(place, _place)

    carry = commands.add_parser("import", help="punches of a terminal's USB stick (attlog.dat) into a running place")
    carry.add_argument("--place", required=True, metavar="ID", help="which place of places.json")
    carry.add_argument("--terminal", required=True, metavar="KEY", help="which terminal of that place wrote the file")
    carry.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    carry.add_argument("file", type=Path, metavar="FILE")
    carry.set_defaults(command=_import)

    _uploads_parser(commands.add_parser("uploads", help="what pushing terminals sent to a running place, as it came"))

    gateway = commands.add_parser("gateway", help="all places: access, replicas, the public API (:9000)")
    _common(gateway, _gateway)

    dashboard = commands.add_parser("dashboard", help="the web pages (:8501)")
    _common(dashboard, _dashboard)

    simulate = commands.add_parser("simulate", help="a ZK terminal made of software (:4370)")
    simulator.add_arguments(simulate)
    simulate.set_defaults(command=simulator.run)

    ledger_commands.add_ledger(commands.add_parser("ledger", help="check a place's ledger offline"))
    ledger_commands.add_receipt(commands.add_parser("receipt", help="check a receipt of a punch offline"))

    backup_commands.add_backup(commands.add_parser("backup", help="encrypted backups: make, restore, rehearse"))

    privacy_commands.add_privacy(
        commands.add_parser("privacy", help="erase or export a person; register of processing")
    )
    privacy_commands.add_keys(commands.add_parser("keys", help="state and rotation of a place's keys"))

    terminal_commands.add_terminal(commands.add_parser("terminal", help="ask or change one ZK terminal"))
    terminal_commands.add_discover(commands.add_parser("discover", help="find the ZK terminals of a network"))
    policy_commands.add_policy(commands.add_parser("policy", help="what punches amount to, why, and by which rules"))

    order_commands.add_order(commands.add_parser("order", help="tell a running place what to do with its terminals"))

    secret = commands.add_parser("secret", help="print a new secret and its SHA-256, for places.json")
    secret.set_defaults(command=_secret)
    return parser


def _uploads_parser(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    listed = commands.add_parser("list", help="one line an upload, newest first")
    export = commands.add_parser("export", help="each body as a file, and an index")
    again = commands.add_parser("replay", help="take one in again; nothing is new unless it had been lost")
    for one in (listed, export, again):
        one.add_argument("--place", required=True, metavar="ID", help="which place of places.json")
        one.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
        one.set_defaults(command=_uploads)
    for one in (listed, export):
        one.add_argument("--terminal", required=True, metavar="KEY", help="which terminal of that place")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    export.add_argument("folder", type=Path, metavar="FOLDER")
    again.add_argument("number", type=int, metavar="NUMBER")


def _common(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.set_defaults(command=command)


def _say(line: str) -> None:
    print(line, flush=True)


def _demo(given: argparse.Namespace) -> int:
    from biometric_flow.supervisor.demo import run_demo

    ports = Ports(**{name: getattr(given, f"{name}_port") for name in asdict(Ports())})
    return run_demo(given.data, ports, given.live, _say)


def _up(given: argparse.Namespace) -> int:
    from biometric_flow.supervisor.up import run_up

    return run_up(given.config, given.logs, _say)


def _place(given: argparse.Namespace) -> int:
    from biometric_flow.place.app import run

    return run(given.config, os.environ, given.place, host=given.host, port=given.port)


def _import(given: argparse.Namespace) -> int:
    from biometric_flow.place.push.carry import run_import

    return run_import(given.config, os.environ, given.place, given.terminal, given.file, _say)


def _uploads(given: argparse.Namespace) -> int:
    from biometric_flow.place.push.uploads_command import RunningArchive

    with RunningArchive(given.config, os.environ, given.place) as archive:
        if "number" in given:
            return archive.replay(given.number, _say)
        if "folder" in given:
            return archive.export(given.terminal, given.folder, _say)
        return archive.list(given.terminal, _say, as_json=given.json)


def _gateway(given: argparse.Namespace) -> int:
    from biometric_flow.gateway.app import run

    return run(given.config, os.environ, host=given.host, port=given.port)


def _dashboard(given: argparse.Namespace) -> int:
    from biometric_flow.dashboard.asgi import run

    return run(given.config, os.environ, host=given.host, port=given.port)


def _secret(_given: argparse.Namespace) -> int:
    value = secrets.token_urlsafe(32)
    print(f"secret  {value}\nsha256  {hashlib.sha256(value.encode()).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
