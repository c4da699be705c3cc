"""Users and roles: who may do what?"""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import streamlit as st

from biometric_flow.api.access import AccountView, GrantView, Invited, KeyMade, KeyView, RoleView
from biometric_flow.api.clients import GatewayClient
from biometric_flow.api.hours import DepartmentView
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.users import (
    invitation_once,
    key_once,
    role_view,
    roles_view,
    scope_of,
    user,
    users,
)
from biometric_flow.dashboard.words import _

ACCOUNTS: Final = "/v1/accounts"
_ROLE: Final = re.compile(r"[a-z][a-z0-9_]{2,39}")
_ONCE: Final = "shown once"
_MOST: Final = 100
"""Rights that one order names."""


def draw() -> None:
    """The list, or the account or role that the address names."""
    account, role = widgets.identifier(st.query_params.get("id", "")), st.query_params.get("role", "")
    if account is not None:
        _one(account)
    elif _ROLE.fullmatch(role):
        _role(role)
    else:
        widgets.draw("heading", {"title": _("Users and roles"), "text": _("Who may do what?")})
        _lists(st.query_params.get("tab", ""))


@widgets.fragment(widgets.REFRESH_SECONDS)
def _lists(tab: str) -> None:
    found = widgets.ask(f"users {tab}", _all)
    if found is None:
        return
    accounts, roles, names = found
    may_write = widgets.may("access:write")
    if tab == "roles":
        view = roles_view(roles, accounts, may_write=may_write)
    else:
        view = users(accounts, names, widgets.searched(), may_write=may_write)
    _show(view, lambda order: _make(order))


@widgets.fragment(widgets.REFRESH_SECONDS)
def _role(name: str) -> None:
    found = widgets.ask("users roles", _all)
    if found is None:
        return
    accounts, roles, _names = found
    role = next((one for one in roles if one.name == name), None)
    if role is None:
        _gone(_("There is no such role (any more)."))
        return
    _show(role_view(role, roles, accounts, may_write=widgets.may("access:write")), _make)


@widgets.fragment(widgets.REFRESH_SECONDS)
def _one(account: UUID) -> None:
    found = widgets.ask(f"user {account}", lambda client, token: _about(client, token, account))
    if found is None:
        return
    one, keys, roles, scopes = found
    if one is None:
        _gone(_("There is no such user."))
        return
    view = user(
        one,
        keys,
        roles,
        scopes,
        datetime.now(UTC),
        may_write=widgets.may("access:write"),
        is_oneself=str(account) == widgets.account(),
    )
    _show(view, lambda order: _change(one, order))


def _show(view: dict[str, Any], act: Callable[[dict[str, Any]], None]) -> None:
    def acted(order: dict[str, Any]) -> None:
        if order.get("name") == "kept":
            st.session_state.pop(_ONCE, None)
        else:
            act(order)

    widgets.draw("sections", {**view, "told": widgets.told(), "once": st.session_state.get(_ONCE)}, act=acted)


def _gone(text: str) -> None:
    widgets.draw("empty", {"title": text, "text": "", "clear": {"text": _("All users"), "href": "/users"}})


async def _all(client: GatewayClient, token: str) -> tuple[list[AccountView], list[RoleView], dict[str, str]]:
    accounts, roles, places = await asyncio.gather(
        client.ask(list[AccountView], "GET", ACCOUNTS, token),
        client.ask(list[RoleView], "GET", "/v1/roles", token),
        client.places(token),
    )
    return accounts, roles, {place.id: place.name for place in places}


async def _about(
    client: GatewayClient, token: str, account: UUID
) -> tuple[AccountView | None, list[KeyView], list[RoleView], dict[str, str]]:
    (accounts, roles, places), keys, departments = await asyncio.gather(
        _all(client, token),
        client.ask(list[KeyView], "GET", f"{ACCOUNTS}/{account}/keys", token),
        client.ask(list[DepartmentView], "GET", "/v1/departments", token),
    )
    scopes = {f"place:{key}": name for key, name in places.items()}
    scopes |= {f"department:{one.id}": one.name for one in departments}
    return next((one for one in accounts if one.id == account), None), keys, roles, scopes


def _make(order: dict[str, Any]) -> None:
    """What is done from a list: a new account, a role made or removed."""
    match order.get("name"):
        case "invite" | "add-service" as what:
            name, kind = _line(order, "called", 80), "person" if what == "invite" else "service"
            body = {"email": _line(order, "email", 254), "name": name, "kind": kind}
            made = widgets.order(Invited, "POST", ACCOUNTS, body, _("{name} was added.", name=name))
            if made is not None and made.invitation:
                st.session_state[_ONCE] = invitation_once(made, name)
        case "define":
            role = _line(order, "role", 40)
            if not _ROLE.fullmatch(role):
                widgets.tell(_("The name needs 3 to 40 small letters, digits and underscores."))
                return
            inherits = _line(order, "inherits", 40)
            wanted: dict[str, Any] = {
                "about": _line(order, "about", 200),
                "permissions": _rights(order),
                "inherits": [inherits] if inherits else [],
            }
            widgets.order(RoleView, "PUT", f"/v1/roles/{role}", wanted, _("The role is made."))
        case "remove-role":
            role = _line(order, "role", 40)
            if _ROLE.fullmatch(role):
                widgets.order(None, "DELETE", f"/v1/roles/{role}", None, _("The role is removed."))


def _change(one: AccountView, order: dict[str, Any]) -> None:
    """What is done about one account."""
    path = f"{ACCOUNTS}/{one.id}"
    match order.get("name"):
        case "keep-out" | "let-in" as what:
            done = (
                _("{name} is kept out.", name=one.name) if what == "keep-out" else _("{name} is let in.", name=one.name)
            )
            widgets.order(None, "PUT", f"{path}/state", {"is_enabled": what == "let-in"}, done)
        case "invite-again":
            made = widgets.order(Invited, "POST", f"{path}/invitation", None, _("The old password ended."))
            if made is not None:
                st.session_state[_ONCE] = invitation_once(made, one.name)
        case "reset-factor":
            widgets.order(None, "DELETE", f"{path}/factor", None, _("The second step is reset."))
        case "grant":
            _give(path, order)
        case "remove-grant":
            if (grant := widgets.identifier(order.get("grant"))) is not None:
                widgets.order(None, "DELETE", f"{path}/grants/{grant}", None, _("The role is taken away."))
        case "add-key":
            body = {"name": _line(order, "called", 80), "permissions": _rights(order), "days": _days(order)}
            if not body["permissions"]:
                widgets.tell(_("Tick at least one thing that the key may do."))
                return
            key = widgets.order(KeyMade, "POST", f"{path}/keys", body, _("The key is made."))
            if key is not None:
                st.session_state[_ONCE] = key_once(key)
        case "remove-key":
            if (key_id := widgets.identifier(order.get("key"))) is not None:
                widgets.order(None, "DELETE", f"{path}/keys/{key_id}", None, _("The key is taken away."))


def _give(path: str, order: dict[str, Any]) -> None:
    scope = scope_of(_line(order, "scope", 80))
    until = _line(order, "until", 10)
    if scope is None or (until and not _is_day(until)):
        widgets.tell(_("Choose where, and a day such as 2026-12-31 or none."))
        return
    body = {"role": _line(order, "role", 40), "scope": scope.model_dump()}
    if until:
        body["valid_to"] = f"{until}T00:00:00Z"
    widgets.order(GrantView, "POST", f"{path}/grants", body, _("The role is given."))


def _line(order: dict[str, Any], name: str, most: int) -> str:
    return str(order.get(name) or "").strip()[:most]


def _rights(order: dict[str, Any]) -> list[str]:
    given = order.get("permissions")
    return [str(one)[:40] for one in given[:_MOST]] if isinstance(given, list) else []


def _days(order: dict[str, Any]) -> int:
    text = _line(order, "days", 3)
    return int(text) if text.isdecimal() else 90


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
