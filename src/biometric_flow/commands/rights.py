"""`biometric-flow access`: what each operation of the gateway asks for, and who may do what."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from biometric_flow.commands.screen import Screen
from biometric_flow.gateway.access import Operation


def add_access(parser: argparse.ArgumentParser) -> None:
    """The commands below `access`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    table = commands.add_parser("table", help="every operation with the permission and the scope that it asks for")
    table.add_argument("--json", action="store_true", help="one JSON document")
    table.set_defaults(command=_table)


def served() -> list[Operation]:
    """Every operation of the gateway, from the very app that serves them; nothing is started."""
    from biometric_flow.gateway.app import create_app
    from biometric_flow.gateway.settings import GatewaySettings
    from biometric_flow.runtime.clock import SystemClock
    from biometric_flow.runtime.places import PlacesFile

    place = {"id": "any", "tenant": "any", "name": "any", "zone": "UTC", "port": 1, "credential_sha256": "0" * 64}
    places = PlacesFile.model_validate({"tenants": [{"id": "any", "name": "any"}], "places": [place]})
    with TemporaryDirectory(prefix="biometric-flow-") as folder:
        settings = GatewaySettings.model_validate({"data": Path(folder)})
        return create_app(settings, places, SystemClock()).operations.listed


def _table(given: argparse.Namespace) -> int:
    rows = [
        {"method": one.method, "path": one.path, "permission": one.permission.value, "scope": one.narrowest}
        for one in served()
    ]
    screen = Screen()
    if given.json:
        screen.document(rows)
    else:
        screen.table(("method", "path", "permission", "scope"), [tuple(row.values()) for row in rows])
    return 0
