"""What travels on the link of a place: requests and answers as frames, in both directions; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cbor2

from biometric_flow.model.errors import BiometricFlowError

MAX_FRAME: Final = 4 * 1024 * 1024
"""Bytes of one WebSocket message; a request is one message with its whole body."""
MAX_CHUNK: Final = 256 * 1024
"""Bytes of an answer's body in one message, so that a long answer does not hold up the others."""
MAX_HEADERS: Final = 64
MAX_WORD: Final = 8192

Headers = tuple[tuple[str, str], ...]

_REQUEST, _HEAD, _CHUNK, _END, _CANCEL = range(1, 6)


class FrameUnreadable(BiometricFlowError):
    """The other end of a link sent what no frame is; the link is closed."""

    code = "link.frame_unreadable"


@dataclass(frozen=True, slots=True)
class RequestFrame:
    """One end asks the other. Numbers are the asker's own, each used once on a link."""

    number: int
    method: str
    target: str
    """Path and query, as in an HTTP request line."""
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class HeadFrame:
    """An answer begins."""

    number: int
    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class ChunkFrame:
    """A piece of an answer's body."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class EndFrame:
    """An answer is complete."""

    number: int


@dataclass(frozen=True, slots=True)
class CancelFrame:
    """Who asked does not want the answer, or no more of it."""

    number: int


Frame = RequestFrame | HeadFrame | ChunkFrame | EndFrame | CancelFrame


def encode(frame: Frame) -> bytes:
    """A frame as a message: a CBOR array that begins with its kind and number."""
    match frame:
        case RequestFrame(number, method, target, headers, body):
            return cbor2.dumps([_REQUEST, number, method, target, headers, body])
        case HeadFrame(number, status, headers):
            return cbor2.dumps([_HEAD, number, status, headers])
        case ChunkFrame(number, data):
            return cbor2.dumps([_CHUNK, number, data])
        case EndFrame(number):
            return cbor2.dumps([_END, number])
        case CancelFrame(number):
            return cbor2.dumps([_CANCEL, number])


def decode(message: bytes) -> Frame:
    """A message as a frame. Raises FrameUnreadable."""
    if len(message) > MAX_FRAME:
        raise FrameUnreadable(f"expected a frame of at most {MAX_FRAME} bytes, got {len(message)}")
    try:
        fields = cbor2.loads(message)
        return _read(fields)
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError) as error:
        raise FrameUnreadable(f"expected a frame, got {len(message)} bytes that are none: {error}") from None


def _read(fields: Any) -> Frame:
    if not isinstance(fields, list) or len(fields) < 2:
        raise ValueError("no array of a kind and a number")
    kind, number, *rest = fields
    if not isinstance(number, int) or not 0 <= number < 2**63:
        raise ValueError("no number")
    match kind, rest:
        case int(kind), [str(method), str(target), list(headers), bytes(body)] if kind == _REQUEST:
            if len(method) > 16 or len(target) > MAX_WORD or not target.startswith("/"):
                raise ValueError("no method and path")
            return RequestFrame(number, method, target, _headers(headers), body)
        case int(kind), [int(status), list(headers)] if kind == _HEAD and 200 <= status <= 599:
            return HeadFrame(number, status, _headers(headers))
        case int(kind), [bytes(data)] if kind == _CHUNK:
            return ChunkFrame(number, data)
        case int(kind), [] if kind == _END:
            return EndFrame(number)
        case int(kind), [] if kind == _CANCEL:
            return CancelFrame(number)
    raise ValueError(f"no frame of kind {kind!r:.20} with {len(rest)} fields")


def _headers(pairs: Sequence[Any]) -> Headers:
    if len(pairs) > MAX_HEADERS:
        raise ValueError(f"more than {MAX_HEADERS} headers")
    found = []
    for pair in pairs:
        match pair:
            case [str(name), str(value)] if name.isascii() and len(name) + len(value) <= MAX_WORD:
                if "\n" in name + value or "\r" in name + value:
                    raise ValueError("a header of two lines")
                value.encode("latin-1")
                found.append((name.lower(), value))
            case _:
                raise ValueError("no header")
    return tuple(found)
