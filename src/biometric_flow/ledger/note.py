"""C2SP signed notes, checkpoints and cosignatures: text that says how far a log reaches, signed with Ed25519.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature (v1).
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from biometric_flow.ledger.errors import KeyTextInvalid, NoteRefused
from biometric_flow.ledger.merkle import HASH_BYTES
from biometric_flow.model.ids import PlaceId, TenantId

MAX_NOTE: Final = 16 * 1024
"""Characters of a note that are read; far more than sixteen signatures need."""
MAX_SIGNATURES: Final = 32

_NUMBER: Final = re.compile("0|[1-9][0-9]{0,18}")
_NAME: Final = re.compile(r"[^\s+]{1,200}")
_ED25519: Final = 32


def place_origin(tenant: TenantId, place: PlaceId) -> str:
    """The origin of a place's log, and the name of the key that signs it."""
    return f"biometric-flow/{tenant}/{place}"


class KeyKind(IntEnum):
    """The signature type byte of a key."""

    NOTE = 0x01
    """Ed25519 over the note's text: how a log signs."""
    COSIGNATURE = 0x04
    """Ed25519 over time and text: how a witness signs."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures are believed. Its text form is the `vkey` that people pass around."""

    name: str
    kind: KeyKind
    raw: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name this key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(bytes([self.kind]) + self.raw)}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `<name>+<id>+<base64>`. Raises KeyTextInvalid."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, coded = rest.partition("+")
        content = _unbase64(coded)
        if content is None or len(content) != 1 + _ED25519 or content[0] not in list(KeyKind) or not _is_name(name):
            raise KeyTextInvalid(f"expected a key as <name>+<8 hex digits>+<base64>, got {vkey[:120]!r}")
        key = cls(name, KeyKind(content[0]), content[1:])
        if key.id.hex() != key_id:
            raise KeyTextInvalid(f"expected the id {key.id.hex()} in the key of {name}, got {key_id[:20]!r}: mistyped")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, of a key that the reader may not know."""

    name: str
    key_id: bytes
    content: bytes

    def line(self) -> str:
        """As it stands in a note, with its newline."""
        return f"— {self.name} {_base64(self.key_id + self.content)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures. Nothing in it is to be believed before `verified_by` returned."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)

    @classmethod
    def parse(cls, note: str) -> Self:
        """Read a note. Raises NoteRefused for anything that is none."""
        if len(note) > MAX_NOTE or any(ord(letter) < 32 and letter != "\n" for letter in note):
            raise NoteRefused(f"expected a note of at most {MAX_NOTE} characters and no control character but newline")
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not text or not lines.endswith("\n"):
            raise NoteRefused("expected a text, an empty line, and signature lines")
        signatures = tuple(map(_signature, lines[:-1].split("\n")))
        if len(signatures) > MAX_SIGNATURES:
            raise NoteRefused(f"expected at most {MAX_SIGNATURES} signatures, got {len(signatures)}")
        return cls(text + "\n", signatures)

    def with_signature(self, signature: Signature) -> "Note":
        """This note with one more signature; one by the same key is replaced."""
        kept = [one for one in self.signatures if (one.name, one.key_id) != (signature.name, signature.key_id)]
        return Note(self.text, (*kept, signature))

    def verified_by(self, key: PublicKey) -> int | None:
        """Check the key's signature; for a cosignature, return its time in seconds since 1970. Raises NoteRefused."""
        found = [one for one in self.signatures if (one.name, one.key_id) == (key.name, key.id)]
        if not found:
            raise NoteRefused(f"expected a signature by {key.name}+{key.id.hex()}, there is none")
        times = {_check(self.text, one.content, key) for one in found}
        return min(times, key=lambda time: time or 0)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a log reaches: its origin, the number of its leaves, the root of its tree."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text of the note that says so."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text; lines behind the third are extensions and mean nothing here. Raises NoteRefused."""
        lines = text.split("\n")
        root = _unbase64(lines[2]) if len(lines) > 3 else None
        if root is None or len(root) != HASH_BYTES or not lines[0] or not _NUMBER.fullmatch(lines[1]):
            raise NoteRefused("expected a checkpoint: origin, size and root, a line each")
        return cls(lines[0], int(lines[1]), root)


class Signer:
    """A log's own key: signs its checkpoints under its origin."""

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(origin, KeyKind.NOTE, key.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> Note:
        """The signed checkpoint. Whether it may be signed is the caller's to know."""
        text = checkpoint.text()
        return Note(text, (self.signed(text),))

    def signed(self, text: str) -> Signature:
        """The signature of a note's text."""
        return Signature(self.public.name, self.public.id, self._key.sign(text.encode()))


class Cosigner:
    """A witness's own key: says that it saw a checkpoint, and when."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(name, KeyKind.COSIGNATURE, key.public_key().public_bytes_raw())

    def cosign(self, text: str, time: int) -> Signature:
        """The cosignature of a checkpoint's text; `time` in seconds since 1970."""
        content = time.to_bytes(8, "big") + self._key.sign(_cosigned(text, time))
        return Signature(self.public.name, self.public.id, content)


def _check(text: str, content: bytes, key: PublicKey) -> int | None:
    signed, signature, time = text.encode(), content, None
    if key.kind is KeyKind.COSIGNATURE:
        time, signature = int.from_bytes(content[:8], "big"), content[8:]
        signed = _cosigned(text, time)
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise NoteRefused(f"the signature of {key.name}+{key.id.hex()} does not fit the text") from None
    return time


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, coded = rest.partition(" ")
    content = _unbase64(coded)
    if dash != "—" or not _is_name(name) or content is None or len(content) < 5:
        raise NoteRefused(f"expected a signature line, got {line[:80]!r}")
    return Signature(name, content[:4], content[4:])


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _unbase64(coded: str) -> bytes | None:
    try:
        content = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Padding bits that decode to the same bytes would make two spellings of one signature.
    return content if _base64(content) == coded else None
