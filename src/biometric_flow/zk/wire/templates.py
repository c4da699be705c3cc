"""Fingerprint templates: opaque blobs, single, in bulk and as a package with users (zk-protocol 4.4, 5.5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct, error
from typing import Final, NamedTuple, Self

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.rows import Blob, RejectedRow
from biometric_flow.zk.wire.users import UserLayout, UserRecord

FINGERS: Final = 10
TEMPLATE_MAX: Final = 16 * 1024
"""Bytes of a template at most; version 9 has about 600, version 10 up to 1,700."""

TEMPLATES_MAX: Final = 100_000
PACKAGE_MAX: Final = 4 * 1024 * 1024
"""Bytes of a package at most; a terminal stages it in memory."""

SAVE_REQUEST: Final = bytes.fromhex("0c00000000000800")
"""The data of SAVE_PEOPLE, after staging."""

_ENTRY: Final = Struct("<HHBB")
_COMMIT: Final = Struct("<HBBH")
_FINGER: Final = Struct("<HB")
_SIZES: Final = Struct("<III")
_TABLE: Final = Struct("<BHBI")
_LENGTH: Final = Struct("<H")
_MARK: Final = 2
_FINGER_MARK: Final = 0x10


@dataclass(frozen=True, slots=True)
class Template:
    """One finger of one user. The blob never shows in a text, and is never looked into beyond its first bytes."""

    uid: int
    finger: int
    """0 to 9."""
    data: bytes = field(repr=False)
    flag: int = 1
    """0 invalid, 1 valid, 3 duress."""

    @property
    def version(self) -> int:
        """9 or 10: the generation of the algorithm, told by the first bytes; versions do not convert."""
        return 10 if self.data[:1] == b"M" and self.data[2:6] == b"SS21" else 9

    def check(self) -> None:
        """Raises ValueError for what cannot be written."""
        if not 0 <= self.uid <= 0xFFFF or not 0 <= self.finger < FINGERS or not 0 <= self.flag <= 0xFF:
            raise ValueError(
                f"expected a uid up to 65535, a finger from 0 to 9 and a flag up to 255, "
                f"got {self.uid}, {self.finger}, {self.flag}"
            )
        if not 1 <= len(self.data) <= TEMPLATE_MAX:
            raise ValueError(f"expected a template of 1 to {TEMPLATE_MAX} bytes, got {len(self.data)}")

    def encode(self) -> bytes:
        """The entry of a bulk answer. Raises ValueError."""
        self.check()
        return _ENTRY.pack(len(self.data) + _ENTRY.size, self.uid, self.finger, self.flag) + self.data

    def commit_request(self) -> bytes:
        """The data of COMMIT_TEMPLATE, after the blob was staged. Raises ValueError."""
        self.check()
        return _COMMIT.pack(self.uid, self.finger, self.flag, len(self.data))


@dataclass(frozen=True, slots=True)
class TemplateList:
    """All fingerprint templates of a terminal at one moment."""

    records: list[Template]
    rejected: list[RejectedRow]

    @classmethod
    def decode(cls, blob: Blob) -> Self:
        """The entries of a bulk answer; from an entry that cannot be followed on, the rest is set apart.

        Of a long rest the first bytes are kept, as many as a template may have.
        Raises ProtocolViolation for more than 100,000 of them.
        """
        records: list[Template] = []
        rejected: list[RejectedRow] = []
        start = 0
        while start < len(blob):
            rest = bytes(blob[start : start + _ENTRY.size])
            size, uid, finger, flag = _ENTRY.unpack(rest) if len(rest) == _ENTRY.size else (0, 0, 0, 0)
            entry = bytes(blob[start : start + size])
            if not _ENTRY.size < size <= TEMPLATE_MAX + _ENTRY.size or len(entry) != size:
                told = f"expected a template entry, got a size of {size} bytes and {len(blob) - start} to the end"
                rejected.append(RejectedRow(bytes(blob[start : start + TEMPLATE_MAX]), told))
                break
            if finger < FINGERS:
                records.append(Template(uid, finger, entry[_ENTRY.size :], flag))
            else:
                rejected.append(RejectedRow(entry, f"expected a finger from 0 to 9, got {finger}"))
            if len(records) + len(rejected) > TEMPLATES_MAX:
                raise ProtocolViolation(f"expected at most {TEMPLATES_MAX} templates, got more; report the model")
            start += size
        return cls(records, rejected)


class Commit(NamedTuple):
    """Whose finger the staged blob is."""

    uid: int
    finger: int
    flag: int
    size: int


def decode_commit(data: bytes) -> Commit:
    """The meaning of COMMIT_TEMPLATE's data. Raises ProtocolViolation."""
    if len(data) != _COMMIT.size:
        raise ProtocolViolation(f"expected {_COMMIT.size} bytes about a template, got {len(data)}")
    return Commit(*_COMMIT.unpack(data))


def finger_request(uid: int, finger: int) -> bytes:
    """The data that names one finger by uid. Raises ValueError."""
    if not 0 <= uid <= 0xFFFF or not 0 <= finger < FINGERS:
        raise ValueError(f"expected a uid up to 65535 and a finger from 0 to 9, got {uid} and {finger}")
    return _FINGER.pack(uid, finger)


def decode_finger(data: bytes) -> tuple[int, int]:
    """uid and finger. Raises ProtocolViolation."""
    if len(data) < _FINGER.size:
        raise ProtocolViolation(f"expected a uid and a finger, got {len(data)} bytes")
    uid, finger = _FINGER.unpack_from(data)
    return uid, finger


def unpad_template(answer: bytes) -> bytes:
    """The template in the answer to a single read: one byte follows it, on some firmware six zeros before that."""
    data = answer[:-1]
    return data[:-6] if data.endswith(bytes(6)) else data


@dataclass(frozen=True, slots=True)
class Person:
    """A user and their templates, as they travel together."""

    user: UserRecord
    templates: tuple[Template, ...] = ()


def encode_package(people: Sequence[Person], layout: UserLayout, encoding: str = "utf-8") -> bytes:
    """Users and templates as SAVE_PEOPLE takes them. A template's uid is its user's.

    Raises ValueError for what does not fit or is more than 4 MiB.
    """
    users, table, blobs = bytearray(), bytearray(), bytearray()
    for person in people:
        users += bytes((_MARK,)) + layout.encode(person.user, encoding)
        for template in person.templates:
            template.check()
            table += _TABLE.pack(_MARK, person.user.uid, _FINGER_MARK + template.finger, len(blobs))
            blobs += _LENGTH.pack(len(template.data)) + template.data
    package = _SIZES.pack(len(users), len(table), len(blobs)) + users + table + blobs
    if len(package) > PACKAGE_MAX:
        raise ValueError(f"expected a package of at most {PACKAGE_MAX} bytes, got {len(package)}; send fewer people")
    return package


def decode_package(data: bytes, layout: UserLayout, encoding: str = "utf-8") -> list[Person]:
    """What `encode_package` wrote. Raises ProtocolViolation."""
    try:
        users_size, table_size, blobs_size = _SIZES.unpack_from(data)
    except error:
        raise ProtocolViolation(f"expected a package of users and templates, got {len(data)} bytes") from None
    width, table_start = 1 + layout.size, _SIZES.size + users_size
    blobs_start = table_start + table_size
    if len(data) != blobs_start + blobs_size or users_size % width or table_size % _TABLE.size:
        raise ProtocolViolation("expected a package whose parts fill it, got other sizes")
    templates: dict[int, list[Template]] = {}
    blobs = data[blobs_start:]
    for uid, finger, offset in _table_rows(data[table_start:blobs_start]):
        blob = _blob(blobs, offset)
        templates.setdefault(uid, []).append(Template(uid, finger, blob))
    rows = range(_SIZES.size, table_start, width)
    records = [layout.decode(data[start + 1 : start + width], encoding) for start in rows]
    return [Person(user, tuple(templates.get(user.uid, ()))) for user in records]


def _table_rows(table: bytes) -> Iterator[tuple[int, int, int]]:
    for _, uid, finger, offset in _TABLE.iter_unpack(table):
        if not _FINGER_MARK <= finger < _FINGER_MARK + FINGERS:
            raise ProtocolViolation(f"expected a finger from 0 to 9, got {finger - _FINGER_MARK}")
        yield uid, finger - _FINGER_MARK, offset


def _blob(blobs: bytes, offset: int) -> bytes:
    size = _LENGTH.unpack_from(blobs, offset)[0] if offset + _LENGTH.size <= len(blobs) else 0
    blob = blobs[offset + _LENGTH.size : offset + _LENGTH.size + size]
    if not size or len(blob) != size:
        raise ProtocolViolation(f"expected a template at {offset} of the package, there is none")
    return blob
