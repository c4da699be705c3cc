"""Requests: which corrections wait for somebody else's decision?"""

import asyncio
from typing import Any

import streamlit as st

from biometric_flow.api.clients import GatewayClient
from biometric_flow.api.hours import PersonRecord, Preview, RegularisationPage
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.requests import STATUSES, requests
from biometric_flow.dashboard.words import _, counted

PATH = "/v1/regularisations"
SHOWN = 100


def draw() -> None:
    """The heading and the inbox."""
    text = _("Which corrections wait for a decision? Nobody decides their own.")
    widgets.draw("heading", {"title": _("Requests"), "text": text})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    asked = st.query_params.get("status", "requested")
    status = asked if asked in STATUSES else "requested"
    found = widgets.ask(f"requests {status}", lambda client, token: _ask(client, token, status))
    if found is not None:
        page, people = found
        preview = st.session_state.pop("preview", None)
        view = requests(page.items, people, status, page.next_cursor is not None, widgets.account(), preview)
        widgets.draw("requests", {**view, "told": widgets.told()}, act=_decide)


async def _ask(client: GatewayClient, token: str, status: str) -> tuple[RegularisationPage, dict[str, PersonRecord]]:
    page = await client.ask(RegularisationPage, "GET", PATH, token, {"status": status, "limit": SHOWN})
    ids = sorted({one.person for one in page.items}, key=str)
    people = await asyncio.gather(*(client.ask(PersonRecord, "GET", f"/v1/people/{one}", token) for one in ids))
    return page, {str(one.id): one for one in people}


def _decide(order: dict[str, Any]) -> None:
    name, ids = order.get("name"), [widgets.identifier(text) for text in order.get("ids", ())][:SHOWN]
    chosen = [str(one) for one in ids if one is not None]
    if not chosen:
        widgets.tell(_("Choose at least one request first."), is_done=False)
        return
    is_preview = name == "preview"
    body = {
        "ids": chosen,
        "decision": "rejected" if name == "reject" else "approved",
        "reason": str(order.get("reason", "")),
        "preview": is_preview,
    }
    words = {"reject": counted(len(chosen), "{n} request rejected.", "{n} requests rejected."), "preview": ""}
    approved = counted(len(chosen), "{n} request approved.", "{n} requests approved.")
    told = widgets.order(Preview, "POST", f"{PATH}/decisions", body, words.get(str(name), approved))
    if told is not None and is_preview:
        st.session_state["preview"] = told
