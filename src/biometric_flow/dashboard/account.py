"""The Account page: one's own second factor. Plain forms of ours, so that no secret enters Streamlit's session."""

from html import escape
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from biometric_flow.api.access import FactorMade, FactorView, RecoveryCodes
from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.dashboard.forms import read_form
from biometric_flow.dashboard.login import Login, Logins, SignedOut
from biometric_flow.dashboard.static import plain_page
from biometric_flow.dashboard.words import _, counted

log = structlog.get_logger()

PATH: Final = "/account"
_CODE: Final = 'inputmode="numeric" autocomplete="one-time-code" required minlength="6" maxlength="40"'


class Account:
    """The page and what its forms do, for the login of the request."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    async def show(self, request: Request) -> Response:
        """GET /account."""
        return await self._answer(request.state.login, {})

    async def act(self, request: Request) -> Response:
        """POST /account; the gate has checked that the form is ours."""
        return await self._answer(request.state.login, await read_form(request) or {})

    async def _answer(self, login: Login, given: dict[str, str]) -> Response:
        text, error, status = "", "", 200
        try:
            token = await self._logins.token(login)
            try:
                text = await self._do(login, token, given)
            except GatewayProblem as refused:
                if refused.code == "access.unauthenticated":
                    raise
                error, status = _refused(refused), refused.status
            held = await self._logins.client.ask(FactorView, "GET", "/v1/me/factor", token)
            login.me = await self._logins.client.me(token)
        except (SignedOut, GatewayProblem) as gone:
            log.info("account_not_shown", reason=str(gone))
            return RedirectResponse("/sign-in?next=/account", 303)
        except GatewayUnreachable as away:
            log.warning("account_not_shown", reason=str(away))
            text = _alert(
                _("The system cannot be reached right now. Nothing was changed as far as we know. Try again.")
            )
            return HTMLResponse(plain_page(login.me, PATH, _("Account"), text), 503)
        body = (_alert(error) if error else "") + (text or _state(held))
        return HTMLResponse(plain_page(login.me, PATH, _("Account"), body), status)

    async def _do(self, login: Login, token: str, given: dict[str, str]) -> str:
        """What a form asks for; what there is to see once, or nothing."""
        client, code = self._logins.client, {"code": given.get("code", "").strip()}
        match given.get("do"):
            case "begin":
                return await self._begin(client, token, {"password": given.get("password", "")})
            case "confirm":
                told = await client.ask(RecoveryCodes, "POST", "/v1/me/factor/confirmation", token, json=code)
                return _recovery(told.codes)
            case "renew":
                told = await client.ask(RecoveryCodes, "POST", "/v1/me/factor/recovery-codes", token, json=code)
                return _recovery(told.codes)
            case "remove":
                await client.order("POST", "/v1/me/factor/removal", token, json=code)
        return ""

    async def _begin(self, client: GatewayClient, token: str, body: dict[str, str]) -> str:
        made = await client.ask(FactorMade, "POST", "/v1/me/factor", token, json=body)
        return f"""<h2>{escape(_("1. Add this account to your app"))}</h2>
<p>{escape(_("Scan the picture with an authenticator app, or type the key into it."))}</p>
<div class="bf-picture" role="img" aria-label="{escape(_("QR code of the key"))}">{made.picture}</div>
<p><code class="bf-secret">{escape(" ".join(_fours(made.secret)))}</code></p>
<h2>{escape(_("2. Type the code that it shows"))}</h2>
{_form("confirm", _("Code"), _("Turn on"), f'name="code" {_CODE}')}"""


def _state(held: FactorView) -> str:
    if not held.is_on:
        why = _("Your organisation asks for a second step at sign-in. Set it up to go on.")
        free = _("With a second step, a password that somebody found out opens nothing.")
        field = 'name="password" type="password" autocomplete="current-password" required maxlength="128"'
        return f"""<h2>{escape(_("Second step at sign-in"))}</h2><p>{escape(why if held.is_asked else free)}</p>
{_form("begin", _("Your password"), _("Set up"), field)}"""
    left = counted(held.recovery_codes, "{n} recovery code is left.", "{n} recovery codes are left.")
    off = "" if held.is_asked else _form("remove", _("Code"), _("Turn off"), f'name="code" {_CODE}', is_quiet=True)
    return f"""<h2>{escape(_("Second step at sign-in"))}</h2>
<p><strong>{escape(_("On."))}</strong> {escape(left)}</p>
{_form("renew", _("Code"), _("New recovery codes"), f'name="code" {_CODE}')}
{off}"""


def _recovery(codes: list[str]) -> str:
    items = "".join(f"<li><code>{escape(code)}</code></li>" for code in codes)
    return f"""<h2>{escape(_("Your recovery codes"))}</h2>
<p>{escape(_("Each lets you in once without your app. They are shown only now: print them or keep them safe."))}</p>
<ul class="bf-codes">{items}</ul>
<p><a href="/">{escape(_("I have kept them"))}</a></p>"""


def _form(what: str, label: str, button: str, field: str, *, is_quiet: bool = False) -> str:
    kind = ' class="bf-quiet"' if is_quiet else ""
    return f"""<form method="post" action="{PATH}" class="bf-plain">
<input type="hidden" name="do" value="{what}">
<label for="bf-{what}">{escape(label)}</label>
<input id="bf-{what}" {field}>
<button type="submit"{kind}>{escape(button)}</button>
</form>"""


def _refused(error: GatewayProblem) -> str:
    if error.status == 429:
        return _("Too many tries. Please wait a minute and try again.")
    if error.status in (401, 422):
        return _("That is not right. Please check what you typed and try again.")
    return error.detail


def _alert(text: str) -> str:
    return f'<p class="bf-alert" role="alert">{escape(text)}</p>'


def _fours(text: str) -> list[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]
