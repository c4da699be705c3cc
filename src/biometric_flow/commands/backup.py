"""`biometric-flow backup`: make, list, restore and rehearse encrypted backups of places and of the gateway."""

import argparse
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from biometric_flow.commands.screen import Screen
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.runtime.backup import GATEWAY_ID, WAL, BackupName, BackupRefused, found_in
from biometric_flow.runtime.backup_task import prune
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.places import find_place, read_places
from biometric_flow.runtime.process import usable_folder
from biometric_flow.runtime.sealed_file import Written, new_identity, read_recipient
from biometric_flow.runtime.settings import load_settings

if TYPE_CHECKING:
    from biometric_flow.gateway.backup import Source
    from biometric_flow.gateway.settings import GatewaySettings
    from biometric_flow.place.backup import Source as PlaceSource

WHOLE, ALTERED = 0, 1


def add_backup(parser: argparse.ArgumentParser) -> None:
    """The commands below `backup`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")

    key = commands.add_parser("key", help="make the key that opens backups; keep it away from the machines it protects")
    key.add_argument("identity", type=Path, metavar="FILE", help="new file for the secret key, such as on a USB stick")
    key.set_defaults(command=_key)

    create = commands.add_parser("create", help="back up a place or the gateway, running or not")
    _which(create)
    create.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where backups are kept")
    create.add_argument("--recipient", required=True, metavar="AGE1...", help="as `backup key` printed it")
    create.add_argument("--keep-days", type=_days, default=timedelta(days=35), help="older ones go (default: 35)")
    create.set_defaults(command=_create)

    found = commands.add_parser("list", help="the backups of a folder")
    found.add_argument("folder", type=Path, metavar="FOLDER")
    found.add_argument("--json", action="store_true", help="one JSON document")
    found.set_defaults(command=_list)

    restore = commands.add_parser(
        "restore",
        help="bring a place or the gateway back into an empty data folder; it is verified before it may serve",
        epilog="Ends with 0 when all of it is whole, 1 when it is not what was signed, 2 when it could not be done.",
    )
    _which(restore)
    restore.add_argument("--from", type=Path, required=True, dest="source", metavar="FOLDER", help="where backups are")
    restore.add_argument("--identity", type=Path, required=True, metavar="FILE", help="the secret key")
    restore.add_argument(
        "--until", type=_moment, metavar="TIME", help="gateway: to this moment, with its zone, not newer"
    )
    restore.add_argument(
        "--erasures", type=Path, metavar="FILE", help="register of erasures (default: beside the backups)"
    )
    restore.set_defaults(command=_restore)

    drill = commands.add_parser("drill", help="back up, restore elsewhere, verify, and remove it again: does it work?")
    _which(drill)
    drill.add_argument(
        "--work", type=Path, metavar="FOLDER", help="where there is room (default: the temporary folder)"
    )
    drill.set_defaults(command=_drill)

    verify = commands.add_parser("verify", help="check all that the gateway's database holds, whoever restored it")
    verify.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")
    verify.set_defaults(command=_verify, place=None)


def _which(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--place", metavar="ID", help="a place, as places.json names it")
    what.add_argument("--gateway", action="store_true", help="the gateway")
    parser.add_argument("--config", type=Path, default=Path("config"), help="configuration folder (default: config)")


def _key(given: argparse.Namespace) -> int:
    screen = Screen()
    screen.say(new_identity(given.identity))
    screen.note(
        f"The secret key is in {given.identity}. Whoever has it can read the backups; without it nobody can, "
        "so keep two copies, none of them on the machines that are backed up."
    )
    return WHOLE


def _create(given: argparse.Namespace) -> int:
    from biometric_flow.gateway import backup as of_gateway
    from biometric_flow.gateway.by_hand import recorded
    from biometric_flow.place import backup as of_place

    now = SystemClock().now()
    target = usable_folder(given.to)
    recipient = read_recipient(given.recipient)
    if given.gateway:
        source = gateway_source(given.config, os.environ)
        with recorded(source, "backup create", SystemClock(), {"recipient": recipient}, Screen().note):
            written = of_gateway.back_up(source, target, recipient, now)
    else:
        written = of_place.back_up(_place_source(given), target, recipient, now)
    screen = Screen()
    _show(screen, written)
    for name in prune(target, now, given.keep_days):
        screen.note(f"removed {name}, which is older than it may be kept")
    return WHOLE


def _list(given: argparse.Namespace) -> int:
    screen = Screen(as_json=given.json)
    if not given.folder.is_dir():
        raise BackupRefused(f"expected a folder with backups, {given.folder} is none")
    names = found_in(given.folder)
    rows = [(str(name), name.kind, name.id, name.part, name.at.isoformat()) for name in names]
    if given.json:
        keys = ("file", "kind", "id", "part", "made_at")
        screen.document([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        screen.table(("file", "of", "id", "part", "made"), rows)
    return WHOLE


def _restore(given: argparse.Namespace) -> int:
    from biometric_flow.gateway import backup as of_gateway
    from biometric_flow.gateway.by_hand import recorded
    from biometric_flow.place import backup as of_place

    screen = Screen()
    kind, of = ("gateway", GATEWAY_ID) if given.gateway else ("place", given.place)
    data, keys = _newest(given.source, kind, of, given.until)
    try:
        if given.gateway:
            source = gateway_source(given.config, os.environ)
            wal = given.source / WAL
            brought = replace(source, dsn=None, backup_dsn=None)
            with recorded(brought, "backup restore", SystemClock(), {"backup": data.name}, screen.note):
                back = of_gateway.restore(
                    data,
                    keys,
                    given.identity,
                    source.folder,
                    SystemClock().now(),
                    wal if wal.is_dir() else None,
                    given.until,
                    given.erasures,
                    source.key_stores,
                    source.root,
                )
            screen.facts(
                {
                    "restored": str(source.folder),
                    "backup of": back.manifest.made_at,
                    "last commit from the log": back.last_commit.isoformat() if back.last_commit else "none",
                    "places": str(back.verified.places),
                    "entries": str(back.verified.entries),
                    "checkpoints that fit": str(back.verified.checkpoints),
                    "erased again": str(back.erased_again),
                }
            )
            return WHOLE
        if given.until is not None:
            raise BackupRefused("expected --until with --gateway only; a place is what its ledger says")
        place, where = find_place(given.config, given.place), _place_source(given)
        manifest, found, again = of_place.restore(
            data, keys, given.identity, where, place, SystemClock().now(), given.erasures
        )
    except LedgerError as error:
        screen.note(f"biometric-flow: nothing was restored: {error}")
        return ALTERED
    screen.facts(
        {
            "restored": str(where.folder),
            "backup of": manifest.made_at,
            "entries": str(found.entries),
            "punches": str(found.punches),
            "erased again": str(again),
        }
    )
    screen.note(
        "Entries after this backup that the gateway already cosigned are not here: the place will say so and wait."
    )
    return WHOLE


def _drill(given: argparse.Namespace) -> int:
    from biometric_flow.gateway import backup as of_gateway
    from biometric_flow.gateway.by_hand import recorded
    from biometric_flow.place import backup as of_place

    screen = Screen()
    now = SystemClock().now()
    with tempfile.TemporaryDirectory(dir=given.work, prefix="biometric-flow-drill-") as parent:
        Path(parent).chmod(0o711)
        work = Path(parent) / "drill"
        try:
            if given.gateway:
                source = gateway_source(given.config, os.environ)
                with recorded(source, "backup drill", SystemClock(), {}, screen.note):
                    verified = of_gateway.drill(source, work, now)
                facts = {"places": str(verified.places), "entries": str(verified.entries)}
            else:
                place = find_place(given.config, given.place)
                found = of_place.drill(_place_source(given), place, work, now)
                facts = {"entries": str(found.entries), "punches": str(found.punches)}
        except LedgerError as error:
            screen.note(f"biometric-flow: the restored copy is not what was signed: {error}")
            return ALTERED
    screen.facts({"backed up, restored and verified": f"{(SystemClock().now() - now).total_seconds():.1f} s", **facts})
    return WHOLE


def _verify(given: argparse.Namespace) -> int:
    from biometric_flow.gateway import backup as of_gateway

    screen = Screen()
    try:
        found = of_gateway.verify(gateway_source(given.config, os.environ))
    except LedgerError as error:
        screen.note(f"biometric-flow: the gateway's replicas are not what was signed: {error}")
        return ALTERED
    screen.facts({"places": str(found.places), "entries": str(found.entries), "checkpoints": str(found.checkpoints)})
    return WHOLE


def gateway_settings(config: Path, environment: Mapping[str, str]) -> "GatewaySettings":
    """What is set of the gateway of a configuration. Raises SettingsInvalid."""
    from biometric_flow.gateway.settings import GatewaySettings

    return load_settings(GatewaySettings, "gateway", config, environment, "gateway")


def gateway_source(config: Path, environment: Mapping[str, str]) -> "Source":
    """The gateway of a configuration. Raises SettingsInvalid."""
    from biometric_flow.gateway.backup import Source

    settings = gateway_settings(config, environment)
    return Source(
        settings.data,
        read_places(config),
        settings.dsn.get_secret_value() if settings.dsn else None,
        settings.backup_dsn.get_secret_value() if settings.backup_dsn else None,
        settings.keys,
        settings.root_home(),
    )


def _newest(folder: Path, kind: str, of: str, until: datetime | None) -> tuple[Path, Path]:
    """The newest data backup, not after `until`, and the newest keys: both are needed."""
    if not folder.is_dir():
        raise BackupRefused(f"expected a folder with backups, {folder} is none")
    names = [name for name in found_in(folder) if (name.kind, name.id) == (kind, of)]
    data = [name for name in names if name.part == "data" and (until is None or name.at <= until)]
    keys = [name for name in names if name.part == "keys"]
    if not data or not keys:
        raise BackupRefused(f"expected data and keys of {kind} {of} in {folder}, got {_listed(names)}")
    return folder / str(data[-1]), folder / str(keys[-1])


def _listed(names: list[BackupName]) -> str:
    return ", ".join(map(str, names)) or "none"


def _place_source(given: argparse.Namespace) -> "PlaceSource":
    from biometric_flow.place.backup import Source
    from biometric_flow.place.files import files_of

    place = find_place(given.config, given.place)
    files = files_of(given.config, os.environ, place.id)
    return Source(place.id, files.folder, files.keys, files.root)


def _show(screen: Screen, written: Mapping[BackupName, Written]) -> None:
    rows = [(str(name), f"{made.bytes:,}", made.sha256) for name, made in written.items()]
    screen.table(("file", "bytes", "sha256"), rows, right=(1,))


def _days(text: str) -> timedelta:
    if not text.isdigit() or not 1 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError(f"expected a number of days from 1 to 3650, got {text!r}")
    return timedelta(days=int(text))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"expected a time with its zone such as 2026-11-22T18:00:00+02:00, got {text!r}"
        )
    return moment
