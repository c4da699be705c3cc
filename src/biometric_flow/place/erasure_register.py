"""Who was erased at a place, kept beside its backups and apart from them, so that no backup brings anybody back (E2).

The register names nobody: digests of destroyed keys, and tombstones, which only the place's own key can compare with a
PIN. A restore replays it before anything is served.
"""

import json
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from biometric_flow.ledger.decisions import PersonErased
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.events import decode
from biometric_flow.ledger.sqlite import COLUMNS, SqliteLedgerStore, logs_of
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.sealed_file import BackupDamaged

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Register:
    """What is known of erasures."""

    keys: frozenset[bytes] = frozenset()
    """`erased_key_digest` of each destroyed key."""
    tombstones: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """Keyed digest of a PIN -> until when its punches are not taken in, and the erasure."""

    def with_all(self, other: "Register") -> "Register":
        """Both; the later of two tombstones."""
        tombstones = dict(self.tombstones)
        for digest, stone in other.tombstones.items():
            tombstones[digest] = max(stone, tombstones.get(digest, stone))
        return Register(self.keys | other.keys, tombstones)


def register_file(folder: Path, place: str) -> Path:
    """Where the register of a place lies in a folder with backups."""
    return folder / f"erasures-{place}.json"


def told_by(connection: sqlite3.Connection, subjects: Subjects) -> Register:
    """What a place's own file says of erasures: its ledger's entries, and its tombstones."""
    keys: set[bytes] = set()
    for one in logs_of(connection):
        entries = SqliteLedgerStore(connection, subjects, one)
        query = f"SELECT {COLUMNS} FROM ledger_entry WHERE instr(leaf, ?) AND sequence > ?"  # noqa: S608 - our own names
        for row in connection.execute(query, (PersonErased.kind.encode(), one.begins)):
            try:
                event = decode(entries.opened(row).record)
            except LedgerError:
                continue  # of a later log, which reads it itself
            if isinstance(event, PersonErased):
                keys.add(event.key_digest)
    stones = connection.execute("SELECT digest, until, erasure FROM erased")
    return Register(frozenset(keys), {digest: (until, erasure) for digest, until, erasure in stones})


def read_register(file: Path) -> Register:
    """The register in a file, an empty one when there is none. Raises BackupDamaged for anything else."""
    try:
        content = file.read_bytes()
        said: dict[str, Any] = json.loads(content)
        told = said["tombstones"]
        stones = {bytes.fromhex(one): (int(until), bytes.fromhex(erasure)) for one, until, erasure in told}
        return Register(frozenset(map(bytes.fromhex, said["keys"])), stones)
    except FileNotFoundError:
        return Register()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(f"expected the register of erasures in {file}, it cannot be read: {error}") from None


def write_register(file: Path, news: Register) -> None:
    """Add to the register in a file, durably; nothing is ever taken out. Raises BackupDamaged or OSError."""
    before = read_register(file)
    register = before.with_all(news)
    if register == before:
        return
    stones = [[one.hex(), until, erasure.hex()] for one, (until, erasure) in sorted(register.tombstones.items())]
    content = json.dumps({"keys": sorted(one.hex() for one in register.keys), "tombstones": stones})
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, file)


def keep_register(file: Path, connection: sqlite3.Connection, subjects: Subjects) -> None:
    """Add what a place's file says; a folder that is away is logged, and tried again with the next backup."""
    try:
        write_register(file, told_by(connection, subjects))
    except (OSError, BackupDamaged) as error:
        log.error("erasures_not_registered", reason=str(error))
