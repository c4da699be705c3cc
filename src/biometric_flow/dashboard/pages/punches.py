"""Punches: what was recorded in these days, and the proof of each."""

from datetime import timedelta
from typing import Any

from biometric_flow.api.clients import GatewayClient
from biometric_flow.api.gateway import GatewayPunch
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import Scope
from biometric_flow.dashboard.views.listing import SHOWN
from biometric_flow.dashboard.views.punches import punches
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading, the scope and the list."""
    widgets.draw("heading", {"title": _("Punches"), "text": _("What was recorded, and how can it be proved?")})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    scoped = widgets.scope(search=_("PIN"))
    if scoped is None:
        return
    scope, names = scoped
    found = widgets.ask(f"punches {scope}", lambda client, token: _ask(client, token, scope))
    if found is not None:
        widgets.draw("listing", punches(*found, names, scope))


async def _ask(client: GatewayClient, token: str, scope: Scope) -> tuple[list[GatewayPunch], int]:
    pages, total = [], 0
    for place in scope.places or (None,):
        pages.append(await client.punches(token, limit=SHOWN, **parameters(scope, place)))
        total += (await client.punch_count(token, **parameters(scope, place))).count
    items = sorted((punch for page in pages for punch in page.items), key=lambda one: one.instant, reverse=True)
    return items[:SHOWN], total


def parameters(scope: Scope, place: str | None) -> dict[str, Any]:
    """The scope as the gateway's own filters; days are those of each terminal's clock."""
    return {
        "place": place,
        "pin": scope.text or None,
        "local_from": f"{scope.first}T00:00:00",
        "local_to": f"{scope.last + timedelta(days=1)}T00:00:00",
    }
