"""The Ed25519 key that a process signs its ledger's checkpoints with: a file of mode 0600, made once."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.identity.errors import KeyUnusable
from biometric_flow.identity.keys import load_or_create_key
from biometric_flow.runtime.errors import FolderUnusable


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key in this file, made when there is none. Raises FolderUnusable when others may read it or it is no key."""
    try:
        key = load_or_create_key(path).private_key
    except KeyUnusable as error:
        raise FolderUnusable(str(error)) from None
    assert isinstance(key, Ed25519PrivateKey)
    return key
