"""`biometric-flow ledger new-log`: end a log of a place that may not go on, and begin another one that names it."""

import argparse
import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.commands.replica import TOKEN_VARIABLE
from biometric_flow.commands.screen import Screen
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.logs import agree, log_origin
from biometric_flow.ledger.note import PublicKey, Signer
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.place.files import files_of
from biometric_flow.place.handover import KEY_FILE, finish_change
from biometric_flow.place.new_log import begin_log
from biometric_flow.place.schema import open_database
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.write_ahead import keep_altered
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.places import PlaceConfig, find_place
from biometric_flow.runtime.process import hold
from biometric_flow.runtime.signing import signing_key


def add_new_log(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = (
        f"{TOKEN_VARIABLE} holds the access token of an account that may end logs (role tenant_admin). The place must"
        " be down. Nothing is removed: the log that ends stays, here and at the gateway."
    )
    parser.add_argument("--place", required=True, metavar="ID", help="as places.json names it")
    parser.add_argument("--reason", required=True, help="stands in both ledgers for ever; never name anybody")
    parser.add_argument("--gateway", metavar="URL", help="(default: as the place's settings say)")
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("--data", type=Path, help="parent of places/<id> (default: as the place's settings say)")
    parser.add_argument("--keys", type=Path, help="the place's key store (default: as its settings say)")
    parser.set_defaults(command=_new_log)


@dataclass(frozen=True, slots=True)
class Down:
    """A place that is held by this command."""

    folder: Path
    connection: sqlite3.Connection
    store: PlaceStore
    settings: PlaceSettings


@contextmanager
def place_that_is_down(given: argparse.Namespace, place: PlaceConfig) -> Iterator[Down]:
    """Hold a place as its own process would. Raises StartRefused while that runs, or when there is none."""
    files = files_of(given.config, os.environ, place.id, given.data, given.keys)
    if not (files.folder / "place.sqlite3").is_file():
        raise StartRefused(f"expected a place's ledger in {files.folder}, there is none; see --data")
    with closing(hold(files.folder)), closing(open_keys(files.keys, place.tenant, files.root())) as keys:
        keep_altered(files.folder / "place.sqlite3")
        connection = open_database(files.folder / "place.sqlite3", keys)
        with closing(connection):
            store = PlaceStore(PlaceId(place.id), connection, Subjects(connection, keys))
            yield Down(files.folder, connection, store, files.settings)


def _new_log(given: argparse.Namespace) -> int:
    place = find_place(given.config, given.place)
    tenant, name, token = TenantId(place.tenant), PlaceId(place.id), os.environ.get(TOKEN_VARIABLE, "")
    screen = Screen()
    with place_that_is_down(given, place) as down:
        gateway = given.gateway or str(down.settings.gateway_url or "")
        if not gateway or not token:
            raise StartRefused(f"expected a gateway (--gateway URL) and {TOKEN_VARIABLE}: it decides on its own copy")
        number = down.store.log.number
        origins = log_origin(tenant, name, number), log_origin(tenant, name, number + 1)
        finish_change(down.folder, origins[0], down.store)
        old, new = (Signer(origin, signing_key(down.folder / KEY_FILE)) for origin in origins)
        try:
            decided = asyncio.run(_decided(gateway, token, place.id, new.public, given.reason))
            begun = begin_log(down.connection, down.store, old.public, agree(decided, old, new), SystemClock().now())
        except (GatewayProblem, GatewayUnreachable, LedgerError) as error:
            raise StartRefused(f"no log was begun: {error}") from None
    screen.facts({"log": origins[1], "recorded again": str(begun.carried), "key": str(new.public)})
    screen.note(f"Start the place now. Give the key to whoever checks; {origins[0]} stays and verifies with its own.")
    return 0


async def _decided(gateway: str, token: str, place: str, key: PublicKey, reason: str) -> str:
    client = GatewayClient(gateway)
    try:
        return (await client.end_log(token, place, str(key), reason)).note
    finally:
        await client.close()
