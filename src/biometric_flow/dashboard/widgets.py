"""What two pages or more use: the login behind a page, regions drawn by our script, the scope bar, the drawn states."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import replace
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import streamlit as st
import structlog

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.api.hours import DepartmentView
from biometric_flow.dashboard.login import Login, SignedOut, installed
from biometric_flow.dashboard.look import COOKIE, made_for, read_look
from biometric_flow.dashboard.scope import Scope, read_scope, scope_view
from biometric_flow.dashboard.static import ASSETS_URL
from biometric_flow.dashboard.words import _

log = structlog.get_logger()

T = TypeVar("T")

REFRESH_SECONDS: Final = 30
"""Regions without live events ask again this often (shorter costs a core at 40 open pages)."""

_LOADER: Final = Path(__file__).parent.joinpath("assets", "loader.js").read_text("utf-8")
_region = st.components.v2.component(
    "biometric_flow_region", js=_LOADER.replace("ASSETS_URL", ASSETS_URL), isolate_styles=False
)


def draw(kind: str, data: Any, key: str | None = None, act: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Draw one region by `assets/regions.js`. `data` is text and numbers; the script never takes it for HTML.

    `act` is told what a person did in it, before the page is drawn again. What came is the browser's word: check it.
    """
    name = key or kind

    def acted() -> None:
        order = (st.session_state.get(name) or {}).get("act")
        if act is not None and isinstance(order, dict):
            speak()
            _in_use()
            act(order)

    _region(data={"kind": kind, "view": data}, key=name, on_refresh_change=_run_again, on_act_change=acted)


def _run_again() -> None:
    """A region asked for fresh answers; that its fragment runs again is all it takes."""


def order(kind: type[T] | None, method: str, path: str, body: dict[str, Any] | None, done: str) -> T | None:
    """Have the gateway do something, and say what came of it; `done` is said when it did. Never asked twice.

    `kind` is what its answer is read as, None where it has no body.
    """

    async def question(client: GatewayClient, token: str) -> T | None:
        if kind is None:
            await client.order(method, path, token, json=body)
            return None
        return await client.ask(kind, method, path, token, json=body)

    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    if login is None:
        return None
    try:
        answer = logins.ask(login, None, question)
    except SignedOut:
        return None
    except (GatewayUnreachable, TimeoutError) as error:
        log.warning("order_failed", path=path, reason=str(error))
        tell(_("The gateway does not answer. Nobody knows whether this was done: look before you repeat it."))
        return None
    except GatewayProblem as error:
        tell(_("{detail} (error id {id})", detail=error.detail, id=error.request_id))
        return None
    login.cache.clear()
    tell(done, is_done=True)
    return answer


def tell(text: str, *, is_done: bool = False) -> None:
    """Say once, at the next drawing, what came of something that a person did."""
    st.session_state["told"] = {"text": text, "is_done": is_done} if text else None


def told() -> dict[str, Any] | None:
    """What came of the last thing that a person did in this tab; once."""
    said: dict[str, Any] | None = st.session_state.pop("told", None)
    return said


def current_login() -> Login | None:
    """The login of the browser that runs this script; a full run is its person's doing, so it counts as use.

    What the last account left in this tab's Streamlit session is dropped first.
    """
    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    if login is not None:
        logins.touch(login)
        if st.session_state.get("login") != login.id:
            st.session_state.clear()
            st.session_state["login"] = login.id
    return login


def account() -> str:
    """The id of the account behind this page; empty once it is signed out. Asking is no use of the login."""
    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    return login.me.account if login else ""


def today() -> date:
    """The day of this process's clock, in UTC."""
    return installed()[0].today()


def moment() -> float:
    """Seconds on this process's own clock, the one that live streams name their beginning by."""
    return installed()[0].moment()


def ask(key: Hashable, question: Callable[[GatewayClient, str], Awaitable[T]]) -> T | None:
    """The gateway's answer, at most two seconds old; under no key, fresh.

    Without an answer, says why and gives the last one that this tab had, or None.
    """
    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    if login is None:
        draw("signed_out", {})
        return None
    kept = f"answer {key}"
    try:
        answer = logins.ask(login, key, question)
    except SignedOut:
        draw("signed_out", {})
        return None
    except (GatewayUnreachable, TimeoutError) as error:
        _failed(error, _("The gateway does not answer."), None, has_kept=kept in st.session_state)
    except GatewayProblem as error:
        title = _("The gateway refused this ({code}).", code=error.code)
        _failed(error, title, error.request_id, has_kept=kept in st.session_state)
    else:
        st.session_state[kept] = answer
        return answer
    last: T | None = st.session_state.get(kept)
    return last


def attempt(key: Hashable, question: Callable[[GatewayClient, str], Awaitable[T]]) -> tuple[T | None, str]:
    """An answer that the page can do without, or why there is none, in words."""
    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    if login is None:
        return None, _("Signed out")
    try:
        return logins.ask(login, key, question), ""
    except SignedOut:
        return None, _("Signed out")
    except (GatewayUnreachable, TimeoutError):
        return None, _("The gateway does not answer.")
    except GatewayProblem as error:
        if error.status in (503, 504):
            return None, _("The place cannot be asked right now ({code}). It keeps recording.", code=error.code)
        return None, _("{detail} (error id {id})", detail=error.detail, id=error.request_id)


def may(permission: str) -> bool:
    """Does this page's account hold the permission anywhere? For what is drawn; the gateway decides what is done."""
    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    return login is not None and permission in login.me.permissions


def _failed(error: Exception, title: str, request_id: str | None, *, has_kept: bool) -> None:
    error_id = request_id or secrets.token_hex(4)
    log.warning("page_failed", error_id=error_id, reason=str(error))
    safe = _("Terminals and places keep recording; nothing is lost. This page comes back by itself.")
    shown = _("Below is what was known last.") if has_kept else _("There is nothing to show until then.")
    draw(
        "failed",
        {
            "title": title,
            "text": [safe, shown],
            "again": _("Try again"),
            "error_id": error_id,
            "error_label": _("Error id"),
        },
    )


def scope(*, has_departments: bool = False, search: str = "") -> tuple[Scope, dict[str, str]] | None:
    """Draw the scope bar and give what it says, with the places' names; None without an answer from the gateway."""
    places = ask("places", lambda client, token: client.places(token))
    if places is None:
        return None
    names = {place.id: place.name for place in places}
    departments = None
    if has_departments:
        found = ask(
            "departments", lambda client, token: client.ask(list[DepartmentView], "GET", "/v1/departments", token)
        )
        departments = {one.id: one.name for one in found or ()}
    chosen = read_scope(st.query_params.to_dict(), today())
    known = replace(chosen, places=tuple(place for place in chosen.places if place in names))
    draw("scope", scope_view(known, today(), names, departments, search))
    return known, names


def named(name: str, options: Collection[str]) -> list[str]:
    """What the address names, such as `?loc=cairo,dhaka`; what nobody offers is dropped, none means all."""
    return [part for part in st.query_params.get(name, "")[:400].split(",") if part in options]


def identifier(text: object) -> UUID | None:
    """An id that an address or a browser names, None when it is none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def searched() -> str:
    """The words that the address searches for."""
    return str(st.query_params.get("q", ""))[:100]


def fragment(run_every: int | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`st.fragment` in the reader's language: each run is a thread of its own, which knows nothing of its reader."""

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def spoken(*arguments: object) -> None:
            speak()
            function(*arguments)

        return st.fragment(spoken, run_every=run_every)

    return wrap


def speak() -> None:
    """Make the texts of this run for whoever reads this page."""
    made_for(read_look(st.query_params.to_dict(), st.context.cookies.get(COOKIE, ""), _accepted()))


def _accepted() -> str:
    return str(st.context.headers.get("Accept-Language") or "")


def _in_use() -> None:
    """A person did something: their login is in use, though only a fragment runs."""
    logins, cookie_name = installed()
    login = logins.find(st.context.cookies.get(cookie_name))
    if login is not None:
        logins.touch(login)
