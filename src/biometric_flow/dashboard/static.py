"""Files the browser needs: Streamlit's bundle compressed once, our own assets, and the document that holds both."""

import gzip
import hashlib
import mimetypes
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import streamlit
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from biometric_flow.api.gateway import Me
from biometric_flow.dashboard.account_menu import menu
from biometric_flow.dashboard.look import look
from biometric_flow.dashboard.words import _, noted
from biometric_flow.runtime.web import dumps

BUNDLE: Final = Path(streamlit.__file__).parent / "static"
ASSETS: Final = Path(__file__).parent / "assets"
FOR_EVER: Final = "public, max-age=31536000, immutable"
_TEXT_TYPES: Final = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/wasm")


@dataclass(frozen=True, slots=True)
class File:
    """One file as it goes out."""

    media_type: str
    plain: bytes
    zipped: bytes | None
    """None when compressing gains nothing."""


class Files:
    """Files below one folder, each read and compressed once and then kept in memory.

    Streamlit sends its bundle uncompressed: 8.9 MB for a cold page, 2.9 MB this way. The folder is part of an
    installed package, so its size is the bound of this memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._names = {path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file()}
        self._kept: dict[str, File] = {}

    async def respond(self, name: str, request: Request) -> Response:
        """The file, or 404. Names that are not in the folder's listing never reach the disk."""
        if name not in self._names:
            return PlainTextResponse(_("Not found"), 404)
        file = await self._file(name)
        headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
        if file.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.zipped, 200, {**headers, "Content-Encoding": "gzip"}, file.media_type)
        return Response(file.plain, 200, headers, file.media_type)

    async def prepare(self, names: Iterable[str]) -> None:
        """Compress these before the first visitor asks for them."""
        for name in names:
            if name in self._names:
                await self._file(name)

    async def _file(self, name: str) -> File:
        file = self._kept.get(name)
        if file is None:
            file = self._kept[name] = await to_thread.run_sync(_read, self._folder / name)
        return file


def _read(path: Path) -> File:
    plain = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if path.suffix == ".js":
        media_type = "text/javascript"
    zipped = gzip.compress(plain, 6, mtime=0) if media_type.startswith(_TEXT_TYPES) and len(plain) > 500 else None
    return File(media_type, plain, zipped)


def version(folder: Path = ASSETS) -> str:
    """A name for exactly these contents, part of every asset's URL, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


ASSETS_URL: Final = f"/assets/{version()}"

_HEAD: Final = re.search(r"<head>(.*)</head>", (BUNDLE / "index.html").read_text("utf-8"), re.DOTALL)
assert _HEAD is not None, "Streamlit's index.html has no head any more"
_BUNDLE_TAGS: Final = [
    tag.replace('"./', '"/')
    for tag in re.findall(
        r'<script type="module"[^>]*></script>|<link rel="(?:modulepreload|stylesheet)"[^>]*>', _HEAD.group(1)
    )
]
assert any("<script" in tag for tag in _BUNDLE_TAGS), "Streamlit's index.html loads no script any more"
PRELOADS: Final = "\n".join(
    tag.replace("stylesheet", "prefetch").replace("modulepreload", "prefetch") for tag in _BUNDLE_TAGS if "<link" in tag
)
"""Lets the sign-in page fetch the bundle while the person types."""

# Without the base URL Streamlit would look for its server below the page's own path first.
FIRST_FILES: Final = re.findall(r'"/static/([^"]+)"', "".join(_BUNDLE_TAGS))
"""What every page loads, by name in the bundle's folder."""

_BOOT: Final = 'window.prerenderReady = false; window.__streamlit = {BACKEND_BASE_URL: location.origin + "/"}'
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        # blob: is how Streamlit loads a component's module; the hash is that of our one inline script.
        f"script-src 'self' blob: 'sha256-{b64encode(hashlib.sha256(_BOOT.encode()).digest()).decode()}'",
        # Streamlit's emotion writes <style> elements at run time.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

PAGES: Final = {
    "overview": ("/", noted("Overview")),
    "live": ("/live", noted("Live")),
    "devices": ("/devices", noted("Devices")),
    "alerts": ("/alerts", noted("Alerts")),
    "exceptions": ("/exceptions", noted("Exceptions")),
    "people": ("/people", noted("People")),
    "punches": ("/punches", noted("Punches")),
    "workdays": ("/workdays", noted("Workdays")),
    "requests": ("/requests", noted("Requests")),
    "periods": ("/periods", noted("Periods")),
    "users": ("/users", noted("Users and roles")),
    "audit": ("/audit", noted("Audit")),
}
"""Page name as the gateway says it in `Me.pages` -> path and title, in the order of the navigation."""


def document(me: Me, path: str) -> str:
    """The page around Streamlit: skip link, header, navigation and account menu, drawn before any script has run."""
    scripts = "\n".join((f"<script>{_BOOT}</script>", *_BUNDLE_TAGS))
    boot = f'<p class="bf-boot">{escape(_("Loading…"))}</p>'
    return _shell(me, path, scripts, boot)


def message_page(me: Me, path: str, title: str, text: str) -> str:
    """A page of the same look that says one thing, without Streamlit."""
    body = f'<main class="bf-message"><h1>{escape(title)}</h1><p>{escape(text)}</p></main>'
    return _shell(me, path, "", body)


def plain_page(me: Me, path: str, title: str, body: str) -> str:
    """A page of the same look without Streamlit. `body` is markup whose texts were escaped."""
    return _shell(me, path, "", f'<main class="bf-message"><h1>{escape(title)}</h1>{body}</main>')


def beginning(title: str, sheet: str, more: str = "") -> str:
    """A document up to its body: language, direction, colours, our icon and styles. `more` is markup of ours."""
    chosen = look()
    return f"""<!DOCTYPE html>
<html lang="{chosen.language.code}" dir="{chosen.language.direction}" data-theme="{chosen.theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · BiometricFlow</title>
<link rel="icon" type="image/svg+xml" href="{ASSETS_URL}/logo.svg">
<link rel="stylesheet" href="{ASSETS_URL}/tokens.css">
<link rel="stylesheet" href="{ASSETS_URL}/{sheet}">
{more}
</head>"""


_PILL: Final = {
    "live": noted("Live"),
    "connecting": noted("Connecting"),
    "delayed": noted("Delayed {n} s"),
    "stale": noted("Stale since {time}"),
    "offline": noted("Offline since {time}"),
    "signed-out": noted("Signed out"),
}


def _shell(me: Me, path: str, head: str, body: str) -> str:
    links = _navigation(me, path)
    pill = escape(dumps({state: _(text) for state, text in _PILL.items()}))
    more = f"""<link rel="manifest" href="/manifest.webmanifest">
<meta name="theme-color" content="#0b5cad">
{head}
<script type="module" src="{ASSETS_URL}/shell.js"></script>"""
    return f"""{beginning(_title(path), "page.css", more)}
<body>
<a class="bf-skip" href="#root">{escape(_("Skip to content"))}</a>
<header class="bf-header">
<a class="bf-brand" href="/" data-page="/" aria-label="BiometricFlow">
<img src="{ASSETS_URL}/logo.svg" alt="" width="28" height="28">
<span class="bf-brand-name">BiometricFlow</span></a>
<bdi class="bf-tenant">{escape(me.tenant_name)}</bdi>
{_search(me)}
<span class="bf-pill" role="status" data-state="connecting" data-words="{pill}">{escape(_("Connecting"))}</span>
{_bell(me)}
{menu(me)}
</header>
<nav class="bf-nav" aria-label="{escape(_("Pages"))}"><ul>
{links}
</ul></nav>
<noscript><p class="bf-noscript">{escape(_("This page needs JavaScript."))}</p></noscript>
<div id="root" tabindex="-1">{body}</div>
</body>
</html>
"""


ON_PHONES: Final = ("overview", "live", "devices", "exceptions")
"""What the bottom bar of a phone has room for; the other pages are behind More."""


def _navigation(me: Me, path: str) -> str:
    shown = [name for name in PAGES if name in me.pages]
    first = [name for name in ON_PHONES if name in shown] or shown[:4]
    items = [_nav_item(name, path, "" if name in first else "bf-later") for name in shown]
    if len(shown) > len(first):
        items.append(
            f'<li class="bf-more"><button type="button" class="bf-nav-link" aria-expanded="false">{_icon("more")}'
            f"<span>{escape(_('More'))}</span></button></li>"
        )
    return "\n".join(items)


def _search(me: Me) -> str:
    """A plain form: it works before and without any script."""
    if "people" not in me.pages:
        return ""
    words = escape(_("Find a person"))
    return (
        f'<form class="bf-search" role="search" action="/people"><input type="search" name="q" maxlength="100"'
        f' aria-label="{words}" placeholder="{words}" autocomplete="off"></form>'
    )


def _bell(me: Me) -> str:
    """The way to the alerts; how many wait is filled in by the live stream."""
    if "alerts" not in me.pages:
        return ""
    label = escape(_("Alerts"))
    return (
        f'<a class="bf-bell" href="/alerts" aria-label="{label}" title="{label}">{_icon("alerts")}'
        '<span class="bf-bell-count" aria-hidden="true" hidden></span></a>'
    )


def _nav_item(name: str, path: str, kind: str) -> str:
    url, title = PAGES[name]
    current = " aria-current=page" if url == path else ""
    return (
        f'<li class="{kind}"><a class="bf-nav-link" href="{url}" data-page="{url}"{current}>{_icon(name)}'
        f"<span>{escape(_(title))}</span></a></li>"
    )


def _icon(name: str) -> str:
    return f'<svg class="bf-icon" aria-hidden="true"><use href="{ASSETS_URL}/icons.svg#{name}"/></svg>'


def _title(path: str) -> str:
    if path == "/account":
        return _("Account")
    return next((_(title) for url, title in PAGES.values() if url == path), _("Not found"))
