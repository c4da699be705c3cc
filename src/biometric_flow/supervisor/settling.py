"""Tells the gateway about the demo's company, once its year of punches is there, and waits for its workdays."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from biometric_flow.api.clients import GatewayClient, GatewayError
from biometric_flow.api.hours import ImportResult, PackPage, PackView, PlanDocumentPage, Progress
from biometric_flow.supervisor import history
from biometric_flow.supervisor.company import PACK, SHIFTS, Company, Worker, company


async def settle(url: str, account: tuple[str, str], found: Company) -> int:
    """Give the gateway people, plans and leave, the same any number of times; how many workdays they make.

    A gateway that goes away meanwhile is asked again. Raises GatewayError for an answer that will not change.
    """
    client, token, is_told = GatewayClient(url), "", False
    try:
        while True:
            try:
                if not is_told:
                    token = (await client.sign_in(*account)).access_token
                    await _tell(client, token, found)
                    is_told = True
                progress = await client.ask(Progress, "GET", "/v1/workdays/progress", token)
                if not progress.people_due:
                    return progress.workdays
            except GatewayError as error:
                is_over = getattr(error, "code", "") == "access.unauthenticated"
                if not (error.retryable or is_over):
                    raise
                is_told = is_told and not is_over
            await asyncio.sleep(0.5)
    finally:
        await client.close()


async def _tell(client: GatewayClient, token: str, found: Company) -> None:
    plans = {"shifts": SHIFTS, "schedules": found.schedules, "calendars": found.calendars}
    for kind, items in plans.items():
        await client.ask(PlanDocumentPage, "POST", f"/v1/{kind}/bulk", token, json={"items": dict(items)})
    saved = await client.ask(PackPage, "GET", "/v1/policies", token)
    if not any(pack.id == PACK["id"] for pack in saved.items):
        await client.ask(PackView, "POST", "/v1/policies", token, json=dict(PACK))
    sheets = {"departments": found.departments, "people": found.people, "assignments": found.assignments}
    for kind, sheet in (sheets | {"leave": found.leave}).items():
        path = f"/v1/imports/{kind}"
        result = await client.ask(ImportResult, "POST", path, token, content=sheet.encode())
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
