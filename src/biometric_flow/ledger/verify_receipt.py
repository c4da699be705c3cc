"""Checks a receipt of a punch offline: `python verify_receipt.py RECEIPT --place-key KEY --gateway-key KEY`.

This file needs Python and nothing else, so that anybody can keep a copy, read it and run it years later. It shares no
code with the program that wrote the receipt, on purpose: the Merkle proof (RFC 6962), the signed notes (C2SP), Ed25519
(RFC 8032) and the little CBOR that a record needs (RFC 8949) are written here once more.
"""

import argparse
import base64
import hashlib
import hmac
import sys
from collections.abc import Sequence
from typing import Any

MAX_BYTES = 64 * 1024
WITNESS = 0x04


class Refused(Exception):
    """The receipt proves nothing; the message says where it fails."""


def verify(receipt: str, place_key: str, gateway_key: str | None) -> dict[str, Any]:
    """What the receipt proves, as names and values. Raises Refused. Keys are C2SP vkeys that you trust already."""
    proof, blank, note = receipt.partition("\n\n")
    header, _, rest = proof.partition("\n")
    if len(receipt) > MAX_BYTES or header != "c2sp.org/tlog-proof@v1" or not blank:
        raise Refused("expected a file that begins with c2sp.org/tlog-proof@v1")
    extra, *lines = rest.split("\n")
    leaf, record, opening = _content(extra)
    number = lines[0].removeprefix("index ") if lines else ""
    if not number.isascii() or not number.isdigit() or lines[0] != f"index {int(number)}":
        raise Refused("expected a line `index` with a number")
    origin, size, root = _checkpoint(note)
    _inclusion(hashlib.sha256(b"\0" + leaf).digest(), int(number), size, list(map(_unbase64, lines[1:])), root)
    place_name = _signature(note, place_key, witness=False)
    if place_name != origin:
        raise Refused(f"the checkpoint speaks for {origin}, the key for {place_name}")
    facts = _facts(leaf, record, opening, origin, int(number) + 1)
    facts["log"], facts["log_size"] = origin, size
    if gateway_key is not None:
        facts["witness"] = _signature(note, gateway_key, witness=True)
        facts["witnessed_at"] = _witnessed_at(note, gateway_key)
    return facts


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the receipt holds. 1: it does not. Prints what it proves, or why it proves nothing."""
    parser = argparse.ArgumentParser(prog="verify_receipt", description="Check a receipt of a punch, offline.")
    parser.add_argument("receipt", help="the file, such as mine.tlog-proof")
    parser.add_argument("--place-key", required=True, help="public key of the place: <name>+<id>+<base64>")
    parser.add_argument("--gateway-key", help="public key of the gateway; without it, nobody vouches for the place")
    given = parser.parse_args(arguments)
    try:
        with open(given.receipt, encoding="utf-8", newline="") as file:
            facts = verify(file.read(MAX_BYTES + 1), given.place_key, given.gateway_key)
    except (OSError, UnicodeDecodeError, Refused) as error:
        sys.stderr.write(f"NOT PROVED: {error}\n")
        return 1
    sys.stdout.write("PROVED\n" + "".join(f"{name:<14}{value}\n" for name, value in facts.items()))
    return 0


def _content(extra: str) -> tuple[bytes, bytes, bytes]:
    """Leaf, record and opening in the `extra` line."""
    if not extra.startswith("extra "):
        raise Refused("expected a line `extra` with the record")
    content = _cbor(_unbase64(extra.removeprefix("extra ")))
    if not isinstance(content, list) or len(content) != 4 or content[0] != "biometric-flow/receipt/1":
        raise Refused("expected extra data of the form biometric-flow/receipt/1")
    if not all(isinstance(part, bytes) for part in content[1:]):
        raise Refused("expected leaf, record and opening as bytes")
    return content[1], content[2], content[3]


def _facts(leaf: bytes, record: bytes, opening: bytes, origin: str, sequence: int) -> dict[str, Any]:
    """What the leaf commits to; it must be this record, at this place of this log."""
    fields = _cbor(leaf)
    if not isinstance(fields, list) or len(fields) != 7 or fields[0] != 1 or not isinstance(fields[6], bytes):
        raise Refused("expected a leaf of seven fields, version 1")
    if fields[2] != sequence or not origin.endswith(f"/{fields[1]}"):
        raise Refused("the leaf belongs to another place or position")
    if not hmac.compare_digest(hmac.digest(opening, record, "sha256"), fields[6]):
        raise Refused("the record is not the one that the leaf commits to")
    said = _cbor(record)
    if not isinstance(said, dict) or said.get("kind") != fields[5]:
        raise Refused("the record is of another kind than its leaf says")
    facts = {name: value.hex() if isinstance(value, bytes) else value for name, value in said.items()}
    return {**facts, "recorded_on": fields[4], "sequence": sequence}


def _checkpoint(note: str) -> tuple[str, int, bytes]:
    lines = note.split("\n")
    if len(lines) < 6 or not lines[0] or not lines[1].isascii() or not lines[1].isdigit() or lines[3] != "":
        raise Refused("expected a checkpoint: origin, size and root, then signatures")
    return lines[0], int(lines[1]), _unbase64(lines[2])


def _inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Climb from the leaf to the root. At each height the sibling is left of us, right of us, or does not exist."""
    if index >= size:
        raise Refused("the checkpoint ends before this entry")
    waiting, total, at, last = list(proof), leaf, index, size - 1
    while last > 0:
        if at % 2 == 1 or at < last:
            if not waiting:
                raise Refused("the inclusion proof is too short")
            sibling = waiting.pop(0)
            pair = sibling + total if at % 2 == 1 else total + sibling
            total = hashlib.sha256(b"\1" + pair).digest()
        at, last = at // 2, last // 2
    if waiting or total != root or any(len(one) != 32 for one in proof):
        raise Refused("the inclusion proof does not lead to the signed root")


def _signature(note: str, vkey: str, *, witness: bool) -> str:
    """The name of the key, once its signature under the note holds."""
    name, key_id, key = _key(vkey, witness=witness)
    text, content = _signed(note, name, key_id)
    if witness:
        time = int.from_bytes(content[:8], "big")
        text, content = f"cosignature/v1\ntime {time}\n{text}", content[8:]
    if not _ed25519(key, text.encode(), content):
        raise Refused(f"the signature of {name} does not hold")
    return name


def _witnessed_at(note: str, vkey: str) -> int:
    name, key_id, _ = _key(vkey, witness=True)
    return int.from_bytes(_signed(note, name, key_id)[1][:8], "big")


def _signed(note: str, name: str, key_id: bytes) -> tuple[str, bytes]:
    """The text of a note, and the one signature in it by this key."""
    text, _, signatures = note.rpartition("\n\n")
    found = []
    for line in signatures.removesuffix("\n").split("\n"):
        dash, _, rest = line.partition(" ")
        signer, _, coded = rest.partition(" ")
        content = _unbase64(coded)
        if dash != "\N{EM DASH}" or len(content) < 5 or not signatures.endswith("\n"):
            raise Refused("expected lines of signatures at the end")
        if signer == name and content[:4] == key_id:
            found.append(content[4:])
    if len(found) != 1:
        raise Refused(f"expected one signature of {name}, got {len(found)}")
    return text + "\n", found[0]


def _key(vkey: str, *, witness: bool) -> tuple[str, bytes, bytes]:
    """Name, id and 32 bytes of a public key."""
    name, _, rest = vkey.strip().partition("+")
    given, _, coded = rest.partition("+")
    content = _unbase64(coded)
    key_id = hashlib.sha256(name.encode() + b"\n" + content).digest()[:4]
    if len(content) != 33 or content[0] != (WITNESS if witness else 0x01) or key_id.hex() != given:
        raise Refused(f"expected the public key of a {'gateway' if witness else 'place'}, got {vkey[:100]!r}")
    return name, key_id, content[1:]


def _unbase64(coded: str) -> bytes:
    try:
        content = base64.b64decode(coded, validate=True)
    except ValueError:
        content = b""
    if base64.b64encode(content).decode() != coded:
        raise Refused(f"expected base64, got {coded[:40]!r}")
    return content


def _cbor(content: bytes) -> Any:
    """One item of canonical CBOR: numbers, bytes, text, lists, maps, true, false, null."""
    try:
        value, rest = _item(content, 8)
    except (IndexError, UnicodeDecodeError):
        raise Refused("the record ends too early or is no text") from None
    if rest:
        raise Refused("there is something behind the record")
    return value


def _item(content: bytes, depth: int) -> tuple[Any, bytes]:
    kind, small, rest = content[0] >> 5, content[0] & 31, content[1:]
    count = small
    if small >= 24:
        width = {24: 1, 25: 2, 26: 4, 27: 8}.get(small)
        if width is None or len(rest) < width or kind == 7 or depth == 0:
            raise Refused("the record holds something that no record holds")
        count, rest = int.from_bytes(rest[:width], "big"), rest[width:]
    if kind in (0, 1):
        return (count if kind == 0 else -1 - count), rest
    if kind in (2, 3):
        if len(rest) < count:
            raise IndexError
        return (rest[:count] if kind == 2 else rest[:count].decode("utf-8")), rest[count:]
    if kind in (4, 5) and depth:
        items = []
        for _ in range(count * (kind - 3)):
            item, rest = _item(rest, depth - 1)
            items.append(item)
        if kind == 4:
            return items, rest
        if not all(isinstance(name, str) for name in items[::2]):
            raise Refused("expected names in the record")
        return dict(zip(items[::2], items[1::2], strict=True)), rest
    if kind == 7 and count in (20, 21, 22):
        return {20: False, 21: True, 22: None}[count], rest
    raise Refused("the record holds something that no record holds")


# Ed25519, verification only (RFC 8032 section 5.1): points of the curve -x^2 + y^2 = 1 + d x^2 y^2 over GF(p), kept as
# (X, Y, Z, T) with x = X/Z, y = Y/Z and x*y = T/Z.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def _ed25519(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether s*B = R + h*A, for the signature (R, s), the key A and h = SHA-512(R, A, message)."""
    if len(key) != 32 or len(signature) != 64:
        return False
    start, public = _point(signature[:32]), _point(key)
    scalar = int.from_bytes(signature[32:], "little")
    if start is None or public is None or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = _times(scalar, BASE), _sum(start, _times(challenge, public))
    return all((left[axis] * right[2] - right[axis] * left[2]) % P == 0 for axis in (0, 1))


def _sum(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _sum(total, point)
        point, scalar = _sum(point, point), scalar >> 1
    return total


def _point(coded: bytes) -> Point | None:
    """The point of 32 bytes: y, and in the last bit whether x is odd."""
    number = int.from_bytes(coded, "little")
    y, is_odd = number & (1 << 255) - 1, number >> 255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and is_odd):
        return None
    if x % 2 != is_odd:
        x = P - x
    return x, y, 1, x * y % P


_base = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
assert _base is not None
BASE: Point = _base

if __name__ == "__main__":
    sys.exit(main())
