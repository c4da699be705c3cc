"""The keys of a place: one key store, read whole at the start, in a folder of the place's own."""

from typing import Final

from biometric_flow.runtime.key_store import (
    FILE_NAME,
    RESERVED,
    ROOT_FILE_NAME,
    Service,
    Token,
    open_keys,
    read_keys,
    root_keys,
)
from biometric_flow.runtime.key_store import KeyStore as PlaceKeys

__all__ = [
    "FILE_NAME",
    "KEYS_FOLDER",
    "RESERVED",
    "ROOT_FILE_NAME",
    "PlaceKeys",
    "Service",
    "Token",
    "open_keys",
    "read_keys",
    "root_keys",
]

KEYS_FOLDER: Final = "keys"
"""Default name of the key store's folder, within the place's."""
