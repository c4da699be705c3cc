"""Plain HTML forms of ours: their bounded bodies, and where they may lead back to."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

MAX_FORM: Final = 4096
_FORMS: Final = ("/sign-out", "/look")


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form, the first of each name; None when it is longer than any of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return None
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def local_path(wanted: str) -> str:
    """`wanted` when it is a path of this site, else `/`. What a browser could read as another host is not."""
    parts = urlsplit(wanted[:500])
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc
    is_plain = "\\" not in wanted and wanted.isprintable() and wanted.isascii()
    return wanted[:500] if is_path and is_plain and not wanted.startswith(_FORMS) else "/"
