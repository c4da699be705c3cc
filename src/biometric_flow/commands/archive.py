"""`biometric-flow archive`: cold punches of a running gateway in Parquet files."""

import argparse
from typing import Any

from biometric_flow.commands.asking import add_gateway, ask
from biometric_flow.commands.screen import Screen


def add_archive(parser: argparse.ArgumentParser) -> None:
    """The commands below `archive`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    create = commands.add_parser("create", help="move punches that are older than so many months")
    create.add_argument("--months", type=int, required=True, help="whole months that stay where they are")
    create.set_defaults(command=_create)
    listed = commands.add_parser("list", help="one line a file")
    listed.set_defaults(command=_list)
    verify = commands.add_parser("verify", help="check every row against the ledger's tree; names the first bad one")
    verify.add_argument("--file", metavar="ID", help="this one only")
    verify.set_defaults(command=_verify)
    restore = commands.add_parser("restore", help="make a file's punches hot again")
    restore.add_argument("--file", metavar="ID", required=True)
    restore.set_defaults(command=_restore)
    for one in (create, listed, verify, restore):
        add_gateway(one)


def _create(given: argparse.Namespace) -> int:
    made: list[dict[str, Any]] = []
    is_more = True
    while is_more:
        done = ask(given, "POST", "/v1/archive/files", {"months": given.months})
        made, is_more = made + done["files"], done["is_more"]
    _print(made)
    return 0


def _list(given: argparse.Namespace) -> int:
    _print(ask(given, "GET", "/v1/archive/files"))
    return 0


def _verify(given: argparse.Namespace) -> int:
    screen = Screen()
    for one in ask(given, "GET", "/v1/archive/files"):
        if given.file in (None, one["id"]):
            found = ask(given, "GET", f"/v1/archive/files/{one['id']}/verified")
            signed = f"signed over {found['checkpoint']}" if found["checkpoint"] else "not signed yet"
            screen.say(
                f"{one['name']}: all {found['rows']} rows stand in the ledger of {found['entries']} entries, {signed};"
                f" {found['erased']} of people who were erased"
            )
    return 0


def _restore(given: argparse.Namespace) -> int:
    done = ask(given, "POST", f"/v1/archive/files/{given.file}/restore")
    Screen().say(f"{done['rows']} punches are hot again")
    return 0


def _print(files: list[dict[str, Any]]) -> None:
    head = ("file", "place", "month", "rows", "bytes", "locked until", "name")
    rows = [
        (
            one["id"], one["place"], one["month"][:7], str(one["rows"]), str(one["size"]),
            (one["locked_until"] or "")[:10], one["name"],
        )
        for one in files
    ]  # fmt: skip
    Screen().table(head, rows, right=(3, 4))
