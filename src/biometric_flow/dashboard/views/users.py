"""Users and roles: who may sign in, what they hold and where, their keys; and what each role gives."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from biometric_flow.api.access import AccountView, GrantView, Invited, KeyMade, KeyView, RoleView, ScopeBody
from biometric_flow.dashboard.account_menu import role_name
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views.deeds import checks_field, deed, select_field, text_field
from biometric_flow.dashboard.views.listing import badge, cell, link, nothing
from biometric_flow.dashboard.words import _, counted, day_text, moment_text, noted, number

View = dict[str, Any]

PATH: Final = "/users"
KEY_DAYS: Final = ("30", "90", "180", "365")
SOON: Final = timedelta(days=14)
"""A key that ends within it is pointed out."""
_KINDS: Final = {"person": noted("Person"), "service": noted("Service")}


def users(accounts: Sequence[AccountView], places: Mapping[str, str], words: str, *, may_write: bool) -> View:
    """Everybody who may sign in and every service, found by `words` in name or address."""
    sought = words.casefold().strip()
    found = [one for one in accounts if sought in f"{one.name} {one.email}".casefold()]
    rows = [
        [
            cell(one.name, link(PATH, id=str(one.id)), one.email, is_name=True),
            cell(_(_KINDS[one.kind])),
            cell(_held(one.grants, places)),
            _let_in(one),
            cell(day_text(one.created_at.date()), is_number=True),
        ]
        for one in found
    ]
    return {
        **_tabs("users"),
        "actions": [_inviting(), _adding()] if may_write else [],
        "search": {"label": _("Find a user"), "value": words},
        "sections": [
            {
                "title": "",
                "count": counted(len(found), "{n} user", "{n} users"),
                "head": [_("Name"), _("Kind"), _("Roles"), _("Status"), _("Since")],
                "rows": rows,
                "empty": nothing(_("Nobody of this name."), _("Look for a part of the name or address."), PATH),
            }
        ],
    }


def user(
    one: AccountView,
    keys: Sequence[KeyView],
    roles: Sequence[RoleView],
    scopes: Mapping[str, str],
    now: datetime,
    *,
    may_write: bool,
    is_oneself: bool,
) -> View:
    """One account. `scopes` are `place:cairo`, `department:sewing` and their names. Nobody changes their own."""
    may_change = may_write and not is_oneself
    own = _("This is your own account: somebody else changes what it holds.") if may_write and is_oneself else ""
    return {
        "back": {"text": _("All users"), "href": PATH},
        "title": one.name,
        "about": f"{one.email} · {_(_KINDS[one.kind])}",
        "badge": _let_in(one)["badge"],
        "note": own,
        "actions": _changes(one) if may_change else [],
        "sections": [
            {
                "title": _("Roles"),
                "count": "",
                "head": [_("Role"), _("Where"), _("Until")],
                "rows": [_grant(grant, scopes, now, may_change=may_change) for grant in one.grants],
                "empty": nothing(_("No roles."), _("Without a role this account may only see itself.")),
                "actions": [_granting(one, roles, scopes)] if may_change else [],
            },
            {
                "title": _("API keys"),
                "count": "",
                "head": [_("Key"), _("For"), _("Last used"), _("Until")],
                "rows": [_key(key, now, may_change=may_write) for key in keys],
                "empty": nothing(_("No API keys."), _("A program signs in with one, for what it names and no more.")),
                "actions": [_keying(one, roles)] if may_write else [],
            },
        ],
    }


def roles_view(roles: Sequence[RoleView], accounts: Sequence[AccountView], *, may_write: bool) -> View:
    """Every role: whom it has, how much it gives."""
    rows = [
        [
            cell(role_name(one.name), link(PATH, role=one.name), said(one.about), is_name=True),
            cell(number(_holders(one.name, accounts)), is_number=True),
            cell(number(len(one.gives)), is_number=True),
            cell(_("Built in") if one.is_built_in else _("Your own")),
        ]
        for one in sorted(roles, key=lambda one: (one.is_built_in, one.name))
    ]
    return {
        **_tabs("roles"),
        "actions": [_defining(roles)] if may_write else [],
        "sections": [
            {
                "title": "",
                "count": counted(len(rows), "{n} role", "{n} roles"),
                "head": [_("Role"), _("Users"), _("Rights"), _("Kind")],
                "rows": rows,
                "empty": nothing(_("No roles."), ""),
            }
        ],
    }


def role_view(role: RoleView, roles: Sequence[RoleView], accounts: Sequence[AccountView], *, may_write: bool) -> View:
    """What one role gives, each right with the role that it comes from, and who has it."""
    by_name = {one.name: one for one in roles}
    from_where = {right: _("its own") for right in role.permissions}
    for name in role.inherits:
        for right in by_name[name].gives if name in by_name else ():
            from_where.setdefault(right, _("from {role}", role=role_name(name)))
    groups = groupby(sorted(role.gives), key=lambda right: right.partition(":")[0])
    holders = [one for one in accounts if any(grant.role == role.name for grant in one.grants)]
    is_own = may_write and not role.is_built_in
    effect = _("Nobody may hold it and no other role inherit from it.")
    remove = deed("remove-role", _("Remove role"), [effect], payload={"role": role.name}, is_quiet=True, is_danger=True)
    return {
        "back": {"text": _("All roles"), "href": link(PATH, tab="roles")},
        "title": role_name(role.name),
        "about": said(role.about),
        "badge": None,
        "note": "",
        "actions": [remove] if is_own else [],
        "sections": [
            {
                "title": _("What it gives"),
                "count": counted(len(role.gives), "{n} right", "{n} rights"),
                "head": [_("Right"), _("From")],
                "rows": [
                    [cell(right), cell(from_where.get(right, ""))] for _group, rights in groups for right in rights
                ],
                "empty": nothing(_("It gives nothing."), ""),
            },
            {
                "title": _("Who has it"),
                "count": counted(len(holders), "{n} user", "{n} users"),
                "head": [_("Name"), _("Status")],
                "rows": [
                    [cell(one.name, link(PATH, id=str(one.id)), one.email, is_name=True), _let_in(one)]
                    for one in holders
                ],
                "empty": nothing(_("Nobody has it."), ""),
            },
        ],
    }


def invitation_once(made: Invited, name: str) -> View:
    """An invitation as a link, shown until its reader has kept it."""
    return {
        "title": _("Invitation for {name}", name=name),
        "text": _("Send this link to {name} yourself. It sets a password, once, within a week.", name=name),
        "path": "/invitation",
        "secret": made.invitation,
        "kept": _("I have kept it"),
        "copy": _("Copy"),
    }


def key_once(made: KeyMade) -> View:
    """A new API key, shown until its reader has kept it."""
    return {
        "title": _("Key {name}", name=made.name),
        "text": _("It is shown only now, and nowhere again. Put it where the program reads it."),
        "path": "",
        "secret": made.secret,
        "kept": _("I have kept it"),
        "copy": _("Copy"),
    }


def scope_of(text: str) -> ScopeBody | None:
    """`tenant`, `place:cairo` or `department:sewing`; None for anything else."""
    kind, _colon, name = text.partition(":")
    if kind == "tenant" and not name:
        return ScopeBody(kind="tenant", id=None)
    if kind in ("place", "department") and name:
        return ScopeBody.model_validate({"kind": kind, "id": name})
    return None


def _tabs(chosen: str) -> View:
    tabs = {"users": (_("Users"), PATH), "roles": (_("Roles"), link(PATH, tab="roles"))}
    return {
        "tabs": [{"text": text, "href": href, "is_chosen": name == chosen} for name, (text, href) in tabs.items()],
        "tabs_label": _("Users and roles"),
    }


def _let_in(one: AccountView) -> View:
    if not one.is_enabled:
        return badge("■", _("Kept out"), "bad")
    if not one.grants:
        return badge("○", _("No roles yet"), "unknown")
    return badge("●", _("Let in"), "ok")


def _held(grants: Sequence[GrantView], places: Mapping[str, str]) -> str:
    scopes = {f"place:{key}": name for key, name in places.items()}
    return ", ".join(
        role_name(one.role) if one.scope.kind == "tenant" else f"{role_name(one.role)} ({_where(one.scope, scopes)})"
        for one in grants
    )


def _where(scope: ScopeBody, scopes: Mapping[str, str]) -> str:
    if scope.kind == "tenant":
        return _("Everywhere")
    return scopes.get(f"{scope.kind}:{scope.id}", scope.id or "")


def _holders(role: str, accounts: Sequence[AccountView]) -> int:
    return sum(any(grant.role == role for grant in one.grants) for one in accounts)


def _grant(grant: GrantView, scopes: Mapping[str, str], now: datetime, *, may_change: bool) -> View:
    until = moment_text(grant.valid_to, has_seconds=False) if grant.valid_to else _("No end")
    if grant.valid_to and grant.valid_to <= now:
        until = _("Over since {moment}", moment=until)
    name, where = role_name(grant.role), _where(grant.scope, scopes)
    effect = _("{role} ends within five seconds, in what is open now too.", role=f"{name} ({where})")
    label = _("Take away {what}", what=f"{name} ({where})")
    about = {"grant": str(grant.id)}
    remove = deed("remove-grant", _("Take away"), [effect], label=label, payload=about, is_quiet=True)
    return {
        "cells": [cell(name, link(PATH, role=grant.role)), cell(where, is_name=True), cell(until)],
        "actions": [remove] if may_change else [],
    }


def _key(key: KeyView, now: datetime, *, may_change: bool) -> View:
    ends = day_text(key.expires_at.date())
    if key.expires_at <= now:
        until = badge("■", _("Over"), "bad", ends)
    elif key.expires_at - now < SOON:
        until = badge("▲", _("Ends soon"), "warn", ends)
    else:
        until = cell(ends, is_number=True)
    used = moment_text(key.last_used, has_seconds=False) if key.last_used else _("Never")
    effect = _("Programs that use {name} are refused within five seconds.", name=key.name)
    label, about = _("Take away {what}", what=key.name), {"key": str(key.id)}
    remove = deed("remove-key", _("Take away"), [effect], label=label, payload=about, is_quiet=True)
    return {
        "cells": [cell(key.name, is_name=True), cell(", ".join(key.permissions)), cell(used), until],
        "actions": [remove] if may_change else [],
    }


def _changes(one: AccountView) -> list[View]:
    out = _("All sign-ins of {name} end within five seconds, open pages too. Nothing is deleted.", name=one.name)
    into = _("{name} may sign in again, with what is held below.", name=one.name)
    state = (
        deed("keep-out", _("Keep out"), [out], is_quiet=True, is_danger=True)
        if one.is_enabled
        else deed("let-in", _("Let in again"), [into])
    )
    if one.kind != "person":
        return [state]
    anew = _("The password and all sign-ins end. You get a link to send, which sets another password.")
    lost = _("For a lost telephone: {name} signs in with the password alone, and sets another one up.", name=one.name)
    return [
        state,
        deed("invite-again", _("New invitation"), [anew], is_quiet=True),
        deed("reset-factor", _("Reset second step"), [lost], is_quiet=True),
    ]


def _inviting() -> View:
    fields = [
        {"name": "email", "label": _("E-mail"), "type": "email", "required": True, "maxlength": 254},
        text_field("called", _("Name")),
    ]
    told = [_("You get a link to send, which sets a password. Roles are given afterwards.")]
    return deed("invite", _("Invite a person"), told, fields, confirm=_("Invite"))


def _adding() -> View:
    fields = [
        {"name": "email", "label": _("Address of its owner"), "type": "email", "required": True, "maxlength": 254},
        text_field("called", _("Name, such as Payroll export")),
    ]
    told = [_("A service signs in with API keys and never with a password.")]
    return deed("add-service", _("Add a service"), told, fields, confirm=_("Add"), is_quiet=True)


def _granting(one: AccountView, roles: Sequence[RoleView], scopes: Mapping[str, str]) -> View:
    fields = [
        select_field("role", _("Role"), [(role.name, role_name(role.name)) for role in roles]),
        select_field("scope", _("Where"), [("tenant", _("Everywhere")), *scopes.items()]),
        {"name": "until", "label": _("Ends at the beginning of (may stay empty)"), "type": "date", "required": False},
    ]
    told = [_("Only what you hold yourself can be given.")]
    return deed("grant", _("Give a role"), told, fields, title=_("Give {name} a role", name=one.name))


def _keying(one: AccountView, roles: Sequence[RoleView]) -> View:
    by_name = {role.name: role for role in roles}
    held = {right for grant in one.grants if grant.role in by_name for right in by_name[grant.role].gives}
    fields = [
        text_field("called", _("What it is for")),
        checks_field("permissions", _("What it may do"), [(right, right) for right in sorted(held)]),
        select_field("days", _("Days until it ends"), [(days, days) for days in KEY_DAYS[1:] + KEY_DAYS[:1]]),
    ]
    told = [_("It may do what is ticked as far as the account may, and is shown once.")]
    return deed("add-key", _("New API key"), told, fields, is_quiet=bool(one.kind == "person"))


def _defining(roles: Sequence[RoleView]) -> View:
    rights: Collection[str] = {right for role in roles for right in role.gives}
    fields = [
        text_field(
            "role", _("Name, in small letters, such as shift_lead"), maxlength=40, pattern="[a-z][a-z0-9_]{2,39}"
        ),
        text_field("about", _("What it is for"), maxlength=200, is_needed=False),
        select_field(
            "inherits",
            _("Begins with all of"),
            [("", _("No other role")), *((role.name, role_name(role.name)) for role in roles)],
        ),
        checks_field("permissions", _("Rights of its own"), [(right, right) for right in sorted(rights)]),
    ]
    return deed("define", _("New role"), [_("Only what you hold yourself can be in it.")], fields)
