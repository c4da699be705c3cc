"""`biometric-flow ledger verify` and `biometric-flow receipt verify`: check what was recorded, offline."""

import argparse
from contextlib import closing
from pathlib import Path

from biometric_flow.commands.replica import add_replica, kept_checkpoints
from biometric_flow.commands.screen import Screen
from biometric_flow.ledger import verify_receipt
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import PublicKey, Signer, place_origin
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.place.audit import Audited, Keys, audit
from biometric_flow.place.handover import change_key
from biometric_flow.place.keys import KEYS_FOLDER, open_keys, read_keys, root_keys
from biometric_flow.place.schema import open_database
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import find_place
from biometric_flow.runtime.process import hold
from biometric_flow.runtime.signing import signing_key

WHOLE, ALTERED = 0, 1


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """The commands below `ledger`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    ends = "Ends with 0 when everything fits, 1 when something does not, 2 when it could not be checked."
    verify = commands.add_parser("verify", help="check a place's whole ledger and name what was altered", epilog=ends)
    verify.add_argument("--place", required=True, metavar="ID", help="as places.json names it")
    verify.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    verify.add_argument("--data", type=Path, default=Path("biometric-flow-data"), help="parent of places/<id>")
    verify.add_argument("--keys", type=Path, help="the place's key store (default: keys in its folder)")
    verify.add_argument("--place-key", type=_key, help="public key that signed it (default: the one in its folder)")
    verify.add_argument("--gateway-key", type=_key, help="checks the cosignatures too")
    verify.add_argument(
        "--earlier",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint that was fetched before, which must still be there with its cosignature; again for more",
    )
    verify.add_argument("--json", action="store_true", help="one JSON document")
    verify.set_defaults(command=_verify)
    change = commands.add_parser("change-key", help="give a place that is down a new signing key")
    change.add_argument("--place", required=True, metavar="ID", help="as places.json names it")
    change.add_argument("--by", required=True, metavar="NAME", help="who does this; stands in the ledger")
    change.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    change.add_argument("--data", type=Path, default=Path("biometric-flow-data"), help="parent of places/<id>")
    change.add_argument("--keys", type=Path, help="the place's key store (default: keys in its folder)")
    change.set_defaults(command=_change_key)
    add_replica(commands.add_parser("verify-url", help="check a log as a gateway or a place serves it", epilog=ends))


def add_receipt(parser: argparse.ArgumentParser) -> None:
    """The commands below `receipt`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    verify = commands.add_parser("verify", help="check a receipt of a punch, offline")
    verify.add_argument("receipt", type=Path, metavar="FILE", help="such as mine.tlog-proof")
    verify.add_argument("--place-key", required=True, help="public key of the place: <name>+<id>+<base64>")
    verify.add_argument("--gateway-key", help="public key of the gateway; without it, nobody vouches for the place")
    verify.set_defaults(command=_verify_receipt)


def _verify(given: argparse.Namespace) -> int:
    screen = Screen(as_json=given.json)
    place = find_place(given.config, given.place)
    folder = given.data / "places" / place.id
    file, key_file = folder / "place.sqlite3", folder / "ledger-key.pem"
    if not file.is_file() or not (given.place_key or key_file.is_file()):
        raise StartRefused(f"expected a place's ledger and its key in {folder}, there is none; see --data, --place-key")
    own = given.place_key
    if own is None:
        own = Signer(place_origin(TenantId(place.tenant), PlaceId(place.id)), signing_key(key_file)).public
    keys = given.keys or folder / KEYS_FOLDER
    store = read_keys(keys, place.tenant, root_keys(keys))
    try:
        found = audit(
            file, PlaceId(place.id), Keys(own, given.gateway_key, tuple(kept_checkpoints(given.earlier))), store
        )
    except LedgerError as error:
        if screen.as_json:
            screen.document({"place": place.id, "is_whole": False, "first": str(error)})
        screen.note(f"biometric-flow: the ledger of {place.id} was altered or is damaged: {error}")
        return ALTERED
    if screen.as_json:
        screen.document({"place": place.id, "is_whole": True, **_facts(found)})
    else:
        screen.facts({"place": place.id, **{name: str(value) for name, value in _facts(found).items()}})
    if given.place_key is None:
        screen.note("note: checked with the key in the same folder; give --place-key to rule out that both were forged")
    return WHOLE


def _change_key(given: argparse.Namespace) -> int:
    place = find_place(given.config, given.place)
    folder = given.data / "places" / place.id
    if not (folder / "place.sqlite3").is_file():
        raise StartRefused(f"expected a place's ledger in {folder}, there is none; see --data")
    origin = place_origin(TenantId(place.tenant), PlaceId(place.id))
    where = given.keys or folder / KEYS_FOLDER
    with closing(hold(folder)), closing(open_keys(where, place.tenant, root_keys(where))) as keys:
        connection = open_database(folder / "place.sqlite3", keys)
        store = PlaceStore(PlaceId(place.id), connection, Subjects(connection, keys))
        try:
            key = change_key(folder, origin, store, given.by, SystemClock().now())
        except LedgerError as error:
            raise StartRefused(f"the key was not changed: {error}") from None
        finally:
            connection.close()
    Screen(as_json=False).say(str(key))
    return WHOLE


def _verify_receipt(given: argparse.Namespace) -> int:
    options = ["--gateway-key", given.gateway_key] if given.gateway_key else []
    return verify_receipt.main([str(given.receipt), "--place-key", given.place_key, *options])


def _facts(found: Audited) -> dict[str, int | str]:
    return {
        "entries": found.entries,
        "punches": found.punches,
        "checkpoints": found.checkpoints,
        "cosigned": found.cosigned,
        "signed up to": found.signed,
        "root": found.root.hex(),
    }


def _key(text: str) -> PublicKey:
    try:
        return PublicKey.parse(text)
    except LedgerError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
