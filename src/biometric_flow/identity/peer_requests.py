"""What instances of one gateway tell each other, proved by a key that they share: pure.

    Authorization: Peer 1.<unix seconds>.<nonce>.<SHA-256 of the body>.<proof>

The proof covers the address of the instance that is asked as well, so it counts at that one only.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from biometric_flow.identity.errors import SignatureRefused

SCHEME: Final = "Peer"
VERSION: Final = "1"
WINDOW_SECONDS: Final = 30
"""How far clocks of instances may be apart, and how old what they say may be."""
NONCE_BYTES: Final = 16
_PARTS: Final = 5
_LONGEST: Final = 300
_REFUSED: Final = "expected the proof of another instance of this gateway"


@dataclass(frozen=True, slots=True)
class PeerHead:
    """What a request that was proved says about itself."""

    nonce: str
    body: bytes
    """SHA-256 of the body."""


@dataclass(frozen=True, slots=True)
class Holder:
    """An instance that holds the link of a place."""

    address: str
    since: int
    """Unix milliseconds: of several, the newest link is believed."""


def sign_peer(secret: bytes, address: str, target: str, body: bytes, now: datetime, nonce: bytes) -> str:
    """The value of the Authorization header for a request to an instance. The nonce is 16 bytes, new each time."""
    said = (str(int(now.timestamp())), nonce.hex(), hashlib.sha256(body).hexdigest())
    return f"{SCHEME} {'.'.join((VERSION, *said, _proof(secret, 'request', address, target, *said)))}"


def check_peer(secret: bytes, address: str, target: str, authorization: str, now: datetime) -> PeerHead:
    """Did another instance say this, to this one, now? Raises SignatureRefused."""
    scheme, _, rest = authorization.partition(" ")
    parts = rest.split(".")
    if scheme != SCHEME or len(authorization) > _LONGEST or len(parts) != _PARTS or not rest.isascii():
        raise SignatureRefused(_REFUSED)
    version, seconds, nonce, body, proof = parts
    expected = _proof(secret, "request", address, target, seconds, nonce, body)
    if not hmac.compare_digest(proof, expected) or version != VERSION or not _is_recent(seconds, now):
        raise SignatureRefused(_REFUSED)
    return PeerHead(nonce, bytes.fromhex(body))


def seal_holder(secret: bytes, tenant: str, place: str, holder: Holder, now: datetime) -> bytes:
    """What an instance leaves where the others look for the link of a place."""
    said = (str(int(now.timestamp())), str(holder.since), holder.address)
    return "\n".join((*said, _proof(secret, "holder", tenant, place, *said))).encode()


def open_holder(secret: bytes, tenant: str, place: str, given: bytes, now: datetime) -> Holder | None:
    """Who holds the link, if an instance of this gateway said so, of this place, a moment ago."""
    parts = given.decode("utf-8", "replace").split("\n")
    if len(parts) != 4:
        return None
    seconds, since, address, proof = parts
    expected = _proof(secret, "holder", tenant, place, seconds, since, address)
    if not hmac.compare_digest(proof.encode(), expected.encode()) or not _is_recent(seconds, now):
        return None
    return Holder(address, int(since))


def _is_recent(seconds: str, now: datetime) -> bool:
    """Asked of what was proved, so it is a number."""
    return abs(int(seconds) - int(now.timestamp())) <= WINDOW_SECONDS


def _proof(secret: bytes, *said: str) -> str:
    lines = "\n".join(("biometric-flow gateway peer 1", *said))
    return hmac.digest(secret, lines.encode("utf-8", "surrogatepass"), "sha256").hex()
