"""Asking a running place or gateway from a command: where it is, who asks, and its refusals in one line."""

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any, Final

import httpx2

from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import find_place
from biometric_flow.runtime.settings import load_settings

ANSWER_SECONDS: Final = 120
TOKEN_VARIABLE: Final = "BIOMETRIC_FLOW_TOKEN"  # noqa: S105 - its name


def add_place(parser: argparse.ArgumentParser) -> None:
    """The flags of a command for a running place."""
    parser.add_argument("--place", required=True, metavar="ID", help="which place of places.json; it has to run")
    _config(parser)


def add_place_or_gateway(parser: argparse.ArgumentParser) -> None:
    """The flags of a command for either."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--place", metavar="ID", help="which place of places.json; it has to run")
    which.add_argument("--gateway", metavar="URL", help=f"a running gateway; the access token is in {TOKEN_VARIABLE}")
    _config(parser)


def add_place_or_own_gateway(parser: argparse.ArgumentParser) -> None:
    """The flags of a command for a running place, or for the gateway of this machine."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--place", metavar="ID", help="which place of places.json; it has to run")
    which.add_argument("--gateway", action="store_true", help="the gateway of this configuration, running or not")
    _config(parser)


def add_gateway(parser: argparse.ArgumentParser) -> None:
    """The flags of a command for a running gateway."""
    parser.add_argument(
        "--gateway", required=True, metavar="URL", help=f"a running gateway; the access token is in {TOKEN_VARIABLE}"
    )


def ask(given: argparse.Namespace, method: str, path: str, body: object = None) -> Any:
    """The answer as JSON. Raises StartRefused with what was refused, or that nothing runs there."""
    url, token = _of_gateway(given) if getattr(given, "gateway", None) else _of_place(given)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx2.Client(base_url=url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as http:
            answer = http.request(method, path, json=body)
    except httpx2.HTTPError as error:
        raise StartRefused(f"expected something of ours to run at {url}, got: {error}; start it first") from None
    if not answer.is_success:
        detail = answer.text[:200]
        with contextlib.suppress(ValueError, AttributeError):
            told = answer.json()
            detail = "; ".join(
                [str(told.get("detail")), *(f"{one['field']}: {one['expected']}" for one in told["errors"])]
            )
        raise StartRefused(f"it refused ({answer.status_code}): {detail}")
    return answer.json() if answer.content else None


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")


def _of_gateway(given: argparse.Namespace) -> tuple[str, str]:
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise StartRefused(f"expected an access token in {TOKEN_VARIABLE}, see docs/gateway-api.md for how to get one")
    return str(given.gateway), token


def _of_place(given: argparse.Namespace) -> tuple[str, str]:
    name = f"place-{given.place}"
    settings = load_settings(PlaceSettings, "place", given.config, os.environ, instance=name, id=given.place)
    entry = find_place(given.config, settings.id)
    url = f"http://{settings.host or entry.host}:{settings.port or entry.port}"
    return url, settings.api_key.get_secret_value()
