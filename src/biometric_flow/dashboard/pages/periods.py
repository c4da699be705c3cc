"""Periods: what must be fixed before this one is closed, and its way to payroll."""

import re
from typing import Any

import streamlit as st

from biometric_flow.api.hours import Completeness, PeriodPage, PeriodView
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.periods import period, periods
from biometric_flow.dashboard.words import _

PATH = "/v1/periods"
_NEEDED = {"close": "period:close", "reopen": "period:close", "approve": "period:approve"}
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def draw() -> None:
    """The list, or the period that the address names."""
    chosen = st.query_params.get("id", "")
    if _SLUG.fullmatch(chosen):
        _one(chosen)
    else:
        text = _("What must be fixed before a period is closed?")
        widgets.draw("heading", {"title": _("Periods"), "text": text})
        _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    page = widgets.ask("periods", lambda client, token: client.ask(PeriodPage, "GET", PATH, token))
    if page is not None:
        view = {**periods(page), "told": widgets.told()}
        if not widgets.may("period:close"):
            view["actions"] = []
        widgets.draw("listing", view, act=_make)


@widgets.fragment(widgets.REFRESH_SECONDS)
def _one(chosen: str) -> None:
    path = f"{PATH}/{chosen}"
    found = widgets.ask(f"period {chosen}", lambda client, token: client.ask(PeriodView, "GET", path, token))
    if found is None:
        return
    state = None
    if found.status == "open":
        state = widgets.ask(
            f"complete {chosen}", lambda client, token: client.ask(Completeness, "GET", f"{path}/completeness", token)
        )
    view = {**period(found, state), "told": widgets.told()}
    view["actions"] = [one for one in view["actions"] if widgets.may(_NEEDED[one["name"]])]
    view["files"] = view["files"] if widgets.may("period:export") else []
    widgets.draw("period", view, act=lambda order: _act(path, order))


def _make(order: dict[str, Any]) -> None:
    name = str(order.get("id", "")).strip()
    if not _SLUG.fullmatch(name):
        widgets.tell(_("The name needs small letters, digits and hyphens, such as 2026-11."), is_done=False)
        return
    count = order.get("approvers")
    body = {"from": order.get("from"), "to": order.get("to"), "approvers": 2 if count == "2" else 1}
    widgets.order(PeriodView, "PUT", f"{PATH}/{name}", body, _("Period {id} is made.", id=name))


def _act(path: str, order: dict[str, Any]) -> None:
    done = {"close": _("The period is closed."), "approve": _("You have approved."), "reopen": _("It is open again.")}
    name = order.get("name")
    if name in done:
        body = {"reason": str(order.get("reason", "")), "force": order.get("force") is True}
        widgets.order(PeriodView, "POST", f"{path}/{name}", body, done[name])
