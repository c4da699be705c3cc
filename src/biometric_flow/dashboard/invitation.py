"""An invitation: the plain form in which somebody who was invited sets their password."""

from html import escape

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.dashboard.forms import read_form
from biometric_flow.dashboard.gate import is_same_origin
from biometric_flow.dashboard.sign_in import card
from biometric_flow.dashboard.static import ASSETS_URL
from biometric_flow.dashboard.words import _

log = structlog.get_logger()

_SCRIPT = f'<script type="module" src="{ASSETS_URL}/invitation.js"></script>'


class Invitation:
    """GET and POST /invitation. The word of an invitation is behind the `#` of its link, which no server is sent."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    async def show(self, _request: Request) -> Response:
        """GET /invitation."""
        return _form()

    async def submit(self, request: Request) -> Response:
        """POST /invitation: set the password, then sign in with it."""
        if not is_same_origin(request.headers):
            return _form(_("This form was sent from another site. Open the link of your invitation again."), 403)
        fields = await read_form(request)
        if fields is None:
            return _form(_("That was too long."), 413)
        word, password = fields.get("invitation", "").strip(), fields.get("password", "")
        if password != fields.get("again", ""):
            return _form(_("The two passwords are not the same."), 422, word)
        try:
            body = {"invitation": word, "password": password}
            await self._client.order("POST", "/v1/auth/invitation", None, json=body)
        except GatewayProblem as error:
            log.info("invitation_refused", code=error.code)
            return _form(_refused(error), error.status, word)
        except GatewayUnreachable as error:
            log.warning("invitation_failed", reason=str(error))
            return _form(
                _("The system cannot be reached right now. Your invitation is still good. Try again."), 503, word
            )
        return RedirectResponse("/sign-in", 303)


def _form(error: str = "", status: int = 200, word: str = "") -> HTMLResponse:
    described = ' aria-describedby="error" aria-invalid="true"' if error else ""
    fields = f"""<label for="invitation">{escape(_("Invitation"))}</label>
<input id="invitation" name="invitation" required maxlength="200" autocomplete="off" spellcheck="false" dir="ltr"
 value="{escape(word)}">
<label for="password">{escape(_("Your password"))}</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="12" maxlength="128"
{described} autofocus>
<label for="again">{escape(_("The same again"))}</label>
<input id="again" name="again" type="password" autocomplete="new-password" required maxlength="128">"""
    help_text = escape(_("At least 12 characters; a sentence of your own is good."))
    return card(_("Set your password"), "/invitation", "/", fields, help_text, error, status, _SCRIPT)


def _refused(error: GatewayProblem) -> str:
    if error.status == 429:
        return _("Too many tries. Please wait a minute and try again.")
    return error.detail
