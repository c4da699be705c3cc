"""The dashboard as one ASGI application: the gate outside, our routes and Streamlit inside."""

import asyncio
import logging
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import streamlit as st
import streamlit.logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.bootstrap import load_config_options

from biometric_flow import __version__
from biometric_flow.api.clients import GatewayClient
from biometric_flow.api.gateway import Me
from biometric_flow.dashboard.account import PATH as ACCOUNT_PATH
from biometric_flow.dashboard.account import Account
from biometric_flow.dashboard.account_menu import keep_look
from biometric_flow.dashboard.downloads import Downloads
from biometric_flow.dashboard.gate import Gate
from biometric_flow.dashboard.invitation import Invitation
from biometric_flow.dashboard.login import Logins, install
from biometric_flow.dashboard.offline import MANIFEST, OFFLINE, SNAPSHOT, WORKER, Offline
from biometric_flow.dashboard.settings import DashboardSettings
from biometric_flow.dashboard.sign_in import SignIn
from biometric_flow.dashboard.static import (
    ASSETS,
    ASSETS_URL,
    BUNDLE,
    FIRST_FILES,
    PAGES,
    Files,
    document,
    message_page,
)
from biometric_flow.dashboard.stream import LiveStream
from biometric_flow.dashboard.words import _
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.logging import configure_logging
from biometric_flow.runtime.process import bind, serve
from biometric_flow.runtime.settings import load_settings

SCRIPT: Final = Path(__file__).with_name("app.py")
OPTIONS: Final = Path(__file__).with_name("streamlit.toml")


def run(config: Path, environment: Mapping[str, str], host: str | None = None, port: int | None = None) -> int:
    """Serve the dashboard until told to stop."""
    settings = load_settings(DashboardSettings, "dashboard", config, environment, host=host, port=port)
    configure_logging("dashboard", settings.log_level)
    listener = bind(settings.host, settings.port, "--port or BIOMETRIC_FLOW_DASHBOARD_PORT")
    serve(create_app(settings), listener)
    return 0


def create_app(settings: DashboardSettings) -> ASGIApp:
    """Everything this process is made of. Once per process: Streamlit's options and runtime are process-wide."""
    _log_as_we_do()
    load_config_options(_flat(tomllib.loads(OPTIONS.read_text("utf-8"))))
    # Streamlit takes the modules beside the script for pages of its own until `st.navigation` has run once.
    PagesManager.uses_pages_directory = False
    clock = SystemClock()
    cookie_name = "__Host-biometric-flow" if settings.has_secure_cookies else "biometric-flow"
    client = GatewayClient(settings.gateway_url)
    logins = Logins(client, clock, settings.idle, settings.total)
    install(logins, cookie_name)
    sign_in = SignIn(logins, cookie_name, is_secure=settings.has_secure_cookies)
    stream_client = GatewayClient(settings.gateway_url)
    stream = LiveStream(logins, stream_client)
    downloads, account, invitation = Downloads(logins), Account(logins), Invitation(client)
    offline = Offline(logins)
    bundle, assets = Files(BUNDLE / "static"), Files(ASSETS)

    async def page(request: Request) -> Response:
        me: Me = request.state.login.me
        path = request.url.path
        if me.needs_factor:
            return RedirectResponse(ACCOUNT_PATH, 303)
        if all(PAGES[name][0] != path for name in me.pages if name in PAGES):
            return HTMLResponse(message_page(me, path, _("Not for this account"), _forbidden(me)), 403)
        return HTMLResponse(document(me, path))

    async def bundle_file(request: Request) -> Response:
        return await bundle.respond(request.path_params["name"], request)

    async def asset_file(request: Request) -> Response:
        return await assets.respond(request.path_params["name"], request)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def not_found(request: Request, _error: Exception) -> Response:
        if request.state.login is None or request.url.path.startswith(("/_stcore/", "/assets/", "/static/")):
            return PlainTextResponse(_("Not found"), 404)
        text = _("There is no page at this address. Choose one from the navigation.")
        return HTMLResponse(message_page(request.state.login.me, request.url.path, _("Not found"), text), 404)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        logins.attach(asyncio.get_running_loop())
        tasks = [asyncio.create_task(logins.keep_sweeping()), asyncio.create_task(bundle.prepare(FIRST_FILES))]
        async with streamlit_lifespan(app):
            yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stream_client.close()
        await client.close()

    streamlit_app = st.App(SCRIPT)
    streamlit_lifespan = streamlit_app.lifespan()
    inside = Starlette(
        lifespan=lifespan,
        exception_handlers={404: not_found},
        routes=[
            Route("/health", health),
            Route("/sign-in", sign_in.show, methods=["GET"]),
            Route("/sign-in", sign_in.submit, methods=["POST"]),
            Route("/invitation", invitation.show, methods=["GET"]),
            Route("/invitation", invitation.submit, methods=["POST"]),
            Route("/sign-out", sign_in.leave, methods=["POST"]),
            Route(ACCOUNT_PATH, account.show, methods=["GET"]),
            Route(ACCOUNT_PATH, account.act, methods=["POST"]),
            Route(SNAPSHOT, offline.show, methods=["GET"]),
            Route(OFFLINE, offline.nothing, methods=["GET"]),
            Route(MANIFEST, offline.manifest, methods=["GET"]),
            Route(WORKER, offline.worker, methods=["GET"]),
            Route("/look", keep_look, methods=["POST"]),
            Route("/live/stream", stream.respond),
            Route("/download/receipts/{punch}", downloads.receipt),
            Route("/download/periods/{period}/{layout}", downloads.period),
            Route("/download/audit/{what}", downloads.audit),
            Route("/download/{what}.{kind}", downloads.table),
            Route(f"{ASSETS_URL}/{{name:path}}", asset_file),
            Route("/static/{name:path}", bundle_file),
            *(Route(path, page) for path, _title in PAGES.values()),
            # All that Streamlit's frontend asks for here. Uploads, media, metrics and its agent API have no route.
            Route("/_stcore/health", streamlit_app),
            Route("/_stcore/host-config", streamlit_app),
            WebSocketRoute("/_stcore/stream", streamlit_app),
        ],
    )
    inside.state.has_secure_cookies = settings.has_secure_cookies
    return Gate(inside, logins, cookie_name, is_https=settings.has_secure_cookies)


def _forbidden(me: Me) -> str:
    return _("This account may not open this page. Ask an administrator of {tenant}.", tenant=me.tenant_name)


def _log_as_we_do() -> None:
    """Streamlit gives each of its loggers a handler and a format of its own; without them ours takes the lines."""

    def propagate(logger: logging.Logger) -> None:
        logger.handlers.clear()
        logger.propagate = True

    streamlit.logger.setup_formatter = propagate
    streamlit.logger.update_formatter()


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in tables.items():
        options |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return options
