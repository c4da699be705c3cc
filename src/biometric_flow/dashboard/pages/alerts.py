"""Alerts: what is wrong, and who takes care of it?"""

import asyncio
import re
from typing import Any, Final

import streamlit as st

from biometric_flow.api.alerts import AlertView, Channel
from biometric_flow.api.clients import GatewayClient
from biometric_flow.api.gateway import PlaceView
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.alerts import alerts
from biometric_flow.dashboard.words import _

ALERTS: Final = "/v1/alerts"
CHANNELS: Final = "/v1/alert-channels"
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_CLOCK: Final = re.compile(r"[0-2]\d:[0-5]\d")


def draw() -> None:
    """The heading, the alerts, the channels."""
    text = _("What is wrong, and who takes care of it?")
    widgets.draw("heading", {"title": _("Alerts"), "text": text})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    is_open = st.query_params.get("which") != "all"
    found = widgets.ask(f"alerts {is_open}", lambda client, token: _ask(client, token, is_open=is_open))
    if found is None:
        return
    listed, places = found
    channels = None
    if widgets.may("alert:configure"):
        channels = widgets.ask("channels", lambda client, token: client.ask(list[Channel], "GET", CHANNELS, token))
    view = alerts(
        listed,
        channels,
        {place.id: place.name for place in places},
        sorted({place.zone for place in places} | {"UTC"}),
        widgets.account(),
        is_open=is_open,
        may_acknowledge=widgets.may("alert:acknowledge"),
    )
    widgets.draw("sections", {**view, "told": widgets.told()}, act=_act)


async def _ask(client: GatewayClient, token: str, *, is_open: bool) -> tuple[list[AlertView], list[PlaceView]]:
    return await asyncio.gather(
        client.ask(list[AlertView], "GET", ALERTS, token, {"open": "true" if is_open else "false"}),
        client.places(token),
    )


def _act(order: dict[str, Any]) -> None:
    name = str(order.get("channel", order.get("called", ""))).strip()
    channel = name if _SLUG.fullmatch(name) else None
    match order.get("name"):
        case "acknowledge":
            if (alert := widgets.identifier(order.get("alert"))) is not None:
                widgets.order(AlertView, "POST", f"{ALERTS}/{alert}/acknowledge", None, _("You take care of it."))
        case "add" if channel is None:
            widgets.tell(_("The name needs small letters, digits and hyphens, such as keeper."))
        case "add":
            body: dict[str, Any] = {"url": str(order.get("url", ""))[:1000].strip()}
            begins, ends = str(order.get("begins", "")), str(order.get("ends", ""))
            if _CLOCK.fullmatch(begins) and _CLOCK.fullmatch(ends):
                body["quiet"] = {"begins": begins, "ends": ends, "zone": str(order.get("zone", "UTC"))[:60]}
            elif begins or ends:
                widgets.tell(_("Quiet hours need a beginning and an end, or none of both."))
                return
            done = _("{name} is told from the next alert on. Test it now.", name=name)
            widgets.order(Channel, "PUT", f"{CHANNELS}/{channel}", body, done)
        case "test" if channel is not None:
            widgets.order(Channel, "POST", f"{CHANNELS}/{channel}/test", None, _("{name} took the message.", name=name))
        case "remove" if channel is not None:
            widgets.order(None, "DELETE", f"{CHANNELS}/{channel}", None, _("{name} is removed.", name=name))
