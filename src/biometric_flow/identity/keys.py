"""The token signing key: a file that only this account can read, created when missing."""

import os
import stat
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from biometric_flow.identity.errors import KeyUnusable


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
    except (JoseError, ValueError, TypeError) as error:
        raise KeyUnusable(f"expected an Ed25519 private key as PEM in {path}, got something else") from error
    if key.curve_name != "Ed25519" or not key.is_private:
        raise KeyUnusable(f"expected an Ed25519 private key as PEM in {path}, got another kind")
    return key


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
