"""Without a line: the installable app's manifest, its service worker, and the snapshot that it shows."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final, TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable
from biometric_flow.api.gateway import Overview, TerminalStatus
from biometric_flow.dashboard.login import Login, Logins, SignedOut
from biometric_flow.dashboard.look import look
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.static import ASSETS, ASSETS_URL, beginning
from biometric_flow.dashboard.views.devices import device
from biometric_flow.dashboard.views.overview import tiles
from biometric_flow.dashboard.words import _, moment_text

log = structlog.get_logger()
T = TypeVar("T")

_SCRIPT: Final = f'<script type="module" src="{ASSETS_URL}/snapshot.js"></script>'

SNAPSHOT: Final = "/snapshot"
OFFLINE: Final = "/offline"
WORKER: Final = "/service-worker.js"
MANIFEST: Final = "/manifest.webmanifest"
SHOWN: Final = 200
"""Terminals, and lines of what needs a person: a snapshot stays below 200 kB."""
_FILES: Final = [f"{ASSETS_URL}/{name}" for name in ("tokens.css", "snapshot.css", "snapshot.js", "logo.svg")]


class Offline:
    """The routes. The snapshot is asked with its reader's own token: it holds what they may see, and no pay."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._worker = (ASSETS / "service-worker.js").read_text("utf-8")

    async def manifest(self, _request: Request) -> Response:
        """GET /manifest.webmanifest: what makes the pages an app that can be installed."""
        icon = {"src": f"{ASSETS_URL}/logo.svg", "sizes": "any", "type": "image/svg+xml"}
        body = {
            "id": "/", "name": "BiometricFlow", "short_name": "BiometricFlow", "start_url": "/", "scope": "/",
            "display": "standalone", "background_color": "#f5f6f8", "theme_color": "#0b5cad",
            "lang": look().language.code, "dir": look().language.direction,
            "icons": [{**icon, "purpose": "any"}, {**icon, "purpose": "maskable"}],
            "shortcuts": [{"name": _("Live"), "url": "/live"}, {"name": _("Devices"), "url": "/devices"}],
        }  # fmt: skip
        return JSONResponse(body, media_type="application/manifest+json")

    async def worker(self, _request: Request) -> Response:
        """GET /service-worker.js: it waits for its turn, and answers only where the line is gone."""
        files = ", ".join(f'"{one}"' for one in (OFFLINE, *_FILES))
        return Response(self._worker.replace("FILES_OF_THIS_VERSION", files), media_type="text/javascript")

    async def nothing(self, _request: Request) -> Response:
        """GET /offline: what is shown without a snapshot."""
        return HTMLResponse(_page(f"<p>{escape(_('Nothing was saved on this device yet.'))}</p>", ""))

    async def show(self, request: Request) -> Response:
        """GET /snapshot: the state of things as plain HTML, kept by the browser for when the line is gone."""
        login: Login = request.state.login
        try:
            token = await self._logins.token(login)
            overview, terminals = await asyncio.gather(
                _if_allowed(self._logins.client.overview(token)), _if_allowed(self._logins.client.terminals(token))
            )
        except SignedOut:
            return RedirectResponse("/sign-in", 303)
        except (GatewayUnreachable, GatewayProblem) as error:
            log.info("snapshot_not_made", reason=str(error))
            return Response(status_code=503)
        saved = _("Saved {moment} UTC", moment=moment_text(datetime.now(UTC), has_seconds=False))
        return HTMLResponse(_page(_state(overview, terminals or [], login.me.tenant_name), saved))


async def _if_allowed(question: Awaitable[T]) -> T | None:
    """The answer, None where the account may not have it."""
    try:
        return await question
    except GatewayProblem as error:
        if error.status == 403:
            return None
        raise


def _state(overview: Overview | None, terminals: Sequence[TerminalStatus], tenant: str) -> str:
    parts = [f'<p class="bf-tenant"><bdi>{escape(tenant)}</bdi></p>']
    names: dict[str, str] = {}
    if overview is not None:
        names = {place.id: place.name for place in overview.places}
        view = tiles(overview.kpis, None)
        parts += [
            f'<p class="bf-banner">▲ {escape(one["name"])} {escape(one["text"])} {escape(one["rest"])}</p>'
            for one in view["missing"]
        ]
        parts.append(_list("bf-tiles", [(one["label"], one["value"]) for one in view["tiles"]]))
        lines = [escape(said(one.text)) for one in overview.attention[:SHOWN]]
        if lines:
            items = "".join(f"<li>{line}</li>" for line in lines)
            parts.append(f"<h2>{escape(_('Needs attention'))}</h2><ul>{items}</ul>")
    shown = [device(one, names) for one in terminals[:SHOWN]]
    if shown:
        rows = [(f"{one['name']} · {one['place_name']}", f"{one['shape']} {one['word']}") for one in shown]
        parts.append(f"<h2>{escape(_('Devices'))}</h2>{_list('bf-lines', rows)}")
    return "".join(parts)


def _list(kind: str, rows: Sequence[tuple[str, str]]) -> str:
    items = "".join(
        f'<div><dt><bdi dir="auto">{escape(label)}</bdi></dt><dd><bdi>{escape(value)}</bdi></dd></div>'
        for label, value in rows
    )
    return f'<dl class="{kind}">{items}</dl>'


def _page(body: str, saved: str) -> str:
    when = f'<p class="bf-saved" role="status">{escape(saved)}</p>' if saved else ""
    told = _("There is no line to the dashboard. Terminals and places keep recording; changes wait until it is back.")
    return f"""{beginning(_("Offline"), "snapshot.css", _SCRIPT)}
<body>
<main>
<h1>▲ {escape(_("Offline"))}</h1>
<p>{escape(told)}</p>
{when}
<p><a class="bf-button" href="">{escape(_("Try again"))}</a></p>
{body}
</main>
</body>
</html>
"""
