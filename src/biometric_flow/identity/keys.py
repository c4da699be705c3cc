"""The token signing key: a file that only this account can read, created when missing."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from biometric_flow.identity.errors import KeyUnusable

TOKEN_KEY: Final = "token-key.pem"  # noqa: S105 - the name of a file
SIGNS_FOR: Final = timedelta(days=90)
VERIFIES_FOR: Final = timedelta(days=1)
"""Longer than any access token lives; refresh tokens are no signatures and go on."""


def load_or_create_key(path: Path) -> OKPKey:
    """The Ed25519 key in a PEM file of mode 0600. Raises KeyUnusable when others may read it or it is no such key."""
    if not path.exists():
        _create(path)
    try:
        mode = path.stat().st_mode
        pem = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnusable(f"expected a readable key file {path}: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyUnusable(f"expected {path} to be readable by its owner only (chmod 600), got {stat.filemode(mode)}")
    try:
        key = OKPKey.import_key(pem)
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:  # what a turned bit makes
        raise KeyUnusable(f"expected an Ed25519 private key as PEM in {path}, got something else") from error
    if key.curve_name != "Ed25519" or not key.is_private:
        raise KeyUnusable(f"expected an Ed25519 private key as PEM in {path}, got another kind")
    return key


def rotated_keys(folder: Path, now: datetime) -> list[OKPKey]:
    """The token signing key and, while tokens of it may live, the one before. Raises KeyUnusable.

    A key signs for 90 days by the age of its file; then it is put aside, where it verifies for one more day, and the
    next one is made. A kill in between leaves one or both: nothing is lost but at most everybody's sign-in.
    """
    current, before = folder / TOKEN_KEY, folder / f"previous-{TOKEN_KEY}"
    if current.exists() and _age(current, now) >= SIGNS_FOR:
        os.replace(current, before)
    keys = [load_or_create_key(current)]
    if before.exists():
        if _age(current, now) < VERIFIES_FOR:
            keys.append(load_or_create_key(before))
        else:
            before.unlink()
    return keys


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _create(path: Path) -> None:
    """Write beside, then link: a kill halfway leaves no half key, and of two starters one key wins."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(OKPKey.generate_key("Ed25519").as_pem(private=True))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
