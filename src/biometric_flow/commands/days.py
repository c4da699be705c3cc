"""`biometric-flow policy days`: a place's workdays from its own ledger and a plan file, without a gateway.

`biometric-flow policy try`: what a pack would change at a gateway, for whom, before it is saved.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from biometric_flow.api.clients import BlockingGatewayClient, GatewayError
from biometric_flow.api.hours import PersonRecord
from biometric_flow.api.hours_client import HoursDesk
from biometric_flow.api.plan_file import FILE_MAX, PlanCorrection, PlanFile
from biometric_flow.commands.connection import UsageRefused
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.text import shown
from biometric_flow.ledger.decisions import ID_BYTES, CorrectionMade
from biometric_flow.place.files import files_of
from biometric_flow.place.reader import PlaceReader, PunchFilter
from biometric_flow.place.schema import open_reader
from biometric_flow.place.subjects import Subjects
from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import EPOCH
from biometric_flow.policy.inputs import GivenPunch
from biometric_flow.policy.plan_documents import make_plan, parse
from biometric_flow.policy.planning import Catalogue, Plan, seen, units, workdays
from biometric_flow.policy.sentences import hours
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.key_store import read_keys

PASSWORD: Final = "BIOMETRIC_FLOW_PASSWORD"  # noqa: S105 - the name of a variable
DONE: Final = 0
NOT_POSSIBLE: Final = 2
_REACH: Final = 400
_BATCH: Final = 1000


def add_days(parser: argparse.ArgumentParser) -> None:
    """What `policy days` asks for."""
    parser.add_argument("file", type=Path, metavar="PLAN", help="plan file, as GET /v1/plans/{place} gives it")
    parser.add_argument("--database", type=Path, required=True, metavar="FILE", help="the place's place.sqlite3")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="its key store (default: keys beside the file)")
    parser.add_argument("--config", type=Path, default=Path("config"), help="says what holds its root key, if no file")
    _span(parser)
    parser.set_defaults(command=lambda given: _run(_days, given))


def add_try(parser: argparse.ArgumentParser) -> None:
    """What `policy try` asks for."""
    parser.add_argument("file", type=Path, metavar="PACK", help="JSON; its version is the one after the last saved")
    parser.add_argument("--gateway", default="http://127.0.0.1:9000", metavar="URL")
    parser.add_argument("--email", required=True, help=f"account; its password is in {PASSWORD}")
    _span(parser)
    parser.set_defaults(command=lambda given: _run(_try, given))


def days_of(file: PlanFile, reader: PlaceReader, first: date, last: date, now: datetime) -> Iterator[dict[str, Any]]:
    """The workdays of everybody in a plan file, from the punches of the place's own ledger."""
    known = parse(file.documents, file.packs)
    for person in file.people:
        plan = _plan(file, known, person, reader, first, last)
        found = list(units(plan, _day(first), _day(last)))
        if not found:
            continue
        spans = [seen(plan, unit) for unit in found]
        opens, closes = (datetime.fromtimestamp(second, UTC) for second in (spans[0][0], spans[-1][1]))
        punches = _punches(file, person, reader, opens, closes)
        for unit in found:
            for day in workdays(plan, unit, punches, int(now.timestamp())):
                if _day(first) <= day.day <= _day(last):
                    yield {"number": person.number, "name": person.name, **day.row(), "pack": day.pack}


def _decided(file: PlanFile, person: PersonRecord, reader: PlaceReader) -> list[PlanCorrection]:
    """Corrections of the plan file, and what the place's own ledger knows later: more of them, and withdrawals."""
    found = {one.regularisation_id: one for one in file.corrections if one.person_id == person.id}
    for pin in {held.pin for held in person.pins if held.place == file.place}:
        live, withdrawn = reader.corrections(pin)
        found |= {UUID(bytes=one.correction): correction_of(one, person.id) for one in live}
        for gone in withdrawn:
            found.pop(UUID(bytes=gone), None)
    return list(found.values())


def correction_of(event: CorrectionMade, person: UUID) -> PlanCorrection:
    """A correction out of a ledger, as plans know it."""
    old = {change.field.partition(" ")[0]: change.old for change in event.changes}
    new = {change.field.partition(" ")[0]: change.new for change in event.changes}
    instant = datetime.fromisoformat(new["instant"]) if new.get("instant") else None
    named = next((change.field[9:] for change in event.changes if change.field.startswith("overtime ")), "")
    return PlanCorrection(
        person_id=person,
        number=event.number,
        regularisation_id=UUID(bytes=event.correction),
        day=date.fromisoformat(named) if named else (instant or event.at).date(),
        operation=event.operation,
        target=str(UUID(bytes=event.target)) if len(event.target) == ID_BYTES else event.target.hex() or None,
        instant=instant,
        state=int(new["state"]) if new.get("state") else None,
        minutes=int(new["overtime"]) - int(old["overtime"]) if named else None,
    )


def _plan(file: PlanFile, known: Catalogue, person: PersonRecord, reader: PlaceReader, first: date, last: date) -> Plan:
    leaves = [one for one in file.leaves if one.person_id == person.id]
    decided = _decided(file, person, reader)
    return make_plan(person, known, leaves, decided, _day(first) - _REACH, _day(last) + _REACH)


def _punches(
    file: PlanFile, person: PersonRecord, reader: PlaceReader, opens: datetime, closes: datetime
) -> list[GivenPunch]:
    """A person's punches at this place, by all PINs that they held here; by instant, state and id."""
    found = {}
    for held in person.pins:
        if held.place != file.place:
            continue
        after = (-(2**40), 0)
        while rows := reader.punches(PunchFilter(opens, closes, held.pin), after, _BATCH):
            for _, punch in rows:
                is_here = held.first <= punch.local_time.date() <= held.until
                if is_here and (not held.terminals or punch.terminal in held.terminals):
                    found[punch.id] = punch
            after = int(rows[-1][1].instant.timestamp()), rows[-1][0]
    ordered = sorted(found.values(), key=lambda one: (one.instant, one.state, one.id))
    return [
        GivenPunch(
            one.id.hex(),
            int(one.instant.timestamp()),
            code=one.state if 0 <= one.state <= 255 else 255,
            terminal=one.terminal,
        )
        for one in ordered
    ]


def _days(given: argparse.Namespace, screen: Screen) -> int:
    first, last = _dates(given)
    file = _plan_file(given.file)
    if not given.database.is_file():
        raise UsageRefused(f"--database: expected the database of a place, there is no file {given.database}")
    where = given.keys or given.database.parent / KEYS_FOLDER
    root = files_of(given.config, os.environ, file.place).root(where)
    with closing(open_reader(given.database)) as connection, closing(read_keys(where, None, root)) as keys:
        rows = list(
            days_of(file, PlaceReader(connection, Subjects(connection, keys)), first, last, SystemClock().now())
        )
    if screen.as_json:
        screen.document({"place": file.place, "days": rows})
        return DONE
    head = ("NUMBER", "NAME", "DATE", "STATUS", "WORKED", "PAY", "IRREGULARITIES")
    screen.table(head, [_row(row) for row in rows], right=(4,))
    return DONE


def _try(given: argparse.Namespace, screen: Screen) -> int:
    _dates(given)
    password = os.environ.get(PASSWORD)
    if not password:
        raise UsageRefused(f"expected the password of {given.email} in the variable {PASSWORD}")
    pack = _json(given.file)
    if not isinstance(pack, dict):
        raise UsageRefused("expected a policy pack, an object")
    with BlockingGatewayClient(given.gateway) as client:
        client.sign_in(given.email, password)
        found = HoursDesk(client).try_pack(pack, given.first, given.last)
    if screen.as_json:
        screen.document(found.model_dump(mode="json"))
        return DONE
    rows = [
        (one.number, one.name, one.date.isoformat(), name, str(old), str(new))
        for one in found.changes
        for name, (old, new) in one.fields.items()
    ]
    screen.table(("NUMBER", "NAME", "DATE", "FIELD", "NOW", "THEN"), [tuple(map(shown, row)) for row in rows])
    tiers = ", ".join(f"{tier} {minutes:+d} min" for tier, minutes in found.pay.items())
    screen.say(
        f"{found.people} people, {found.days} days, {found.worked:+d} minutes worked{'; ' if tiers else ''}{tiers}"
    )
    return DONE


def _run(action: Any, given: argparse.Namespace) -> int:
    screen = Screen(as_json=given.json)
    try:
        code: int = action(given, screen)
        screen.flush()
        return code
    except (UsageRefused, PolicyInvalid, GatewayError) as problem:
        screen.note(f"biometric-flow: {shown(str(problem))}")
        return NOT_POSSIBLE
    except BrokenPipeError:
        screen.give_up()
        return DONE


def _span(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", required=True, metavar="YYYY-MM-DD")
    parser.add_argument("--to", dest="last", required=True, metavar="YYYY-MM-DD")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")


def _dates(given: argparse.Namespace) -> tuple[date, date]:
    try:
        first, last = date.fromisoformat(given.first), date.fromisoformat(given.last)
    except ValueError as problem:
        raise UsageRefused(f"--from, --to: expected dates YYYY-MM-DD, {problem}") from None
    if not timedelta() <= last - first < timedelta(days=3700):
        raise UsageRefused(f"--to: expected a date from {first} on, ten years at most, came {last}")
    return first, last


def _plan_file(path: Path) -> PlanFile:
    try:
        return PlanFile.model_validate(_json(path))
    except ValidationError as problem:
        told = problem.errors()[0]
        where = ".".join(map(str, told["loc"]))
        raise UsageRefused(f"{path}: {where}: expected a plan file of GET /v1/plans: {told['msg']}") from None


def _json(path: Path) -> object:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_MAX + 1)
    except OSError as problem:
        raise UsageRefused(f"{path}: expected a file that can be read, {problem.strerror or problem}") from None
    if len(raw) > FILE_MAX:
        raise UsageRefused(f"{path}: expected a file of at most {FILE_MAX >> 20} MiB, it is longer")
    try:
        document: object = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise UsageRefused(f"{path}: expected JSON, {problem}") from None
    return document


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    pay = ", ".join(f"{tier} {hours(minutes)}" for tier, minutes in row["pay"].items())
    said: Iterable[str] = (row["number"], row["name"], row["date"], row["status"], hours(row["worked"]), pay)
    return (*map(shown, said), " ".join(row["exceptions"]))


def _day(day: date) -> int:
    return day.toordinal() - EPOCH
