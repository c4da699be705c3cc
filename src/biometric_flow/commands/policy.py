"""`biometric-flow policy evaluate|explain|check|try|days`: what punches amount to, why, and whether a pack holds."""

import argparse
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Final

from biometric_flow.commands.connection import UsageRefused
from biometric_flow.commands.days import add_days, add_try
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.text import shown
from biometric_flow.policy.cases import Case, read_cases
from biometric_flow.policy.differences import differences
from biometric_flow.policy.engine import Evaluation, evaluate
from biometric_flow.policy.errors import CaseInvalid, PolicyInvalid
from biometric_flow.policy.explain import explain, headline
from biometric_flow.policy.fields import date_text, day_number
from biometric_flow.policy.packs import read_pack, warnings
from biometric_flow.policy.sentences import hours, sentences

Action = Callable[[argparse.Namespace, Screen], int]

DONE: Final = 0
NOT_AS_EXPECTED: Final = 1
NOT_POSSIBLE: Final = 2
FILE_MAX: Final = 256 * 1024 * 1024
_DAYS: Final = ("DATE", "STATUS", "WORKED", "PAY", "SCHEDULED", "LATE", "EARLY", "BREAK", "IRREGULARITIES")


def add_policy(parser: argparse.ArgumentParser) -> None:
    """The commands below `policy`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")

    def command(name: str, action: Action, what: str, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about.rstrip("."), description=about)
        sub.add_argument("file", metavar=what, help="JSON" if what == "FILE" else "a file, or the name of a preset")
        sub.add_argument("--json", action="store_true", help="one JSON document instead of a table")
        sub.set_defaults(command=lambda given: run(action, given))
        return sub

    asked = command("evaluate", _evaluate, "FILE", "The workdays of every case of a file.")
    asked.add_argument(
        "--check", action="store_true", help="compare with what the cases expect; differences end with exit code 1"
    )
    told = command("explain", _explain, "FILE", "Why a workday is what it is, in sentences.")
    told.add_argument("--id", required=True, metavar="CASE", help="which case")
    told.add_argument("--date", metavar="YYYY-MM-DD", help="only this day (default: all of its range)")
    tried = commands.add_parser("try", help="what a pack would change at a gateway, for whom, before it is saved")
    add_try(tried)
    days = commands.add_parser("days", help="a place's workdays from its own ledger and a plan file, without a gateway")
    add_days(days)
    command("check", _check, "PACK", f"Whether a policy pack holds, and what it says. Presets: {', '.join(presets())}.")


def run(action: Action, given: argparse.Namespace, screen: Screen | None = None) -> int:
    """Do one thing. Bad input is one line on standard error that names file, case and field, and exit code 2."""
    screen = screen or Screen(as_json=given.json)
    try:
        code = action(given, screen)
        screen.flush()
        return code
    except (UsageRefused, PolicyInvalid, CaseInvalid) as problem:
        screen.note(f"biometric-flow: {shown(str(given.file))}: {shown(str(problem))}")
        return NOT_POSSIBLE
    except BrokenPipeError:
        screen.give_up()
        return DONE


def presets() -> list[str]:
    """Names of the packs that come with the program."""
    folder = resources.files("biometric_flow.policy.presets")
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def _evaluate(given: argparse.Namespace, screen: Screen) -> int:
    results = [(case, evaluate(case.given)) for case in _cases(given, screen)]
    told = [line for case, result in results for line in differences(case, result)] if given.check else []
    for line in told:
        screen.note(shown(line))
    if given.check:
        screen.note(f"{len(results)} cases, {len(told)} differences")
    code = NOT_AS_EXPECTED if told else DONE
    if screen.as_json:
        screen.document({"results": [_document(case, result) for case, result in results]})
        return code
    for number, (case, result) in enumerate(results):
        if number:
            screen.say()
        screen.say(shown(f"{case.id}  {case.title}".rstrip()))
        screen.table(_DAYS, [_row(day) for day in _document(case, result)["days"]], right=(2, 4, 5, 6, 7))
        for one in result.adjustments:
            screen.say(f"to be paid later for {date_text(one.day)}: {_pay(one.delta)}")
        screen.say(f"total {hours(result.worked)}" + (f" = {_pay(result.pay)}" if result.pay else ""))
    return code


def _explain(given: argparse.Namespace, screen: Screen) -> int:
    cases = {case.id: case for case in _cases(given, screen)}
    case = cases.get(given.id)
    if case is None:
        raise UsageRefused(f"expected the id of one of its {len(cases)} cases, came {given.id!r}")
    day = None if given.date is None else day_number(given.date, "--date")
    days = [one for one in evaluate(case.given).days if day in (None, one.day)]
    if not days:
        first, last = map(date_text, (case.given.first, case.given.last))
        raise UsageRefused(f"case {case.id}: --date: expected a date from {first} to {last}, came {given.date}")
    told = [(one, headline(one, case.given.policy), list(explain(one, case.given.zone))) for one in days]
    if screen.as_json:
        rows = [{**one.row(), "pack": one.pack, "headline": head, "because": because} for one, head, because in told]
        screen.document({"id": case.id, "days": rows})
        return DONE
    for _, head, because in told:
        screen.say(shown(head))
        for line in because:
            screen.say(f"  {shown(line)}")
    return DONE


def _check(given: argparse.Namespace, screen: Screen) -> int:
    name = str(given.file)
    if name in presets():
        text = resources.files("biometric_flow.policy.presets").joinpath(f"{name}.json").read_text(encoding="utf-8")
        pack = read_pack(json.loads(text))
    else:
        pack = read_pack(_read(Path(name)))
    rules = [(path, words, pack.source_of(path)) for path, words in sentences(pack.policy)]
    told = warnings(pack)
    if screen.as_json:
        listed = [{"field": path, "sentence": words, "source": source} for path, words, source in rules]
        head = {"id": pack.id, "name": pack.name, "version": pack.version, "valid_from": date_text(pack.valid_from)}
        screen.document({**head, "rules": listed, "warnings": told, "notes": list(pack.notes)})
        return DONE
    screen.say(shown(f"{pack.label}: {pack.name}, in force from {date_text(pack.valid_from)}"))
    screen.table(("FIELD", "RULE", "SOURCE"), [(path, words, source or "-") for path, words, source in rules])
    for line in pack.notes:
        screen.say(shown(f"note: {line}"))
    for line in told:
        screen.note(f"warning: {shown(line)}")
    return DONE


def _cases(given: argparse.Namespace, screen: Screen) -> list[Case]:
    cases, unknown = read_cases(_read(Path(given.file)))
    for path in unknown:
        screen.note(f"warning: {shown(f'{given.file}: {path}')}: nobody knows this field, it changes nothing")
    return cases


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_MAX + 1)
    except OSError as problem:
        raise UsageRefused(f"expected a file that can be read, {problem.strerror or problem}") from None
    if len(raw) > FILE_MAX:
        raise UsageRefused(f"expected a file of at most {FILE_MAX >> 20} MiB, it is longer")
    try:
        document: object = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise UsageRefused(f"expected JSON, {problem}") from None
    return document


def _document(case: Case, result: Evaluation) -> dict[str, Any]:
    return {
        "id": case.id,
        "days": [day.row() for day in result.days],
        "adjustments": [{"date": date_text(one.day), "delta": one.delta} for one in result.adjustments],
        "totals": {"worked": result.worked, "pay": result.pay},
    }


def _row(day: dict[str, Any]) -> tuple[str, ...]:
    times = [hours(day[name]) for name in ("scheduled", "late", "early_out", "break")]
    return day["date"], day["status"], hours(day["worked"]), _pay(day["pay"]), *times, " ".join(day["exceptions"])


def _pay(tiers: dict[str, int]) -> str:
    return ", ".join(f"{tier} {hours(minutes)}" for tier, minutes in tiers.items())
