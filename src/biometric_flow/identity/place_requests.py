"""Requests that a place signs with its own Ed25519 key: pure. What is signed, what is believed, and for how long.

    Authorization: Place 1.<tenant>.<place>.<key id>.<unix seconds>.<nonce>.<SHA-256 of the body>.<signature>

The signature covers tenant, place, method, path with query (from `/v1/` on, so that a proxy may serve below a prefix),
digest, time and nonce. Nothing else of the request says who asks: no header that a proxy could be asked to add.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from biometric_flow.identity.errors import KeyProofRefused, SignatureRefused
from biometric_flow.model.ids import SLUG

SCHEME: Final = "Place"
VERSION: Final = "1"
WINDOW_SECONDS: Final = 60
"""How far a place's clock may be off, and how old a request may be when it comes."""
NONCE_BYTES: Final = 16
_PARTS: Final = 8
_LONGEST: Final = 600
_REFUSED: Final = "the place's signature is not valid here; see whether the place has joined and was not revoked"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """What the head of a signed request says; believed once `check` was passed."""

    tenant: str
    place: str
    key_id: str
    seconds: int
    nonce: str
    body: bytes
    """SHA-256 of the body."""
    signature: bytes


def key_id_of(public: Ed25519PublicKey) -> str:
    """What names a key: the beginning of its hash."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def target_of(path: str, query: str = "") -> str:
    """The part of an address that is signed: from `/v1/` on, with its query."""
    begin = max(0, path.find("/v1/"))
    return path[begin:] + (f"?{query}" if query else "")


def sign_head(
    key: Ed25519PrivateKey, tenant: str, place: str, method: str, target: str, body: bytes, now: datetime, nonce: bytes
) -> str:
    """The value of the Authorization header. The nonce is 16 random bytes, new for every request."""
    head = SignedHead(
        tenant,
        place,
        key_id_of(key.public_key()),
        int(now.timestamp()),
        _text(nonce),
        hashlib.sha256(body).digest(),
        b"",
    )
    signature = key.sign(_message(head, method, target))
    parts = (VERSION, tenant, place, head.key_id, str(head.seconds), head.nonce, _text(head.body), _text(signature))
    return f"{SCHEME} {'.'.join(parts)}"


def read_head(authorization: str) -> SignedHead:
    """The parts of the header, not believed yet. Raises SignatureRefused for another form."""
    scheme, _, rest = authorization.partition(" ")
    parts = rest.split(".")
    if scheme.lower() != SCHEME.lower() or len(authorization) > _LONGEST or len(parts) != _PARTS:
        raise SignatureRefused("expected `Authorization: Place 1.<tenant>.<place>.<key>.<time>.<nonce>.<body>.<sign>`")
    version, tenant, place, key_id, seconds, nonce, body, signature = parts
    try:
        is_formed = (
            version == VERSION
            and all(SLUG.fullmatch(name) for name in (tenant, place))
            and len(bytes.fromhex(key_id)) == len(key_id) // 2 == 8
            and seconds.isascii()
            and seconds.isdecimal()
            and len(seconds) <= 12
            and len(_bytes(nonce)) == NONCE_BYTES
        )
        head = SignedHead(tenant, place, key_id, int(seconds), nonce, _bytes(body), _bytes(signature))
    except (ValueError, binascii.Error):
        raise SignatureRefused(_REFUSED) from None
    if not is_formed or len(head.body) != 32 or len(head.signature) != 64:
        raise SignatureRefused(_REFUSED)
    return head


def check(head: SignedHead, public: Ed25519PublicKey | None, method: str, target: str, now: datetime) -> None:
    """Is it signed by this key, for this request, now? Raises SignatureRefused.

    Without a key the answer is no, after the same work. The time is told only to who holds the key.
    """
    is_known = public is not None
    try:
        (public or _DECOY).verify(head.signature, _message(head, method, target))
    except InvalidSignature:
        is_known = False
    if not is_known:
        raise SignatureRefused(_REFUSED)
    off = head.seconds - int(now.timestamp())
    if abs(off) > WINDOW_SECONDS:
        raise SignatureRefused(
            f"expected the place's clock within {WINDOW_SECONDS} s of the gateway's, it is {off:+d} s off, or the "
            "request is that old; set the clock of the place (NTP)"
        )


def prove(key: Ed25519PrivateKey, purpose: str) -> str:
    """Shows that somebody holds the private half of a key, for one purpose."""
    return _text(key.sign(_purpose(purpose)))


def check_proof(public: bytes, proof: str, purpose: str) -> Ed25519PublicKey:
    """The key, if its holder said so for this purpose. Raises KeyProofRefused."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(_bytes(proof), _purpose(purpose))
    except (ValueError, binascii.Error, InvalidSignature):
        raise KeyProofRefused("expected an Ed25519 key (32 bytes) and a proof by it for this very place") from None
    return key


def _message(head: SignedHead, method: str, target: str) -> bytes:
    lines = (
        "biometric-flow place request 1",
        f"{head.tenant}/{head.place}",
        head.key_id,
        method.upper(),
        target,
        str(head.seconds),
        head.nonce,
        head.body.hex(),
    )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _purpose(purpose: str) -> bytes:
    return f"biometric-flow place key 1\n{purpose}".encode()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


_DECOY: Final = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
