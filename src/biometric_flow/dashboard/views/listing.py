"""Lists as one region draws them: cells, badges, links, downloads, and what is said when there is nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from biometric_flow.dashboard.words import _, number

View = dict[str, Any]

SHOWN: Final = 500
"""Rows that one list draws; the rest is reached by narrowing or by a file."""


def cell(text: str, href: str = "", detail: str = "", *, is_name: bool = False, is_number: bool = False) -> View:
    """One cell: text, perhaps a link, perhaps a second line. Names may be in any script."""
    return {"text": text, "href": href, "detail": detail, "is_name": is_name, "is_number": is_number}


def short(identifier: str, detail: str = "") -> View:
    """An identifier by its beginning; the whole of it is its title."""
    return {**cell(f"{identifier[:8]}…" if len(identifier) > 12 else identifier, detail=detail), "title": identifier}


def badge(shape: str, word: str, tone: str, detail: str = "") -> View:
    """A state as shape, word and tone: never colour alone."""
    return {"badge": [shape, word, tone], "detail": detail}


def link(path: str, **query: str | None) -> str:
    """An address of this site; what is None or empty is left out."""
    given = {name.rstrip("_"): value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def listing(
    head: Sequence[str],
    rows: Sequence[Sequence[View]],
    count: str,
    empty: View,
    *,
    downloads: Mapping[str, str] | None = None,
    total: int | None = None,
) -> View:
    """A table; `total` of more rows than are shown is said, with what to do about it."""
    has_more = total is not None and total > len(rows)
    more = _("The first {n} are shown. Narrow the list, or take a file of all.", n=number(len(rows)))
    return {
        "head": list(head),
        "rows": [list(row) for row in rows],
        "count": count,
        "empty": empty,
        "downloads": [{"text": text, "href": href} for text, href in (downloads or {}).items()] if rows else [],
        "more": more if has_more else "",
    }


def nothing(title: str, text: str, clear: str = "") -> View:
    """Why a list is empty and the one next step; `clear` is the address without the filters."""
    return {"title": title, "text": text, "clear": {"text": _("Clear filters"), "href": clear} if clear else None}
