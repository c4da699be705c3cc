"""Opaque cursors: where the next page begins, as text that callers pass back unread."""

import base64
import binascii
import json

from biometric_flow.model.errors import BiometricFlowError


class CursorInvalid(BiometricFlowError):
    """A cursor that no page of ours gave out."""

    code = "cursor.invalid"


def write_cursor(*parts: str | int) -> str:
    """A cursor that holds these parts."""
    packed = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type) -> list[str | int]:
    """The parts of a cursor, of exactly these kinds. Raises CursorInvalid."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(packed)
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise CursorInvalid("expected a `next_cursor` of the page before, unchanged; leave it out for the first page")
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in parts):
        raise CursorInvalid("expected a `next_cursor` of the page before, unchanged; got a number out of range")
    return parts
