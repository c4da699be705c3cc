"""`biometric-flow order`: tells a running place what to do with its terminals, and waits until they confirmed."""

import argparse
import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2

from biometric_flow.api.rollouts import BLOB_MAX, PIECE_MAX
from biometric_flow.commands.connection import UsageRefused
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.text import shown
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import find_place
from biometric_flow.runtime.settings import load_settings

CONFIRMED, NOT_CONFIRMED, NOT_POSSIBLE = 0, 1, 2

_LOOK_SECONDS: Final = 0.5
_FIELDS: Final = ("serial", "firmware", "platform", "mac")


class PlaceRefused(Exception):
    """The place said no, with its reason."""


class PlaceTalk:
    """The interface of a running place."""

    def __init__(self, given: argparse.Namespace) -> None:
        settings = load_settings(
            PlaceSettings, "place", given.config, os.environ, instance=f"place-{given.place}", id=given.place
        )
        entry = find_place(given.config, settings.id)
        self._http = httpx2.Client(
            base_url=f"http://{settings.host or entry.host}:{settings.port or entry.port}",
            headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
            timeout=30,
        )

    def ask(self, method: str, path: str, *, body: object = None, content: bytes | None = None) -> Any:
        """The answer. Raises PlaceRefused, or StartRefused when no place answers."""
        try:
            answer = self._http.request(method, path, json=body, content=content)
        except httpx2.HTTPError as error:
            raise StartRefused(f"expected the place to run at {self._http.base_url}, got: {error}") from None
        if answer.is_error:
            try:
                detail = str(answer.json()["detail"])
            except (ValueError, KeyError, TypeError):
                detail = answer.text[:200]
            raise PlaceRefused(detail)
        return answer.json() if answer.content else None


Action = Callable[[argparse.Namespace, PlaceTalk, Screen], int]


def add_order(parser: argparse.ArgumentParser) -> None:
    """The commands below `order`."""
    parser.epilog = "Ends with 0 when confirmed, 1 when the place or a terminal said no, 2 when it could not be asked."
    parser.add_argument("--place", required=True, metavar="ID", help="which place of places.json")
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    commands = parser.add_subparsers(required=True, metavar="WHAT")

    def command(name: str, action: Action) -> argparse.ArgumentParser:
        about = (action.__doc__ or "").partition("\n")[0]
        sub = commands.add_parser(name, help=about.rstrip("."), description=about)
        sub.set_defaults(command=lambda given: _run(action, given))
        return sub

    confirm = command("confirm", confirm_terminal)
    confirm.add_argument("terminal", metavar="KEY")
    confirm.add_argument("--serial", help="its serial number as it says now, once you looked at it")
    key = command("comm-key", comm_key)
    key.add_argument("terminal", metavar="KEY")
    job = command("job", run_job)
    job.add_argument("terminal", metavar="KEY")
    job.add_argument("kind", metavar="KIND", help="such as sync_time, pull_again, push_users")
    job.add_argument("fields", nargs="*", type=_field, metavar="NAME=VALUE", help="such as seconds=5")
    put = command("put", put_blob)
    put.add_argument("file", type=Path, metavar="FILE")
    put.add_argument("--title", default="", help="for people (default: the file's name)")
    command("blobs", list_blobs)
    rollout = command("rollout", start_rollout)
    rollout.add_argument("kind", metavar="KIND", help="such as install_firmware, set_comm_key")
    rollout.add_argument("terminals", nargs="+", metavar="KEY", help="the first goes first, alone")
    rollout.add_argument("--field", action="append", default=[], type=_field, metavar="NAME=VALUE")
    rollout.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    command("rollouts", list_rollouts)
    for name, action in (("show", show_rollout), ("stop", stop_rollout), ("resume", resume_rollout)):
        command(name, action).add_argument("number", type=int, metavar="NUMBER")


def confirm_terminal(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Confirm that a terminal which is not what was enrolled is on purpose."""
    told = place.ask("GET", f"/v1/terminals/{given.terminal}")
    seen = told["unconfirmed"]
    if seen is None:
        raise PlaceRefused(f"expected a terminal that waits for confirmation, {given.terminal} does not")
    if not screen.as_json:
        screen.table(("", "IT SAYS NOW"), [(name, str(seen[name]) or "-") for name in _FIELDS])
    if given.serial != seen["serial"]:
        raise UsageRefused(f"expected --serial {shown(seen['serial'])}, after a look at the terminal; nothing was done")
    view = place.ask("POST", f"/v1/terminals/{given.terminal}/confirm", body=seen)
    if screen.as_json:
        screen.document({"confirmed": given.terminal, **seen})
    else:
        screen.say(f"confirmed {given.terminal}: {shown(view['serial'])}; it is read now")
    return CONFIRMED


def comm_key(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Give a terminal a comm key of its own."""
    return _job(given.terminal, {"kind": "set_comm_key"}, place, screen)


def run_job(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Any job of a terminal, waited for."""
    return _job(given.terminal, {"kind": given.kind, **dict(given.fields)}, place, screen)


def put_blob(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Register a file for terminals; prints the id that orders name it by."""
    try:
        with given.file.open("rb") as source:
            data = source.read(BLOB_MAX + 1)
    except OSError as problem:
        raise UsageRefused(f"cannot read {given.file}: {problem.strerror}") from None
    title = given.title or given.file.name
    digest = hashlib.sha256(data).hexdigest()
    blob = place.ask("POST", "/v1/blobs", body={"title": title[:80], "size": len(data), "sha256": digest})
    with screen.progress("sending") as progress:
        for start in range(0, len(data), PIECE_MAX):
            piece = data[start : start + PIECE_MAX]
            blob = place.ask("PUT", f"/v1/blobs/{blob['id']}/{start}", content=piece)
            if progress:
                progress(blob["held"], len(data))
    if screen.as_json:
        screen.document(blob)
    else:
        screen.facts({"id": blob["id"], "title": title, "size": str(len(data)), "SHA-256": digest})
    return CONFIRMED


def list_blobs(_given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """The files that a place knows."""
    blobs = place.ask("GET", "/v1/blobs")
    if screen.as_json:
        screen.document({"blobs": blobs})
    else:
        rows = [(one["id"], one["title"], str(one["size"]), "whole" if one["is_whole"] else "parts") for one in blobs]
        screen.table(("ID", "TITLE", "BYTES", ""), rows, right=(2,))
    return CONFIRMED


def start_rollout(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Tell one terminal first, then the others one by one; stops at the first that does not confirm."""
    order = {"kind": given.kind, **dict(given.field)}
    rollout = place.ask("POST", "/v1/rollouts", body={"order": order, "terminals": given.terminals})
    while not given.no_wait and rollout["state"] == "running":
        _rest()
        rollout = place.ask("GET", f"/v1/rollouts/{rollout['number']}")
    return _show(rollout, screen)


def list_rollouts(_given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Roll-outs, newest first."""
    rollouts = place.ask("GET", "/v1/rollouts")
    if screen.as_json:
        screen.document({"rollouts": rollouts})
        return CONFIRMED
    rows = [
        (
            str(one["number"]),
            one["order"]["kind"],
            one["state"],
            f"{sum(step['state'] == 'confirmed' for step in one['steps'])} of {len(one['steps'])}",
            one["detail"],
        )
        for one in rollouts
    ]
    screen.table(("NUMBER", "ORDER", "STATE", "CONFIRMED", "WHY"), rows, right=(0,))
    return CONFIRMED


def show_rollout(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """One roll-out, terminal by terminal."""
    return _show(place.ask("GET", f"/v1/rollouts/{given.number}"), screen)


def stop_rollout(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Tell no further terminal."""
    _show(place.ask("POST", f"/v1/rollouts/{given.number}/stop"), screen)
    return CONFIRMED


def resume_rollout(given: argparse.Namespace, place: PlaceTalk, screen: Screen) -> int:
    """Go on where a roll-out stopped."""
    return _show(place.ask("POST", f"/v1/rollouts/{given.number}/resume"), screen)


def _job(terminal: str, order: dict[str, object], place: PlaceTalk, screen: Screen) -> int:
    job = place.ask("POST", f"/v1/terminals/{terminal}/jobs", body=order)
    while job["state"] in ("queued", "sent"):
        _rest()
        job = place.ask("GET", f"/v1/terminals/{terminal}/jobs/{job['number']}")
    if screen.as_json:
        screen.document(job)
    else:
        screen.say(f"{job['state']}: {shown(job['detail'])}")
    return CONFIRMED if job["state"] == "confirmed" else NOT_CONFIRMED


def _rest() -> None:
    asyncio.run(SystemClock().sleep(_LOOK_SECONDS))


def _show(rollout: dict[str, Any], screen: Screen) -> int:
    if screen.as_json:
        screen.document(rollout)
    else:
        screen.say(f"roll-out {rollout['number']} of {rollout['order']['kind']}: {rollout['state']}")
        rows = [(step["terminal"], step["state"], step["detail"]) for step in rollout["steps"]]
        screen.table(("TERMINAL", "STATE", "DETAIL"), rows)
    return NOT_CONFIRMED if rollout["state"] == "stopped" else CONFIRMED


def _run(action: Action, given: argparse.Namespace) -> int:
    screen = Screen(as_json=given.json)
    try:
        return action(given, PlaceTalk(given), screen)
    except PlaceRefused as problem:
        screen.note(f"biometric-flow: {shown(str(problem))}")
        return NOT_CONFIRMED
    except UsageRefused as problem:
        screen.note(f"biometric-flow: {shown(str(problem))}")
        return NOT_POSSIBLE


def _field(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text[:40]!r}")
    if value in ("true", "false"):
        return name, value == "true"
    return name, int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value
