"""People, plans and workdays for a script that is signed in at the gateway."""

from collections.abc import Iterator, Mapping
from typing import Any

from biometric_flow.api.clients import BlockingGatewayClient, GatewayProblem
from biometric_flow.api.hours import (
    ImportResult,
    PackPage,
    PackView,
    PlanDocument,
    PlanDocumentPage,
    Preview,
    Progress,
    WorkdayExplained,
    WorkdayPage,
    WorkdayView,
)


class HoursDesk:
    """What a clerk does, as calls. Every method raises GatewayProblem or GatewayUnreachable."""

    def __init__(self, client: BlockingGatewayClient) -> None:
        self._client = client

    def put_plans(self, kind: str, bodies: Mapping[str, Mapping[str, Any]]) -> list[PlanDocument]:
        """Add or change documents of a kind (`shifts`, `schedules`, `calendars`), all or none."""
        order = {"items": dict(bodies)}
        return self._client.ask(PlanDocumentPage, "POST", f"/v1/{kind}/bulk", json=order).items

    def save_pack(self, body: Mapping[str, Any]) -> PackView:
        """Save a pack as the next version; the same version again is left alone when it is the newest."""
        try:
            return self._client.ask(PackView, "POST", "/v1/policies", json=dict(body))
        except GatewayProblem as problem:
            if problem.code != "plan.invalid":
                raise
            newest = self._client.ask(PackView, "GET", f"/v1/policies/{body['id']}")
            if newest.body != dict(body):
                raise
            return newest

    def packs(self) -> PackPage:
        """The first thousand versions of packs."""
        return self._client.ask(PackPage, "GET", "/v1/policies", {"limit": 1000})

    def try_pack(self, pack: Mapping[str, Any], first: str, last: str) -> Preview:
        """What a pack would change, for whom, before it is saved."""
        order = {"pack": dict(pack), "from": first, "to": last}
        return self._client.ask(Preview, "POST", "/v1/policies/try", json=order)

    def import_sheet(self, kind: str, content: bytes, *, dry_run: bool = False) -> ImportResult:
        """Take a CSV or XLSX file of people, assignments, departments, shifts or leave."""
        query = {"dry_run": str(dry_run).lower()}
        return self._client.ask(ImportResult, "POST", f"/v1/imports/{kind}", query, content=content)

    def progress(self) -> Progress:
        """How far workdays are behind the punches."""
        return self._client.ask(Progress, "GET", "/v1/workdays/progress")

    def workdays(self, **query: str | int | None) -> Iterator[WorkdayView]:
        """All workdays that match, by date and person (`from` as `from_`)."""
        cursor: str | None = None
        while True:
            page = self._client.ask(WorkdayPage, "GET", "/v1/workdays", {"limit": 1000, **query, "cursor": cursor})
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def explain(self, person: str, day: str) -> WorkdayExplained:
        """Why a workday is what it is."""
        return self._client.ask(WorkdayExplained, "GET", f"/v1/workdays/{person}/{day}/explain")
