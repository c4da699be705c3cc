"""`biometric-flow privacy hold` and `privacy retention`: what must not go, and what must, at a place or a gateway."""

import argparse
from datetime import date
from typing import Any, Final

from biometric_flow.commands.asking import add_place_or_gateway, ask
from biometric_flow.commands.screen import Screen
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import StartRefused

_KINDS: Final = ("identity", "attendance", "biometric", "account")


def add_retention(commands: Any) -> None:
    """The commands below `privacy` that say what stays."""
    hold = commands.add_parser("hold", help="legal holds: what must not be erased while a matter is open")
    holds = hold.add_subparsers(required=True, metavar="WHAT")
    add = holds.add_parser("add", help="hold back what there is about a person, a department, or everybody")
    who = add.add_mutually_exclusive_group(required=True)
    who.add_argument("--person", metavar="WHO", help="PIN at a place, employee number at a gateway")
    who.add_argument("--department", metavar="ID", help="with all below it; at a gateway")
    who.add_argument("--everybody", action="store_true")
    add.add_argument("--reason", required=True, help="told to whoever asks to be erased")
    add.add_argument("--by", required=True, help="who decided it")
    add.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="default: today")
    add.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DATE", help="default: until it is ended")
    add.set_defaults(command=_add)
    end = holds.add_parser("end", help="end a hold")
    end.add_argument("id", metavar="HOLD")
    end.add_argument("--by", required=True, help="who decided it")
    end.set_defaults(command=_end)
    show = holds.add_parser("list", help="all holds, newest first")
    show.set_defaults(command=_list)
    retention = commands.add_parser("retention", help="how long which data stay")
    policies = retention.add_subparsers(required=True, metavar="WHAT")
    current = policies.add_parser("show", help="every policy there was, oldest first")
    current.set_defaults(command=_show)
    change = policies.add_parser("set", help="change the rule of one kind of data from a day on; the others stay")
    change.add_argument("data", choices=_KINDS)
    change.add_argument("--at-least-days", type=int, default=0, help="a duty to keep: erasures wait for it (0)")
    change.add_argument("--at-most-days", type=int, help="then it goes by itself; left out: when the person is erased")
    change.add_argument("--because", required=True, help="the law or decision behind it")
    change.add_argument("--by", required=True, help="who decided it")
    change.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="default: today")
    change.set_defaults(command=_change)
    for one in (add, end, show, current, change):
        add_place_or_gateway(one)


def _add(given: argparse.Namespace) -> int:
    scope = "person" if given.person else "department" if given.department else "everybody"
    wanted = {
        "scope": scope, "who": given.person or given.department or "", "reason": given.reason, "by": given.by,
        "first_day": (given.first or _today()).isoformat(),
        "last_day": given.last.isoformat() if given.last else None,
    }  # fmt: skip
    _print([ask(given, "POST", _path(given, "holds"), wanted)])
    return 0


def _end(given: argparse.Namespace) -> int:
    _print([ask(given, "POST", f"{_path(given, 'holds')}/{given.id}/end", {"by": given.by})])
    return 0


def _list(given: argparse.Namespace) -> int:
    _print(ask(given, "GET", _path(given, "holds")))
    return 0


def _print(holds: list[dict[str, Any]]) -> None:
    head = ("hold", "whom", "why", "by", "from", "to", "ended")
    rows = [
        (
            one["id"], f"{one['scope']} {one['who']}".strip(), one["reason"], one["by"], one["first_day"],
            one["last_day"] or "", (one["ended_at"] or "")[:19],
        )
        for one in holds
    ]  # fmt: skip
    Screen().table(head, rows)


def _show(given: argparse.Namespace) -> int:
    _print_policies(ask(given, "GET", _path(given, "retention")))
    return 0


def _change(given: argparse.Namespace) -> int:
    first = (given.first or _today()).isoformat()
    policies = ask(given, "GET", _path(given, "retention"))
    if later := [one["valid_from"] for one in policies if one["valid_from"] > first]:
        raise StartRefused(f"expected no policy to begin after this one, one begins at {max(later)}; name a later day")
    last: dict[str, Any] = max(policies, key=lambda one: (one["valid_from"], one["number"]), default={"rules": []})
    rule = {
        "data": given.data, "at_least_days": given.at_least_days, "at_most_days": given.at_most_days,
        "because": given.because,
    }  # fmt: skip
    rules = [one for one in last["rules"] if one["data"] != given.data] + [rule]
    saved = ask(given, "POST", _path(given, "retention"), {"valid_from": first, "rules": rules, "by": given.by})
    _print_policies([saved])
    return 0


def _print_policies(policies: list[dict[str, Any]]) -> None:
    head = ("number", "from", "data", "at least", "at most", "because", "by")
    rows = [
        (
            str(one["number"]), one["valid_from"], rule["data"], f"{rule['at_least_days']} days",
            f"{rule['at_most_days']} days" if rule["at_most_days"] else "until erased", rule["because"], one["by"],
        )
        for one in policies
        for rule in one["rules"]
    ]  # fmt: skip
    Screen().table(head, rows)


def _path(given: argparse.Namespace, what: str) -> str:
    return f"/v1/privacy/{what}" if given.gateway else f"/v1/{what}"


def _today() -> date:
    return SystemClock().now().date()
