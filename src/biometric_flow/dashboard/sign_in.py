"""The way in and out: a plain form of ours, without Streamlit, that a password manager and a phone understand."""

from html import escape
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable
from biometric_flow.dashboard.account_menu import languages
from biometric_flow.dashboard.forms import local_path, read_form
from biometric_flow.dashboard.gate import is_same_origin
from biometric_flow.dashboard.login import Logins
from biometric_flow.dashboard.static import ASSETS_URL, PRELOADS, beginning
from biometric_flow.dashboard.words import _

log = structlog.get_logger()


class SignIn:
    """The three routes, bound to one store and one cookie."""

    def __init__(self, logins: Logins, cookie_name: str, *, is_secure: bool) -> None:
        self._logins, self._cookie_name, self._is_secure = logins, cookie_name, is_secure

    async def show(self, request: Request) -> Response:
        """GET /sign-in."""
        target = local_path(request.query_params.get("next", "/"))
        if request.state.login is not None:
            return RedirectResponse(target, 303)
        return form(target)

    async def submit(self, request: Request) -> Response:
        """POST /sign-in."""
        if not is_same_origin(request.headers):
            return form("/", error=_("This form was sent from another site. Please sign in here."), status=403)
        fields = await read_form(request)
        if fields is None:
            return form("/", error=_("That was too long. Please type your e-mail address and password."), status=413)
        target = local_path(fields.get("next", "/"))
        if "ticket" in fields:
            return await self._enter(request, target, fields["ticket"], fields.get("code", "").strip())
        email, password = fields.get("email", "").strip(), fields.get("password", "")
        if not 3 <= len(email) <= 254 or not 1 <= len(password) <= 128:
            return form(target, email, _("Please type your e-mail address and your password."), 422)
        try:
            cookie = await self._logins.open(email, password)
        except GatewayProblem as error:
            if error.code == "access.code_needed":
                return code_form(target, str(error.more.get("ticket", "")))
            log.info("sign_in_refused", code=error.code)
            return form(target, email, _refused(error), error.status)
        except GatewayUnreachable as error:
            log.warning("sign_in_failed", reason=str(error))
            return form(target, email, _away(), 503)
        return await self._opened(request, cookie, target)

    async def _enter(self, request: Request, target: str, ticket: str, code: str) -> Response:
        """The second step; a ticket that is over leads back to the first."""
        try:
            cookie = await self._logins.open_with_code(ticket, code)
        except GatewayProblem as error:
            log.info("sign_in_refused", code=error.code)
            text = _("The code is not right, or the time for it is over. Try the next code, or sign in anew.")
            return code_form(target, ticket, _waiting() if error.status == 429 else text, error.status)
        except GatewayUnreachable as error:
            log.warning("sign_in_failed", reason=str(error))
            return code_form(target, ticket, _away(), 503)
        return await self._opened(request, cookie, target)

    async def _opened(self, request: Request, cookie: str, target: str) -> Response:
        if request.state.login is not None:
            await self._logins.leave(request.state.login)
        response = RedirectResponse(target, 303)
        response.set_cookie(self._cookie_name, cookie, path="/", secure=self._is_secure, httponly=True, samesite="lax")
        return response

    async def leave(self, request: Request) -> Response:
        """POST /sign-out; the gate has checked that the form is ours."""
        if request.state.login is not None:
            await self._logins.leave(request.state.login)
        response = RedirectResponse("/sign-in", 303, headers={"Clear-Site-Data": '"cache", "storage"'})
        response.delete_cookie(self._cookie_name, path="/", secure=self._is_secure, httponly=True, samesite="lax")
        return response


def form(target: str, email: str = "", error: str = "", status: int = 200) -> HTMLResponse:
    """The page, with what went wrong in words and what was typed kept, except the password."""
    described = ' aria-describedby="error" aria-invalid="true"' if error else ""
    focus_password = " autofocus" if email else ""
    focus_email = "" if email else " autofocus"
    fields = f"""<label for="email">{escape(_("E-mail"))}</label>
<input id="email" name="email" type="email" autocomplete="username" inputmode="email" required maxlength="254"
 value="{escape(email)}"{described}{focus_email}>
<label for="password">{escape(_("Password"))}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="128"
{described}{focus_password}>"""
    help_text = escape(_("No account, or locked out? Ask the administrator of your organisation."))
    return card(_("Sign in"), "/sign-in", target, fields, help_text, error, status)


def code_form(target: str, ticket: str, error: str = "", status: int = 200) -> HTMLResponse:
    """The second step: only a code; the ticket says that the password was right."""
    described = ' aria-describedby="error" aria-invalid="true"' if error else ""
    fields = f"""<input type="hidden" name="ticket" value="{escape(ticket)}">
<label for="code">{escape(_("Code of your authenticator app, or a recovery code"))}</label>
<input id="code" name="code" autocomplete="one-time-code" inputmode="text" autocapitalize="characters"
 spellcheck="false" required minlength="6" maxlength="40"{described} autofocus>"""
    lost = escape(_("No code at hand? An administrator of your organisation can reset the second step."))
    return card(
        _("Sign in"),
        "/sign-in",
        target,
        fields,
        f'<a href="/sign-in">{escape(_("Sign in anew"))}</a>. {lost}',
        error,
        status,
    )


def card(
    title: str, action: str, target: str, fields: str, help_text: str, error: str, status: int, script: str = ""
) -> HTMLResponse:
    """One form on a page of its own, for whoever is not signed in. `fields` and `help_text` are markup of ours."""
    alert = f'<p class="bf-alert" role="alert" id="error">{escape(error)}</p>' if error else ""
    page = f"""{beginning(title, "sign-in.css", PRELOADS + script)}
<body>
<main>
<div class="bf-card">
<p class="bf-brand"><img src="{ASSETS_URL}/logo.svg" alt="" width="36" height="36"> BiometricFlow</p>
<h1>{escape(title)}</h1>
{alert}
<form method="post" action="{action}">
<input type="hidden" name="next" value="{escape(target)}">
{fields}
<button type="submit">{escape(title)}</button>
</form>
<p class="bf-help">{help_text}</p>
{languages(f"{action}?next={quote(target, safe='/')}")}
</div>
</main>
</body>
</html>
"""
    return HTMLResponse(page, status)


def _refused(error: GatewayProblem) -> str:
    if error.status == 429:
        return _waiting()
    if error.status in (401, 403, 422):
        return _("E-mail or password is not right. Please check both and try again.")
    return _("The system answered with an error ({code}). Please try again in a moment.", code=error.code)


def _waiting() -> str:
    return _("Too many tries. Please wait a minute and try again.")


def _away() -> str:
    return _("The system cannot be reached right now. Nothing is lost: the terminals keep recording. Try again.")
