"""`biometric-flow access`: what each operation of the gateway asks for, and who may do what."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from biometric_flow.api.access import AccountView, Why
from biometric_flow.api.joining import JoinToken
from biometric_flow.commands.break_glass import add_break_glass
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.signed_in import signed_in
from biometric_flow.gateway.access import Operation
from biometric_flow.identity.rbac import Permission
from biometric_flow.runtime.errors import StartRefused


def add_access(parser: argparse.ArgumentParser) -> None:
    """The commands below `access`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    table = commands.add_parser("table", help="every operation with the permission and the scope that it asks for")
    table.add_argument("--json", action="store_true", help="one JSON document")
    table.set_defaults(command=_table)
    why = commands.add_parser("why", help="may an account do something, and which of its grants decides that")
    why.add_argument("--account", required=True, metavar="EMAIL")
    why.add_argument("--permission", required=True, choices=sorted(Permission), metavar="PERMISSION")
    where = why.add_mutually_exclusive_group()
    where.add_argument("--place", metavar="ID", help="in one place; in the whole tenant when neither is named")
    where.add_argument("--department", metavar="ID", help="in a department with all below it")
    why.add_argument("--gateway", default="http://127.0.0.1:9000", metavar="URL", help="default: %(default)s")
    why.set_defaults(command=_why)
    token = commands.add_parser("join-token", help="a token with which a place may join, once, within an hour")
    token.add_argument("--place", required=True, metavar="ID")
    token.add_argument("--gateway", default="http://127.0.0.1:9000", metavar="URL", help="default: %(default)s")
    token.set_defaults(command=_join_token)
    add_break_glass(commands.add_parser("break-glass", help="the sealed role, opened by two persons for an hour"))


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


def _join_token(given: argparse.Namespace) -> int:
    with signed_in(given.gateway) as gateway:
        made = gateway.ask(JoinToken, "POST", f"/v1/places/{given.place}/join-token")
    Screen().say(made.token)
    return 0


def _why(given: argparse.Namespace) -> int:
    """0 when the account may, 1 when it may not."""
    with signed_in(given.gateway) as gateway:
        known = gateway.ask(list[AccountView], "GET", "/v1/accounts")
        named = [one for one in known if one.email == given.account.lower()]
        if not named:
            raise StartRefused(f"expected an account of this tenant, got {given.account!r}")
        query = {"permission": given.permission, "place": given.place, "department": given.department}
        answer = gateway.ask(Why, "GET", f"/v1/accounts/{named[0].id}/why", query)
    screen, asked = Screen(), f"{answer.permission} in {answer.scope.kind} {answer.scope.id or ''}".strip()
    screen.say(f"{given.account} {'may' if answer.allowed else 'may not'} use {asked}")
    if not named[0].is_enabled:
        screen.say("  no   the account is disabled")
    for reason in answer.reasons:
        screen.say(f"  {'yes' if reason.counts else 'no '}  {reason.text}")
    if not answer.reasons:
        screen.say("  no   nothing was granted to this account")
    return 0 if answer.allowed else 1


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
