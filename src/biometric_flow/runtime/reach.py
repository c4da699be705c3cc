"""What the request under way may see of its tenant: set by the guard, applied by the database to every transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from biometric_flow.identity.grants import Reach

_REACH: ContextVar[Reach | None] = ContextVar("reach", default=None)
NOWHERE: Final = "-"
"""Stands in every limited list, so that a list is never empty: empty means unlimited. No place can be called so."""


def limit(reach: Reach | None) -> None:
    """From here on the request under way sees only this; None is for what acts in nobody's name."""
    _REACH.set(reach)


def reached() -> Reach | None:
    """The limit of the request under way; None when there is none but the tenant."""
    found = _REACH.get()
    return None if found is None or found.is_everywhere else found


@contextmanager
def limited_to(reach: Reach | None) -> Iterator[None]:
    """Everything inside sees this and no more. With None: all of the tenant, for work whose right was checked."""
    token = _REACH.set(reach)
    try:
        yield
    finally:
        _REACH.reset(token)


def as_settings(reach: Reach | None) -> dict[str, str]:
    """What the policies of row-level security compare with: places and departments, empty for all."""
    if reach is None:
        return {"places": "", "departments": ""}
    return {
        "places": ",".join([NOWHERE, *sorted(reach.places)]),
        "departments": ",".join([NOWHERE, *sorted(reach.departments)]),
    }
