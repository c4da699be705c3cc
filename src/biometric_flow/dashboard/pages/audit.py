"""Audit: who changed this?"""

import streamlit as st

from biometric_flow.api.audit import AuditPage
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.audit import PAGE, audit, begin_of
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading and one page of the trail."""
    text = _("Who did what, and what was refused? Every entry is chained to the one before; none can be edited.")
    widgets.draw("heading", {"title": _("Audit"), "text": text})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    first = widgets.ask("audit", lambda client, token: client.ask(AuditPage, "GET", "/v1/audit", token, {"limit": 1}))
    if first is None:
        return
    after = begin_of(st.query_params.get("after", ""), first.head)
    query = {"after": after, "limit": PAGE}
    page = widgets.ask(f"audit {after}", lambda client, token: client.ask(AuditPage, "GET", "/v1/audit", token, query))
    if page is not None:
        widgets.draw("listing", audit(page.items, page.head, after, widgets.account()))
