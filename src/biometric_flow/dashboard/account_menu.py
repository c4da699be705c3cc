"""The account menu: who is signed in, how they want the pages, the way out; and the route that keeps the choice."""

from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from biometric_flow.api.gateway import Me
from biometric_flow.dashboard.forms import local_path, read_form
from biometric_flow.dashboard.look import COOKIE, COOKIE_SECONDS, OFFERED, chosen, look
from biometric_flow.dashboard.words import _, noted

_THEMES: Final = {
    "system": noted("As the device"),
    "light": noted("Light"),
    "dark": noted("Dark"),
    "contrast": noted("High contrast"),
}
_ROLES: Final = {
    "employee": noted("Employee"),
    "device_technician": noted("Device technician"),
    "platform_operator": noted("Platform operator"),
    "break_glass": noted("Break-glass"),
    "department_head": noted("Department head"),
    "place_manager": noted("Place manager"),
    "observer": noted("Observer"),
    "auditor": noted("Auditor"),
    "security_officer": noted("Security officer"),
    "hr_manager": noted("HR manager"),
    "payroll": noted("Payroll"),
    "integration": noted("Integration"),
    "tenant_admin": noted("Administrator"),
}
"""Names of the roles that come with the gateway; a role that a tenant made has the name that they gave it."""


def role_name(role: str) -> str:
    """A role as people read it."""
    return _(_ROLES[role]) if role in _ROLES else role.replace("_", " ").capitalize()


def menu(me: Me) -> str:
    """The menu as HTML that works without any script."""
    initials = "".join(word[0] for word in me.name.split()[:2]).upper() or "?"
    return f"""<details class="bf-account">
<summary aria-label="{escape(_("Account of {name}", name=me.name))}">
<span aria-hidden="true">{escape(initials)}</span></summary>
<div class="bf-menu">
<p class="bf-menu-name"><bdi>{escape(me.name)}</bdi></p>
<p class="bf-menu-detail"><bdi>{escape(me.email)}</bdi></p>
<p class="bf-menu-detail">{escape(role_name(me.role))}</p>
<form method="post" action="/look" class="bf-look">
<input type="hidden" name="next" value="/">
<input type="hidden" name="calendar" value="1">
<label>{escape(_("Language"))} {_choices("lang", {one.code: one.name for one in OFFERED}, look().language.code)}</label>
<label>{escape(_("Colours"))} {_choices("theme", {key: _(word) for key, word in _THEMES.items()}, look().theme)}</label>
<label class="bf-menu-switch"><input type="checkbox" name="hijri" value="1"{_checked(look().has_hijri)}>
{escape(_("Hijri dates beside"))}</label>
<button type="submit">{escape(_("Apply"))}</button>
</form>
<label class="bf-menu-switch"><input type="checkbox" id="bf-shortcuts" checked>
{escape(_("Shortcut / for search"))}</label>
<p class="bf-menu-link"><a href="/account">{escape(_("Account and second step"))}</a></p>
<form method="post" action="/sign-out"><button type="submit">{escape(_("Sign out"))}</button></form>
</div>
</details>"""


def languages(target: str) -> str:
    """The other languages as buttons, for the way in."""
    buttons = "".join(
        f'<button type="submit" name="lang" value="{one.code}" lang="{one.code}" dir="{one.direction}">'
        f"{escape(one.name)}</button>"
        for one in OFFERED
        if one is not look().language
    )
    return (
        f'<form method="post" action="/look" class="bf-languages">'
        f'<input type="hidden" name="next" value="{escape(target)}">{buttons}</form>'
    )


async def keep_look(request: Request) -> Response:
    """POST /look: keep the choice in this browser and go back; the gate has checked that the form is ours."""
    fields = await read_form(request)
    if fields is None:
        return PlainTextResponse(_("That was too long."), 413)
    response = RedirectResponse(local_path(fields.get("next", "/")), 303)
    response.set_cookie(
        COOKIE,
        chosen(fields, look()).cookie(),
        max_age=COOKIE_SECONDS,
        path="/",
        secure=request.app.state.has_secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return response


def _choices(name: str, options: dict[str, str], value: str) -> str:
    offered = "".join(
        f'<option value="{key}"{" selected" if key == value else ""}>{escape(text)}</option>'
        for key, text in options.items()
    )
    return f'<select name="{name}">{offered}</select>'


def _checked(is_on: bool) -> str:
    return " checked" if is_on else ""
