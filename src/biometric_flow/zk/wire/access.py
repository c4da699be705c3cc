"""Who may pass when: time zones, groups, unlock combinations, verify modes (zk-protocol 8)."""

from dataclasses import dataclass
from struct import Struct, error
from typing import Final, NamedTuple, Self

from biometric_flow.zk.errors import ProtocolViolation

ZONES: Final = range(1, 51)
GROUPS: Final = range(1, 100)
COMBINATIONS: Final = range(1, 11)

VERIFY_MODES: Final = {
    0: "as the group",
    128: "fingerprint, password or card",
    129: "fingerprint",
    130: "PIN",
    131: "password",
    132: "card",
    133: "fingerprint or password",
    134: "fingerprint or card",
    135: "password or card",
    136: "PIN and fingerprint",
    137: "fingerprint and password",
    138: "fingerprint and card",
    139: "password and card",
    140: "fingerprint, password and card",
    141: "PIN, fingerprint and password",
    142: "fingerprint and card, or PIN",
}
"""How a user has to prove who they are. A group carries the same numbers without the 128."""

_ZONE_READ: Final = Struct("<H28B")
_ZONE_WRITE: Final = Struct("<I28B")
_GROUP: Final = Struct("<BHHHB")
_COMBINATION: Final = Struct("<B5BH")
_USER_ZONES_READ: Final = Struct("<4H")
_USER_ZONES_WRITE: Final = Struct("<5I")
_MODE: Final = Struct("<HB21x")
_HOLIDAYS: Final = 0x80


class DaySpan(NamedTuple):
    """When one day is open, minutes included. A start after the end means closed all day."""

    start_hour: int = 0
    start_minute: int = 0
    end_hour: int = 23
    end_minute: int = 59

    @property
    def is_closed(self) -> bool:
        """Whether nobody passes on this day."""
        return self[:2] > self[2:]


CLOSED: Final = DaySpan(23, 57, 23, 56)
OPEN: Final = DaySpan()


@dataclass(frozen=True, slots=True)
class AccessZone:
    """A week of opening times."""

    index: int
    """1 to 50."""
    days: tuple[DaySpan, ...]
    """Sunday to Saturday."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What a terminal answers. Raises ProtocolViolation."""
        index, *spans = _unpack(_ZONE_READ, data, "a time zone")
        return cls(index, _days(spans))

    def encode(self) -> bytes:
        """What a terminal answers, two trailing bytes included."""
        return _pack(_ZONE_READ, self._checked(), *sum(self.days, ())) + bytes(2)

    @classmethod
    def decode_request(cls, data: bytes) -> Self:
        """What a client writes. Raises ProtocolViolation."""
        index, *spans = _unpack(_ZONE_WRITE, data, "a time zone")
        return cls(index, _days(spans))

    def request(self) -> bytes:
        """What a client writes. Raises ValueError."""
        return _pack(_ZONE_WRITE, self._checked(), *sum(self.days, ()))

    def _checked(self) -> int:
        if self.index not in ZONES or len(self.days) != 7:
            raise ValueError(f"expected time zone 1 to 50 of 7 days, got {self.index} of {len(self.days)}")
        if any(span[place] not in range((24, 60)[place % 2]) for span in self.days for place in range(4)):
            raise ValueError(f"expected hours below 24 and minutes below 60, got {self.days}")
        return self.index


@dataclass(frozen=True, slots=True)
class AccessGroup:
    """What the users of a group share."""

    group: int
    """1 to 99."""
    zones: tuple[int, int, int]
    verify_mode: int = 0
    has_holidays: bool = False

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises ProtocolViolation."""
        group, first, second, third, mode = _unpack(_GROUP, data, "a group")
        return cls(group, (first, second, third), mode & ~_HOLIDAYS, bool(mode & _HOLIDAYS))

    def encode(self) -> bytes:
        """Raises ValueError."""
        if self.group not in GROUPS or not 0 <= self.verify_mode < _HOLIDAYS:
            raise ValueError(f"expected group 1 to 99 with a verify mode below 128, got {self}")
        return _pack(_GROUP, self.group, *self.zones, self.verify_mode | _HOLIDAYS * self.has_holidays)


@dataclass(frozen=True, slots=True)
class UnlockCombination:
    """Groups of which one person each has to verify before the door opens."""

    number: int
    """1 to 10."""
    groups: tuple[int, ...]
    """Five at most."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises ProtocolViolation."""
        number, *groups, count = _unpack(_COMBINATION, data, "an unlock combination")
        if count > len(groups):
            raise ProtocolViolation(f"expected at most 5 groups in an unlock combination, got {count}")
        return cls(number, tuple(groups[:count]))

    def encode(self) -> bytes:
        """Raises ValueError."""
        if self.number not in COMBINATIONS or len(self.groups) > 5:
            raise ValueError(f"expected combination 1 to 10 of at most 5 groups, got {self}")
        return _pack(_COMBINATION, self.number, *(*self.groups, 0, 0, 0, 0, 0)[:5], len(self.groups))


@dataclass(frozen=True, slots=True)
class UserZones:
    """The opening times of one user."""

    own: bool
    """False: the group's times count, whatever stands here."""
    zones: tuple[int, int, int]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What a terminal answers. Raises ProtocolViolation."""
        of_group, first, second, third = _unpack(_USER_ZONES_READ, data, "a user's time zones")
        return cls(of_group != 1, (first, second, third))

    def encode(self) -> bytes:
        """What a terminal answers; its flag has the opposite sense of the one that clients write."""
        return _pack(_USER_ZONES_READ, int(not self.own), *self.zones)

    @classmethod
    def decode_request(cls, data: bytes) -> tuple[int, Self]:
        """uid and times as a client writes them. Raises ProtocolViolation."""
        uid, own, first, second, third = _unpack(_USER_ZONES_WRITE, data, "a user's time zones")
        return uid, cls(own == 1, (first, second, third))

    def request(self, uid: int) -> bytes:
        """What a client writes. Raises ValueError."""
        if any(not 0 <= zone <= 0xFFFF for zone in self.zones):
            raise ValueError(f"expected time zones up to 65535, got {self.zones}")
        return _pack(_USER_ZONES_WRITE, uid, int(self.own), *self.zones)


def encode_verify_mode(uid: int, mode: int) -> bytes:
    """How a user has to verify. Raises ValueError for a mode that is not in VERIFY_MODES."""
    if mode not in VERIFY_MODES:
        raise ValueError(f"expected a verify mode out of {', '.join(map(str, VERIFY_MODES))}, got {mode}")
    return _pack(_MODE, uid, mode)


def decode_verify_mode(data: bytes) -> tuple[int, int]:
    """uid and mode. Raises ProtocolViolation."""
    uid, mode = _unpack(Struct("<HB"), data, "a verify mode")
    return uid, mode


def _days(spans: list[int]) -> tuple[DaySpan, ...]:
    return tuple(DaySpan(*spans[start : start + 4]) for start in range(0, 28, 4))


def _unpack(form: Struct, data: bytes, what: str) -> list[int]:
    if len(data) < form.size:
        raise ProtocolViolation(f"expected {form.size} bytes of {what}, got {len(data)}; report model and firmware")
    return list(form.unpack_from(data))


def _pack(form: Struct, *values: int) -> bytes:
    try:
        return form.pack(*values)
    except error as problem:
        raise ValueError(f"expected numbers that fit, got {values}: {problem}") from None
