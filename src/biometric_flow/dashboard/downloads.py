"""Files for people: punches and workdays as CSV or XLSX, receipts, payroll files, checkpoints."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from biometric_flow.api.clients import Download, GatewayClient, GatewayError, GatewayProblem
from biometric_flow.api.hours import WorkdayPage
from biometric_flow.api.tables import Cell, to_csv, to_xlsx
from biometric_flow.dashboard.login import Login, Logins, SignedOut
from biometric_flow.dashboard.pages import punches as punches_page
from biometric_flow.dashboard.pages import workdays as workdays_page
from biometric_flow.dashboard.scope import Scope, read_scope
from biometric_flow.dashboard.static import message_page
from biometric_flow.dashboard.views import punches as punches_view
from biometric_flow.dashboard.views import workdays as workdays_view
from biometric_flow.dashboard.words import _, number

log = structlog.get_logger()

MAX_ROWS: Final = 100_000
"""Of one file; building it takes about two seconds and 100 MB."""
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_LAYOUT: Final = re.compile(r"[a-z-]{1,30}")

Rows = list[tuple[Cell, ...]]


class TooManyRows(Exception):
    """More rows than one file may have."""


class Downloads:
    """`GET /download/...`. What an account may have is decided by the gateway, which is asked with its token."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    async def table(self, request: Request) -> Response:
        """`/download/{what}.{kind}` with the scope of the page that it was asked from."""
        what, kind = request.path_params["what"], request.path_params["kind"]
        source = _TABLES.get(what)
        if source is None or kind not in ("csv", "xlsx"):
            return _message(request, _("Not found"), _("There is no such file."), 404)
        head, ask = source
        scope = read_scope(request.query_params, self._logins.today())

        async def build(client: GatewayClient, token: str) -> Download:
            lines = [head, *await ask(client, token, scope)]
            # The mark in front tells spreadsheets that a CSV is UTF-8; without it they break every script but Latin.
            content = await to_thread.run_sync(
                (lambda: b"\xef\xbb\xbf" + to_csv(lines)) if kind == "csv" else (lambda: to_xlsx(lines, what))
            )
            media_type = "text/csv; charset=utf-8" if kind == "csv" else _XLSX
            return Download(content, media_type, f"{what}-{scope.first}-{scope.last}.{kind}")

        return await self._answer(request, build)

    async def receipt(self, request: Request) -> Response:
        """`/download/receipts/{punch}`: a tlog-proof that anybody can verify offline."""
        punch = request.path_params["punch"]
        if not _HEX.fullmatch(punch):
            return _message(request, _("Not found"), _("There is no such punch."), 404)
        return await self._relay(request, f"/v1/punches/{punch}/receipt", f"receipt-{punch[:12]}.tlog-proof")

    async def period(self, request: Request) -> Response:
        """`/download/periods/{period}/{layout}`: a payroll file of a locked period."""
        period, layout = request.path_params["period"], request.path_params["layout"]
        if not _SLUG.fullmatch(period) or not _LAYOUT.fullmatch(layout):
            return _message(request, _("Not found"), _("There is no such file."), 404)
        return await self._relay(request, f"/v1/periods/{period}/export", f"{period}.{layout}", {"layout": layout})

    async def audit(self, request: Request) -> Response:
        """`/download/audit/checkpoint` and `/download/audit/key`: what verifies the trail."""
        what = request.path_params["what"]
        if what not in ("checkpoint", "key"):
            return _message(request, _("Not found"), _("There is no such file."), 404)
        return await self._relay(request, f"/v1/audit/{what}", f"audit-{what}.txt")

    async def _relay(
        self, request: Request, path: str, name: str, query: dict[str, str | int | None] | None = None
    ) -> Response:
        async def ask(client: GatewayClient, token: str) -> Download:
            found = await client.download(path, token, query)
            return Download(found.content, found.media_type, found.name or name)

        return await self._answer(request, ask)

    async def _answer(self, request: Request, ask: Callable[[GatewayClient, str], Awaitable[Download]]) -> Response:
        login: Login = request.state.login
        self._logins.touch(login)
        try:
            file = await ask(self._logins.client, await self._logins.token(login))
        except SignedOut:
            return _message(request, _("Signed out"), _("Sign in again and repeat the download."), 401)
        except TooManyRows:
            text = _("That is more than {n} rows. Choose fewer days or one location.", n=number(MAX_ROWS))
            return _message(request, _("Too much for one file"), text, 413)
        except GatewayProblem as error:
            text = _("{detail} (error id {id})", detail=error.detail, id=error.request_id)
            return _message(request, _("This file is not to be had now"), text, error.status)
        except GatewayError as error:
            log.warning("download_failed", reason=str(error))
            text = _("The gateway does not answer. Terminals and places keep recording. Try again in a moment.")
            return _message(request, _("This file is not to be had now"), text, 503)
        headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return Response(file.content, 200, headers, file.media_type)


def _message(request: Request, title: str, text: str, status: int) -> HTMLResponse:
    login: Login = request.state.login
    return HTMLResponse(message_page(login.me, request.url.path, title, text), status)


async def _punches(client: GatewayClient, token: str, scope: Scope) -> Rows:
    rows: Rows = []
    for place in scope.places or (None,):
        query: dict[str, Any] = {**punches_page.parameters(scope, place), "order": "oldest", "limit": 1000}
        while True:
            page = await client.punches(token, **query)
            rows += punches_view.file_rows(page.items)
            _bounded(rows)
            if page.next_cursor is None:
                break
            query["cursor"] = page.next_cursor
    return rows


async def _workdays(client: GatewayClient, token: str, scope: Scope) -> Rows:
    rows: Rows = []
    for place in scope.places or (None,):
        query: dict[str, Any] = {**workdays_page.parameters(scope, place), "limit": 1000}
        while True:
            page = await client.ask(WorkdayPage, "GET", "/v1/workdays", token, query)
            rows += workdays_view.file_rows(page.items)
            _bounded(rows)
            if page.next_cursor is None:
                break
            query["cursor"] = page.next_cursor
    return rows


def _bounded(rows: Sequence[object]) -> None:
    if len(rows) > MAX_ROWS:
        raise TooManyRows


_TABLES: Final[dict[str, tuple[tuple[str, ...], Callable[[GatewayClient, str, Scope], Awaitable[Rows]]]]] = {
    "punches": (punches_view.HEAD, _punches),
    "workdays": (workdays_view.HEAD, _workdays),
}
