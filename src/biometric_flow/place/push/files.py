"""The one thing a terminal may fetch: a blob that an open order of its own names, by that id (security-design D5)."""

import hashlib
from typing import Final

from biometric_flow.api.jobs import InstallFile, InstallFirmware
from biometric_flow.api.rollouts import BlobView
from biometric_flow.place.blobs import Blobs
from biometric_flow.zk.push.commands import PutFile, Upgrade

ENDPOINT: Final = "file"

NOT_OFFERED: Final = b""
"""Whatever the reason is, a terminal hears the same."""


def install_command(order: InstallFile | InstallFirmware, blob: BlobView, data: bytes) -> PutFile | Upgrade:
    """What a terminal that dials is told; it fetches the blob by its id, and checks MD5 and size of firmware."""
    if isinstance(order, InstallFile):
        return PutFile(blob.id, order.name)
    return Upgrade(hashlib.md5(data, usedforsecurity=False).hexdigest(), blob.id, len(data))


def offered(blobs: Blobs, terminal: str, identity: str) -> bytes:
    """The blob's bytes if an order of this terminal that is not done names it, NOT_OFFERED otherwise."""
    return blobs.read(identity) if blobs.is_wanted_by(terminal, identity) else NOT_OFFERED
