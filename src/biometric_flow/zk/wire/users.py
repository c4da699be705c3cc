"""User records: who a terminal knows (zk-protocol 4.1)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final, Self

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.rows import Blob, RejectedRow

USERS_MAX: Final = 65_536
"""Users of one terminal at most: the uid is a u16."""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One user as a terminal stores it. The password never shows in a text."""

    uid: int
    user_id: str
    name: str = ""
    privilege: int = 0
    """Raw: bit 0 disabled; bits 3 to 1: 0 user, 1 enroller, 3 manager, 7 super admin."""
    password: str = field(default="", repr=False)
    card: int = 0
    group: int = 0
    own_timezones: bool = False
    timezones: tuple[int, ...] = ()
    """Three numbers in 72 bytes, one bit mask in 28."""

    @property
    def is_enabled(self) -> bool:
        """Whether the terminal lets this user in at all."""
        return not self.privilege & 1

    @property
    def is_admin(self) -> bool:
        """Whether this user may enter the menu as manager or super admin."""
        return self.privilege >> 1 & 7 in (3, 7)


@dataclass(frozen=True, slots=True)
class UserLayout:
    """How one family stores a user."""

    name: str
    row: Struct
    read: Callable[[tuple[Any, ...], str], UserRecord]
    write: Callable[[UserRecord, str], tuple[int | bytes, ...]]

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return self.row.size

    def decode(self, row: bytes, encoding: str = "utf-8") -> UserRecord:
        """One record; names in a foreign encoding get replacement characters.

        Raises ProtocolViolation for a wrong size or a user id that is no printable text.
        """
        if len(row) != self.size:
            raise ProtocolViolation(f"expected a user record of {self.size} bytes, got {len(row)}")
        user = self.read(self.row.unpack(row), encoding)
        if not user.user_id.isprintable() or "\ufffd" in user.user_id:
            raise ProtocolViolation(f"expected a printable user id for uid {user.uid}, got {user.user_id!r}")
        return user

    def encode(self, user: UserRecord, encoding: str = "utf-8") -> bytes:
        """The record's bytes; a long name is cut between characters. Raises ValueError when a field does not fit."""
        limits = {"uid": 0xFFFF, "privilege": 0xFF, "card": 0xFFFF_FFFF, "group": 0xFF}
        for name, limit in limits.items():
            value = getattr(user, name)
            if not 0 <= value <= limit:
                raise ValueError(f"expected {name} from 0 to {limit}, got {value}")
        if any(not 0 <= zone <= 0xFFFF for zone in user.timezones):
            raise ValueError(f"expected time zone numbers from 0 to 65535, got {user.timezones}")
        return self.row.pack(*self.write(user, encoding))


@dataclass(frozen=True, slots=True)
class UserList:
    """All users of a terminal at one moment."""

    records: list[UserRecord]
    rejected: list[RejectedRow]
    layout: UserLayout | None
    """None when the terminal knows nobody."""

    @classmethod
    def decode(cls, blob: Blob, layout: UserLayout, encoding: str = "utf-8") -> Self:
        """The records in a blob, the unreadable ones apart. Raises ProtocolViolation for more than 65,536 of them."""
        if len(blob) > USERS_MAX * layout.size:
            raise ProtocolViolation(f"expected at most {USERS_MAX} users, got {len(blob) // layout.size}")
        records, rejected = [], []
        for start in range(0, len(blob), layout.size):
            row = bytes(blob[start : start + layout.size])
            try:
                records.append(layout.decode(row, encoding))
            except ProtocolViolation as problem:
                rejected.append(RejectedRow(row, str(problem)))
        return cls(records, rejected, layout)


def cut_text(text: str, size: int, encoding: str) -> bytes:
    """Text in at most `size` bytes, cut between characters; what the encoding lacks becomes a question mark."""
    raw = text.encode(encoding, "replace")
    while len(raw) > size:
        text = text[: min(len(text) - 1, size)]
        raw = text.encode(encoding, "replace")
    return raw


def _text(raw: bytes, encoding: str) -> str:
    return raw.split(b"\0", 1)[0].decode(encoding, "replace")


def _fixed(name: str, text: str, size: int, encoding: str) -> bytes:
    raw = text.encode(encoding, "replace")
    if len(raw) > size or "\0" in text:
        raise ValueError(f"expected a {name} of at most {size} bytes without NUL, got {len(raw)} bytes")
    return raw


def _read_72(row: tuple[Any, ...], encoding: str) -> UserRecord:
    uid, privilege, password, name, card, group, own, tz1, tz2, tz3, pin = row
    return UserRecord(
        uid,
        _text(pin, encoding),
        _text(name, encoding),
        privilege,
        _text(password, encoding),
        card,
        group,
        own == 1,
        (tz1, tz2, tz3),
    )


def _write_72(user: UserRecord, encoding: str) -> tuple[int | bytes, ...]:
    if len(user.timezones) > 3:
        raise ValueError(f"expected at most 3 time zones, got {len(user.timezones)}")
    return (
        user.uid,
        user.privilege,
        _fixed("password", user.password, 8, encoding),
        cut_text(user.name, 24, encoding),
        user.card,
        user.group,
        int(user.own_timezones),
        *(*user.timezones, 0, 0, 0)[:3],
        _fixed("user id", user.user_id, 24, encoding),
    )


def _read_28(row: tuple[Any, ...], encoding: str) -> UserRecord:
    uid, privilege, password, name, card, group, mask, number = row
    return UserRecord(
        uid,
        str(number),
        _text(name, encoding),
        privilege,
        _text(password, encoding),
        card,
        group,
        mask != 0,
        (mask,),
    )


def _write_28(user: UserRecord, encoding: str) -> tuple[int | bytes, ...]:
    if not (user.user_id.isascii() and user.user_id.isdigit() and int(user.user_id) <= 0xFFFF_FFFF):
        raise ValueError(f"a 28-byte user record holds numeric user ids only, got {user.user_id[:40]!r}")
    return (
        user.uid,
        user.privilege,
        _fixed("password", user.password, 5, encoding),
        cut_text(user.name, 8, encoding),
        user.card,
        user.group,
        (*user.timezones, 0)[0],
        int(user.user_id),
    )


USER_LAYOUTS: Final = {
    layout.name: layout
    for layout in (
        UserLayout("72", Struct("<HB8s24sIBHHHH24s"), _read_72, _write_72),
        UserLayout("28", Struct("<HB5s8sIxBHI"), _read_28, _write_28),
    )
}
"""By name, which is the size; the name is what an operator pins for a terminal."""
