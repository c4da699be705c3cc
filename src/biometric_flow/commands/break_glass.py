"""`biometric-flow access break-glass`: ask for the sealed role, open it for somebody, end it, review it."""

import argparse

from biometric_flow.api.access import AccountView
from biometric_flow.api.break_glass import BreakGlassView
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.signed_in import signed_in


def add_break_glass(parser: argparse.ArgumentParser) -> None:
    """The commands below `access break-glass`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    ask = commands.add_parser("ask", help="ask that it is opened for you; somebody else has to open it")
    ask.add_argument("--reason", required=True, help="why; never name anybody")
    ask.add_argument("--minutes", type=int, default=60, help="at most 60 (default: 60)")
    approve = commands.add_parser("open", help="open it for who asked; everything they do then is recorded")
    end = commands.add_parser("end", help="end it before its time")
    review = commands.add_parser("review", help="say what was done under it, within 24 hours")
    review.add_argument("--text", required=True)
    for one in (approve, end, review):
        one.add_argument("--id", required=True, help="as `list` shows it")
    listed = commands.add_parser("list", help="its uses, newest first")
    steps = (ask, _ask), (approve, _open), (end, _end), (review, _review), (listed, _list)
    for one, command in steps:
        one.add_argument("--gateway", default="http://127.0.0.1:9000", metavar="URL", help="default: %(default)s")
        one.set_defaults(command=command)


def _ask(given: argparse.Namespace) -> int:
    return _do(given, "/v1/break-glass", {"reason": given.reason, "minutes": given.minutes})


def _open(given: argparse.Namespace) -> int:
    return _do(given, f"/v1/break-glass/{given.id}/approval")


def _end(given: argparse.Namespace) -> int:
    return _do(given, f"/v1/break-glass/{given.id}/end")


def _review(given: argparse.Namespace) -> int:
    return _do(given, f"/v1/break-glass/{given.id}/review", {"text": given.text})


def _do(given: argparse.Namespace, path: str, body: dict[str, object] | None = None) -> int:
    with signed_in(given.gateway) as gateway:
        done = gateway.ask(BreakGlassView, "POST", path, json=body)
    ends = {"until": done.ends_at.isoformat(timespec="minutes")} if done.ends_at else {}
    Screen().facts({"id": str(done.id), "status": done.status, **ends})
    return 0


def _list(given: argparse.Namespace) -> int:
    with signed_in(given.gateway) as gateway:
        found = gateway.ask(list[BreakGlassView], "GET", "/v1/break-glass")
        names = {str(one.id): one.email for one in gateway.ask(list[AccountView], "GET", "/v1/accounts")}
    rows = [
        (
            str(one.id),
            one.status,
            one.asked_at.isoformat(timespec="minutes"),
            names.get(str(one.account), str(one.account)),
            names.get(one.opened_by, one.opened_by),
            one.reason,
            one.review,
        )
        for one in found
    ]
    Screen().table(("id", "status", "asked", "by", "opened by", "reason", "review"), rows)
    return 0
