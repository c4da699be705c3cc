"""The members of a tar archive, and nothing else that the format can do (security-design P5)."""

from collections.abc import Iterator
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation

MEMBERS_MAX: Final = 1000

_BLOCK: Final = 512
_FILES: Final = (b"0", b"\0", b"7")
_SIZE: Final = slice(124, 136)
_SUM: Final = slice(148, 156)
_TYPE: Final = slice(156, 157)


def archive_members(plain: bytes) -> Iterator[bytes]:
    """What the plain files in a tar hold, in order; names are not looked at, links and sparse files are passed over.

    Not `tarfile`: it unpacks archives within archives, fills sparse files with zeros without end, and in the Python
    versions that we run on goes round in circles for a header of the wrong size. Raises ProtocolViolation.
    """
    start = count = 0
    while any(head := plain[start : start + _BLOCK]):
        size = _checked_size(head)
        start += _BLOCK
        content = plain[start : start + size]
        if len(content) != size:
            raise ProtocolViolation(f"expected a member of {size} bytes in an archive, got {len(content)}")
        count += 1
        if count > MEMBERS_MAX:
            raise ProtocolViolation(f"expected at most {MEMBERS_MAX} members in an archive, got more")
        if head[_TYPE] in _FILES:
            yield content
        start += -(-size // _BLOCK) * _BLOCK


def _checked_size(head: bytes) -> int:
    told, size = _octal(head[_SUM]), _octal(head[_SIZE])
    # The sum was made with blanks in its own place.
    if len(head) != _BLOCK or told is None or size is None or told != sum(head) - sum(head[_SUM]) + 8 * 32:
        raise ProtocolViolation("expected the head of a tar member, got other bytes")
    return size


def _octal(text: bytes) -> int | None:
    digits = text.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None
