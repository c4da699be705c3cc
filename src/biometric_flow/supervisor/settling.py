"""Tells the gateway about the demo's company, once its year of punches is there, and waits for its workdays."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from biometric_flow.api.clients import BlockingGatewayClient, GatewayError
from biometric_flow.api.hours_client import HoursDesk
from biometric_flow.supervisor import history
from biometric_flow.supervisor.company import PACK, SHIFTS, Company, Worker, company


async def settle(url: str, account: tuple[str, str], found: Company) -> int:
    """Give the gateway people, plans and leave, the same any number of times; how many workdays they make.

    A gateway that goes away meanwhile is asked again. Raises GatewayError for an answer that will not change.
    """
    with BlockingGatewayClient(url) as client:
        desk, is_told = HoursDesk(client), False
        while True:
            try:
                if not is_told:
                    await asyncio.to_thread(client.sign_in, *account)
                    await asyncio.to_thread(_tell, desk, found)
                    is_told = True
                progress = await asyncio.to_thread(desk.progress)
                if not progress.people_due:
                    return progress.workdays
            except GatewayError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(0.5)


def _tell(desk: HoursDesk, found: Company) -> None:
    desk.put_plans("shifts", SHIFTS)
    desk.put_plans("schedules", found.schedules)
    desk.put_plans("calendars", found.calendars)
    desk.save_pack(PACK)
    sheets = {"departments": found.departments, "people": found.people, "assignments": found.assignments}
    for kind, sheet in (sheets | {"leave": found.leave}).items():
        result = desk.import_sheet(kind, sheet.encode())
        if result.problems:
            raise GatewayError(f"the demo's {kind} were not taken: {result.problems[0]}")


def read_company(files: Path, terminals: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> Company:
    """The company of the files that the simulated terminals began with; `terminals` are those of each place."""
    workers = []
    for place, keys in terminals.items():
        punches: dict[str, list[history.Row]] = {}
        for key in keys:
            for row in history.parse((files / f"{key}.attlog").read_text(encoding="utf-8")):
                punches.setdefault(row.pin, []).append(row)
        users = (files / f"{keys[0]}.users").read_text(encoding="utf-8").splitlines()[1:]
        known = dict(line.split(",")[:2] for line in users)
        for pin, rows in sorted(punches.items(), key=lambda item: int(item[0])):
            workers.append(Worker(place, pin, known[pin], sorted(rows, key=lambda row: row.time)))
    return company(workers, names)
