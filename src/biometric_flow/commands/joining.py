"""`biometric-flow join`: a place joins its gateway with a token and proves itself with its own key from then on."""

import argparse
import os
from pathlib import Path
from typing import Final

from biometric_flow.api.clients import BlockingGatewayClient, GatewayError
from biometric_flow.api.joining import Joined
from biometric_flow.commands.screen import Screen
from biometric_flow.place.joined import join
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import find_place
from biometric_flow.runtime.process import usable_folder
from biometric_flow.runtime.settings import load_settings

TOKEN_VARIABLE: Final = "BIOMETRIC_FLOW_JOIN_TOKEN"  # noqa: S105 - its name


def add_join(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = (
        f"The token (POST /v1/places/<place>/join-token at the gateway, good for an hour) is in {TOKEN_VARIABLE}."
    )
    parser.add_argument("--place", required=True, metavar="ID", help="which place of places.json this machine is")
    parser.add_argument("--gateway", metavar="URL", help="(default: as the place's settings say)")
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.set_defaults(command=_join)


def _join(given: argparse.Namespace) -> int:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise StartRefused(f"expected the token that an administrator made for this place in {TOKEN_VARIABLE}")
    name = f"place-{given.place}"
    settings = load_settings(PlaceSettings, "place", given.config, os.environ, instance=name, id=given.place)
    entry = find_place(given.config, settings.id)
    url = given.gateway or (str(settings.gateway_url) if settings.gateway_url else "")
    if not url:
        raise StartRefused("expected the gateway's address: --gateway or BIOMETRIC_FLOW_PLACE_GATEWAY_URL")
    folder = usable_folder(settings.data / "places" / entry.id)
    said: list[Joined] = []

    def ask(body: dict[str, str]) -> None:
        try:
            with BlockingGatewayClient(url) as gateway:
                said.append(gateway.ask(Joined, "POST", "/v1/auth/place", json=body))
        except GatewayError as error:
            raise StartRefused(str(error)) from None
        if said[0].tenant != entry.tenant:
            raise StartRefused(f"expected a token of tenant {entry.tenant}, this one is of {said[0].tenant}")

    join(folder, entry.id, token, ask)
    Screen().say(f"{entry.id} has joined {url}; it signs with key {said[0].key_id} from its next start on.")
    return 0
