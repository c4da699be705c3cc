"""`biometric-flow`: one door per process. Prints for people; every process logs to standard error."""

import argparse
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from biometric_flow import __version__
from biometric_flow.runtime.errors import StartRefused

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0 is success, 2 a request that cannot be carried out, explained in one line."""
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

    gateway = commands.add_parser("gateway", help="all places: access, replicas, the public API (:9000)")
    _common(gateway, _gateway)

    dashboard = commands.add_parser("dashboard", help="the web pages (:8501)")
    _common(dashboard, _dashboard)

    secret = commands.add_parser("secret", help="print a new secret and its SHA-256, for places.json")
    secret.set_defaults(command=_secret)
    return parser


def _common(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.set_defaults(command=command)


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
