"""Who was erased at the gateway, kept beside its backups and apart, so that no backup brings anybody back (E2).

The register names nobody: it holds digests that only the gateway's own key can compare with anybody.
"""

import hmac
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.sealed_file import BackupDamaged

FILE: Final = "erasures-gateway.json"
"""In the folder with the backups."""
MARK_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ErasureTold:
    """An erasure that has begun, and the marks of whom it was about."""

    tenant: TenantId
    erasure: bytes
    begun_at: datetime
    marks: frozenset[bytes]


class Marks:
    """Keyed digests that outlive the rows that they were made of."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = hmac.digest(key.private_bytes_raw(), b"biometric-flow/erasures/1", "sha256")

    def of_person(self, person_id: UUID) -> bytes:
        """The mark of a person of the register of people."""
        return hmac.digest(self._key, b"person" + person_id.bytes, "sha256")

    def of_subject(self, subject: bytes) -> bytes:
        """The mark of whoever has a PIN at a place."""
        return hmac.digest(self._key, b"subject" + subject, "sha256")


def read_register(file: Path) -> dict[bytes, ErasureTold]:
    """The register in a file by erasure, an empty one when there is none. Raises BackupDamaged for anything else."""
    try:
        said: list[dict[str, Any]] = json.loads(file.read_bytes())["erasures"]
        told = [
            ErasureTold(
                TenantId(one["tenant"]),
                bytes.fromhex(one["erasure"]),
                datetime.fromisoformat(one["begun_at"]),
                frozenset(map(bytes.fromhex, one["marks"])),
            )
            for one in said
        ]
        return {one.erasure: one for one in told}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(f"expected the register of erasures in {file}, it cannot be read: {error}") from None


def write_register(file: Path, news: Iterable[ErasureTold]) -> None:
    """Add to the register in a file, durably; nothing is ever taken out. Raises BackupDamaged or OSError."""
    before = read_register(file)
    register = {one.erasure: one for one in news} | before
    if register == before:
        return
    content = json.dumps(
        {
            "erasures": [
                {
                    "tenant": one.tenant,
                    "erasure": one.erasure.hex(),
                    "begun_at": one.begun_at.isoformat(),
                    "marks": sorted(mark.hex() for mark in one.marks),
                }
                for one in sorted(register.values(), key=lambda one: (one.begun_at, one.erasure))
            ]
        }
    )
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, file)
