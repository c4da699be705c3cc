"""Workdays: everybody's hours of some days, in one table."""

from typing import Any

from biometric_flow.api.clients import GatewayClient
from biometric_flow.api.hours import WorkdayPage, WorkdayView
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import Scope
from biometric_flow.dashboard.views.listing import SHOWN
from biometric_flow.dashboard.views.workdays import workdays
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading, the scope and the table."""
    widgets.draw("heading", {"title": _("Workdays"), "text": _("What do these days amount to?")})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    scoped = widgets.scope(has_departments=True)
    if scoped is None:
        return
    scope, _names = scoped
    found = widgets.ask(f"workdays {scope}", lambda client, token: _ask(client, token, scope))
    if found is not None:
        widgets.draw("listing", workdays(*found, scope))


async def _ask(client: GatewayClient, token: str, scope: Scope) -> tuple[list[WorkdayView], bool]:
    pages = [
        await client.ask(WorkdayPage, "GET", "/v1/workdays", token, {**parameters(scope, place), "limit": SHOWN})
        for place in scope.places or (None,)
    ]
    items = sorted((day for page in pages for day in page.items), key=lambda day: (day.date, day.number))
    return items[:SHOWN], len(items) > SHOWN or any(page.next_cursor for page in pages)


def parameters(scope: Scope, place: str | None) -> dict[str, Any]:
    """The scope as the gateway's own filters."""
    return {
        "place": place,
        "department": scope.department or None,
        "from": scope.first.isoformat(),
        "to": scope.last.isoformat(),
    }
