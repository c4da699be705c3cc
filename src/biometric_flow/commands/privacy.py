"""`biometric-flow privacy` and `biometric-flow keys`: ask a running place to erase, export, or replace a key."""

import argparse
import os
import time
from typing import Any, Final

from biometric_flow.commands import gateway_keys
from biometric_flow.commands.asking import add_place, add_place_or_gateway, add_place_or_own_gateway, ask
from biometric_flow.commands.register import register
from biometric_flow.commands.retention import add_retention
from biometric_flow.commands.screen import Screen
from biometric_flow.place.files import files_of
from biometric_flow.runtime.errors import StartRefused

LOOK_SECONDS: Final = 0.5


def add_privacy(parser: argparse.ArgumentParser) -> None:
    """The commands below `privacy`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    erase = commands.add_parser("erase", help="destroy the keys and rows of a person; what was recorded still proves")
    add_place_or_gateway(erase)
    who = erase.add_mutually_exclusive_group(required=True)
    who.add_argument("--pin", help="whom, at a place")
    who.add_argument("--number", help="whom, at a gateway and all its places: the employee number")
    erase.add_argument("--reason", required=True, help="stands in the ledger, for ever: name nobody in it")
    erase.add_argument("--by", required=True, help="who decided it; stands in the ledger")
    erase.add_argument("--yes", action="store_true", required=True, help="there is no way back")
    erase.set_defaults(command=_erase)
    export = commands.add_parser("export", help="everything a place holds about a person, as one JSON document")
    add_place(export)
    export.add_argument("--pin", required=True)
    export.set_defaults(command=_export)
    add_retention(commands)
    show = commands.add_parser("register", help="register of processing (GDPR article 30) from the tags of all columns")
    show.add_argument("--json", action="store_true", help="one JSON document")
    show.set_defaults(command=_register)


def add_keys(parser: argparse.ArgumentParser) -> None:
    """The commands below `keys`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    status = commands.add_parser("status", help="how many keys, in which states, and what is left of rotations")
    add_place_or_own_gateway(status)
    status.set_defaults(command=_status)
    rotate = commands.add_parser(
        "rotate", help="replace the root key, the tenant key, or keys of owners, of a running place or of a gateway"
    )
    add_place_or_own_gateway(rotate)
    rotate.add_argument("--level", required=True, choices=("root", "tenant", "terminals", "people", "place"))
    rotate.add_argument("--wait", type=float, default=600, metavar="S", help="seconds to wait for its end (600)")
    rotate.set_defaults(command=_rotate)


def _erase(given: argparse.Namespace) -> int:
    if bool(given.gateway) != bool(given.number):
        raise StartRefused("expected --place with --pin, or --gateway with --number")
    who = {"number": given.number} if given.gateway else {"pin": given.pin}
    path = "/v1/privacy/erasures" if given.gateway else "/v1/erasures"
    screen, done = Screen(), ask(given, "POST", path, {**who, "reason": given.reason, "by": given.by})
    stays = done.pop("stays")
    screen.facts({name: str(value) for name, value in done.items()})
    if not stays:
        return 0
    rows = [(one["data"], one["why"], one["until"] or "the hold is ended") for one in stays]
    screen.table(("what stays", "why", "until"), rows)
    screen.note("note: the person is erased by itself once nothing of this is in the way")
    return 1


def _export(given: argparse.Namespace) -> int:
    Screen().document(ask(given, "GET", f"/v1/people/{given.pin}/export"))
    return 0


def _register(given: argparse.Namespace) -> int:
    screen = Screen(as_json=given.json)
    rows = register()
    if screen.as_json:
        screen.document(rows)
    else:
        head = ("kind of data", "about", "purpose", "kept", "protected by", "where")
        screen.table(head, [tuple(row[name] for name in _REGISTER) for row in rows])
    return 0


_REGISTER: Final = ("data", "about", "purpose", "kept", "protection", "columns")


def _status(given: argparse.Namespace) -> int:
    if given.gateway:
        return gateway_keys.status(given)
    _show(ask(given, "GET", "/v1/keys"))
    return 0


def _rotate(given: argparse.Namespace) -> int:
    if given.gateway:
        return gateway_keys.rotate(given)
    ask(given, "POST", "/v1/keys/rotations", {"level": given.level})
    until = time.monotonic() + given.wait
    while True:
        found = ask(given, "GET", "/v1/keys")
        if not any(one["is_running"] for one in found["rotations"] if one["level"] == given.level):
            _show(found)
            gateway_keys.note_closed_backups(
                given.level, files_of(given.config, os.environ, given.place).settings.root_home()
            )
            return 0
        if time.monotonic() > until:
            _show(found)
            Screen().note("note: it goes on by itself; `biometric-flow keys status` says what is left")
            return 1
        time.sleep(LOOK_SECONDS)


def _show(found: dict[str, Any]) -> None:
    screen = Screen()
    screen.table(("kind", "state", "keys"), [(one["kind"], one["state"], str(one["count"])) for one in found["keys"]])
    for one in found["rotations"]:
        said = f"under way, {one['left']} left" if one["is_running"] else "none under way"
        screen.say(f"rotation of the {one['level']} key: {said}")
