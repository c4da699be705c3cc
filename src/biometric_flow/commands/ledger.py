"""`biometric-flow ledger verify` and `biometric-flow receipt verify`: check what was recorded, offline."""

import argparse
import os
from contextlib import closing
from pathlib import Path

from biometric_flow.commands.new_log import add_new_log, place_that_is_down
from biometric_flow.commands.replica import add_replica, kept_checkpoints
from biometric_flow.commands.screen import Screen
from biometric_flow.identity.keyring import RootKeys
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.ledger import verify_receipt
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.logs import log_origin
from biometric_flow.ledger.note import PublicKey, Signer
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.place.audit import Audited, Keys, audit, newest_log
from biometric_flow.place.files import files_of
from biometric_flow.place.handover import KEY_FILE, change_key
from biometric_flow.place.write_ahead import check_log
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.errors import FolderUnusable, StartRefused
from biometric_flow.runtime.key_store import read_keys
from biometric_flow.runtime.places import PlaceConfig, find_place
from biometric_flow.runtime.process import hold
from biometric_flow.runtime.signing import signing_key

WHOLE, ALTERED = 0, 1
JOBS_MAX = 4
"""Processes that judge entries; the one that reads them keeps no more of them busy."""


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """The commands below `ledger`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    ends = "Ends with 0 when everything fits, 1 when something does not, 2 when it could not be checked."
    verify = commands.add_parser("verify", help="check a place's whole ledger and name what was altered", epilog=ends)
    _which(verify)
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
    _which(change)
    change.add_argument("--by", required=True, metavar="NAME", help="who does this; stands in the ledger")
    change.set_defaults(command=_change_key)
    add_new_log(commands.add_parser("new-log", help="end a log that may not go on, and begin another that names it"))
    add_replica(commands.add_parser("verify-url", help="check a log as a gateway or a place serves it", epilog=ends))


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--place", required=True, metavar="ID", help="as places.json names it")
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    parser.add_argument("--data", type=Path, help="parent of places/<id> (default: as the place's settings say)")
    parser.add_argument("--keys", type=Path, help="the place's key store (default: as its settings say)")


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
    files = files_of(given.config, os.environ, place.id, given.data, given.keys)
    file, key_file = files.folder / "place.sqlite3", files.folder / KEY_FILE
    if not file.is_file() or not (given.place_key or key_file.is_file()):
        raise StartRefused(
            f"expected a place's ledger and its key in {files.folder}, there is none; see --data, --place-key"
        )
    root = files.root()
    store = read_keys(files.keys, place.tenant, root)
    try:
        _check_log(files.folder, file)
        own = given.place_key or _own_key(place, file, key_file)
        keys = Keys(own, given.gateway_key, tuple(kept_checkpoints(given.earlier)))
        found = audit(file, PlaceId(place.id), keys, store, jobs=_jobs(root))
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


def _check_log(folder: Path, file: Path) -> None:
    """Before the file is opened, and to its last transaction where no process uses it."""
    try:
        lock = hold(folder)
    except (FolderUnusable, OSError):
        check_log(file)
        return
    with closing(lock):
        check_log(file, is_at_rest=True)


def _own_key(place: PlaceConfig, file: Path, key_file: Path) -> PublicKey:
    origin = log_origin(TenantId(place.tenant), PlaceId(place.id), newest_log(file).number)
    return Signer(origin, signing_key(key_file)).public


def _jobs(root: RootKeys) -> int:
    """Processes that judge: one a core, but one where a token or service, which forks cannot share, has the root."""
    return min(os.cpu_count() or 1, JOBS_MAX) if isinstance(root, RootKeyFile) else 1


def _change_key(given: argparse.Namespace) -> int:
    place = find_place(given.config, given.place)
    with place_that_is_down(given, place) as down:
        origin = log_origin(TenantId(place.tenant), PlaceId(place.id), down.store.log.number)
        try:
            key = change_key(down.folder, origin, down.store, given.by, SystemClock().now())
        except LedgerError as error:
            raise StartRefused(f"the key was not changed: {error}") from None
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
