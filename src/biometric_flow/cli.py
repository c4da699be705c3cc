"""`biometric-flow`: one door per process. Prints for people; every process logs to standard error."""

import argparse
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from biometric_flow import __version__
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.process import watch_supervisor
from biometric_flow.supervisor.ports import Ports

Command = Callable[[argparse.Namespace], int]


Fill = Callable[[argparse.ArgumentParser], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0 is success, 2 a request that cannot be carried out, explained in one line."""
    watch_supervisor()
    wanted = sys.argv[1:] if arguments is None else arguments
    given = _parser(next((one for one in wanted if not one.startswith("-")), "")).parse_args(wanted)
    command: Command = given.command
    try:
        return command(given)
    except StartRefused as error:
        print(f"biometric-flow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser(chosen: str) -> argparse.ArgumentParser:
    """All commands by name, and the arguments of the chosen one: only its modules are loaded."""
    parser = argparse.ArgumentParser(prog="biometric-flow", description=__doc__)
    parser.add_argument("--version", action="version", version=f"biometric-flow {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (about, fill) in _COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name == chosen:
            fill(command)
    return parser


def _demo_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=Path("biometric-flow-data"), help="folder for everything it keeps")
    parser.add_argument(
        "--live",
        type=float,
        default=20,
        metavar="SECONDS",
        help="mean time between two punches of one terminal; 0 for none (default: 20)",
    )
    for name, default in asdict(Ports()).items():
        parser.add_argument(f"--{name}-port", type=int, default=default, help=f"default: {default}")
    parser.set_defaults(command=_demo)


def _up_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("--logs", type=Path, default=Path("biometric-flow-data/logs"), help="folder for the logs")
    parser.set_defaults(command=_up)


def _place_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--place", required=True, metavar="ID", help="which place of places.json this process is")
    _common(parser, _place)


def _import_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--place", required=True, metavar="ID", help="which place of places.json")
    parser.add_argument("--terminal", required=True, metavar="KEY", help="which terminal of that place wrote the file")
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.set_defaults(command=_import)


def _simulate_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.zk.simulator import main as simulator

    simulator.add_arguments(parser)
    parser.set_defaults(command=simulator.run)


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


def _ledger_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.ledger import add_ledger

    add_ledger(parser)


def _receipt_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.ledger import add_receipt

    add_receipt(parser)


def _backup_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.backup import add_backup

    add_backup(parser)


def _privacy_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.privacy import add_privacy

    add_privacy(parser)


def _witness_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.witness import add_witness

    add_witness(parser)


def _archive_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.archive import add_archive

    add_archive(parser)


def _keys_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.privacy import add_keys

    add_keys(parser)


def _terminal_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.terminal import add_terminal

    add_terminal(parser)


def _discover_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.terminal import add_discover

    add_discover(parser)


def _access_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.rights import add_access

    add_access(parser)


def _policy_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.policy import add_policy

    add_policy(parser)


def _join_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.joining import add_join

    add_join(parser)


def _order_parser(parser: argparse.ArgumentParser) -> None:
    from biometric_flow.commands.order import add_order

    add_order(parser)


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


_COMMANDS: Final[Mapping[str, tuple[str, Fill]]] = {
    "demo": ("everything on this machine, with simulated terminals and a year of punches", _demo_parser),
    "up": ("the places, gateway and dashboard of a real configuration, on this machine", _up_parser),
    "place": ("one location: its terminals, its ledger (:8000 and up)", _place_parser),
    "gateway": ("all places: access, replicas, the public API (:9000)", partial(_common, command=_gateway)),
    "dashboard": ("the web pages (:8501)", partial(_common, command=_dashboard)),
    "terminal": ("ask or change one ZK terminal", _terminal_parser),
    "discover": ("find the ZK terminals of a network", _discover_parser),
    "join": ("let a place join its gateway, with a token", _join_parser),
    "order": ("tell a running place what to do with its terminals", _order_parser),
    "import": ("punches of a terminal's USB stick (attlog.dat) into a running place", _import_parser),
    "uploads": ("what pushing terminals sent to a running place, as it came", _uploads_parser),
    "policy": ("what punches amount to, why, and by which rules", _policy_parser),
    "access": ("who may do what at the gateway", _access_parser),
    "ledger": ("check a place's ledger offline", _ledger_parser),
    "receipt": ("check a receipt of a punch offline", _receipt_parser),
    "backup": ("encrypted backups: make, restore, rehearse", _backup_parser),
    "privacy": ("erase or export a person; register of processing", _privacy_parser),
    "archive": ("cold punches of a running gateway: make, list, check, bring back", _archive_parser),
    "keys": ("state and rotation of the keys of a place or gateway", _keys_parser),
    "witness": ("be the witness of somebody's log, as an auditor or another operator (:9100)", _witness_parser),
    "simulate": ("a ZK terminal made of software (:4370)", _simulate_parser),
    "secret": ("print a new secret and its SHA-256, for places.json", lambda it: it.set_defaults(command=_secret)),
}
"""Command -> what it does, and how its arguments are told."""


if __name__ == "__main__":
    sys.exit(main())
