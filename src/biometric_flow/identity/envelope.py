"""AES-256-GCM envelopes: ciphertext that names its key and opens in one place of one tenant only (security-design K1).

    version 1 | algorithm 1 | key id 16 | nonce 12 | ciphertext | tag 16        (bytes; no field is optional)

The header and the binding are the associated data, so that an envelope that was moved to another row, column, table or
tenant, or given another key id, does not open.
"""

import hmac
import struct
from functools import lru_cache
from typing import Final, NamedTuple, NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from biometric_flow.identity.errors import EnvelopeInvalid, EnvelopeRefused

KeyId = NewType("KeyId", bytes)
"""16 random bytes that name one version of one key."""

KEY_ID_BYTES: Final = 16
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
VERSION: Final = 1
AES_256_GCM: Final = 1
PLAINTEXT_MAX: Final = 1024 * 1024
"""Bytes in one envelope; the longest thing kept is a template of a face, and far shorter."""

_HEADER: Final = struct.Struct(f">BB{KEY_ID_BYTES}s{NONCE_BYTES}s")
OVERHEAD: Final = _HEADER.size + TAG_BYTES
"""Bytes by which an envelope is longer than what it holds."""


class Binding(NamedTuple):
    """Where an envelope belongs. `row` is what names the row in its table, see `row_name` for several columns."""

    table: str
    column: str
    row: bytes

    def associated(self, tenant: str) -> bytes:
        """The associated data of this place in one tenant's tables: every part with its length before it."""
        return _column(tenant, self.table, self.column) + row_name(self.row)


@lru_cache(maxsize=512)
def _column(tenant: str, table: str, column: str) -> bytes:
    return row_name(tenant, table, column)


def row_name(*parts: bytes | str | int) -> bytes:
    """The name of a row with several key columns; different parts never make the same name."""
    named = []
    for part in parts:
        content = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        named.append(len(content).to_bytes(4, "big") + content)
    return b"".join(named)


def derive(secret: bytes, purpose: bytes) -> bytes:
    """A 32-byte key for one purpose from a key of 256 bits: HKDF-SHA-256 (RFC 5869), no salt, `purpose` as info."""
    return hmac.digest(hmac.digest(bytes(KEY_BYTES), secret, "sha256"), purpose + b"\x01", "sha256")


class SealingKey:
    """One key that seals and opens. What it encrypts with is derived, so that the same secret may serve commitments."""

    __slots__ = ("_cipher", "id")

    def __init__(self, key_id: KeyId, secret: bytes) -> None:
        if len(key_id) != KEY_ID_BYTES or len(secret) != KEY_BYTES:
            raise EnvelopeInvalid(
                f"expected a key id of {KEY_ID_BYTES} bytes and a key of {KEY_BYTES},"
                f" got {len(key_id)} and {len(secret)}"
            )
        self.id = key_id
        self._cipher = AESGCM(derive(secret, b"biometric-flow/seal/1"))

    def seal(self, associated: bytes, plaintext: bytes, nonce: bytes) -> bytes:
        """The envelope of a text. The caller never gives the same nonce twice; 96 random bits each."""
        if len(nonce) != NONCE_BYTES:
            raise EnvelopeInvalid(f"expected a nonce of {NONCE_BYTES} bytes, got {len(nonce)}")
        if len(plaintext) > PLAINTEXT_MAX:
            raise EnvelopeInvalid(f"expected at most {PLAINTEXT_MAX} bytes to seal, got {len(plaintext)}")
        header = _HEADER.pack(VERSION, AES_256_GCM, self.id, nonce)
        return header + self._cipher.encrypt(nonce, plaintext, header + associated)

    def unseal(self, associated: bytes, envelope: bytes) -> bytes:
        """What it holds. Raises EnvelopeInvalid for other bytes, EnvelopeRefused when it does not open here."""
        key_id, nonce = read_header(envelope)
        if key_id != self.id:
            raise EnvelopeRefused("the envelope was sealed with another key than the one it was tried with")
        header = envelope[: _HEADER.size]
        try:
            return self._cipher.decrypt(nonce, envelope[_HEADER.size :], header + associated)
        except InvalidTag:
            raise EnvelopeRefused(
                "the envelope does not open here: it was altered, or moved from another place"
            ) from None


def key_id_of(envelope: bytes) -> KeyId:
    """Which key opens it. Raises EnvelopeInvalid for bytes that are no envelope."""
    return read_header(envelope)[0]


def read_header(envelope: bytes) -> tuple[KeyId, bytes]:
    """Key id and nonce. Raises EnvelopeInvalid for bytes that are no envelope of a form that this program knows."""
    if not OVERHEAD <= len(envelope) <= OVERHEAD + PLAINTEXT_MAX:
        raise EnvelopeInvalid(
            f"expected an envelope of {OVERHEAD} to {OVERHEAD + PLAINTEXT_MAX} bytes, got {len(envelope)}"
        )
    version, algorithm, key_id, nonce = _HEADER.unpack_from(envelope)
    if (version, algorithm) != (VERSION, AES_256_GCM):
        raise EnvelopeInvalid(
            f"expected envelope version {VERSION} with algorithm {AES_256_GCM}, got {version}, {algorithm}"
        )
    return KeyId(key_id), nonce
