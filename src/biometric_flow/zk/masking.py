"""Taking people out of recorded traffic: sizes and structure stay; names, PINs, keys, cards and templates go."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.commands import Command, EventMask
from biometric_flow.zk.wire.events import AttendanceEvent, decode_event, encode_attendance
from biometric_flow.zk.wire.layouts import attlog_guesses
from biometric_flow.zk.wire.options import decode_text
from biometric_flow.zk.wire.records import AttlogLayout
from biometric_flow.zk.wire.users import UserLayout

Layouts = Mapping[int, AttlogLayout | UserLayout]
"""How the rows of READ_USERS and READ_ATTLOG are stored, where that is certain."""

FILL: Final = 0xA5
"""Stands for a byte of which nothing may be known."""

_SURE: Final = 0.9
"""Share of plausible rows from which a layout is believed; below, no field is known and none is kept."""
_TIMEZONE_MAX: Final = 50
_NUMBER_MAX: Final = 0xFFFF_FFFF
"""Some layouts store a user id of ten digits as a u32."""
_KEPT_OPTIONS: Final = frozenset(
    {
        "devicename", "platform", "oemvendor", "os", "zkfpversion", "zkfaceversion", "pin2width", "facefunon",
        "fingerfunon", "workcode", "sdkbuild", "rfcardon", "biometrictype", "pvfunon", "irisfunon",
        "isonlyrfmachine", "extendfmt", "userextfmt", "ssr",
    }
)  # fmt: skip


def _veil_table() -> bytes:
    table = bytearray(0x01 if code < 0x80 else 0xB0 for code in range(256))
    table[0x20:0x7F] = b"x" * 95
    table[0x30:0x3A] = b"0" * 10
    table[0x00], table[0x20], table[0xFF] = 0x00, 0x20, 0xFF
    return bytes(table)


_VEIL: Final = _veil_table()


class Mask:
    """One recording's mask: the same person has the same stand-in everywhere in it, and another in the next one."""

    def __init__(self, layouts: Layouts, dice: random.Random | None = None) -> None:
        self._layouts = layouts
        self._dice = dice or random.SystemRandom()
        self._pins: dict[str, str] = {}
        self._uids: dict[int, int] = {}
        self._taken: set[int] = set()
        """Stand-ins in use; those of uids below zero."""

    def rows(self, command: int, rows: bytes) -> bytes:
        """The rows of a bulk answer, of any length; the part of a row at the end is veiled."""
        layout = self._layouts.get(command)
        if isinstance(layout, UserLayout):
            return _each(rows, layout.size, partial(self._user_row, layout=layout))
        if layout and _share(rows, layout) >= _SURE:
            return _each(rows, layout.size, partial(self._attlog_row, layout=layout))
        return veil(rows) if command in (Command.READ_USERS, Command.READ_ATTLOG) else filled(rows)

    def event(self, code: int, data: bytes) -> bytes:
        """The data of a realtime event."""
        event = decode_event(code, data) if code == EventMask.ATTLOG else None
        if not isinstance(event, AttendanceEvent):
            return filled(data)
        try:
            return encode_attendance(
                replace(event, uid=self._uid(event.uid), user_id=self._pin(event.user_id)), len(data)
            )
        except ValueError:
            return filled(data)

    def _attlog_row(self, row: bytes, layout: AttlogLayout) -> bytes | None:
        if layout.unreadable(row) or _share(row, layout) < _SURE:
            return None
        (record,) = layout.decode(row)
        masked = layout.encode(record._replace(uid=self._uid(record.uid), user_id=self._pin(record.user_id)))
        known = layout.size - len(layout.tail)
        return masked[:known] + veil(row[known:])

    def _user_row(self, row: bytes, layout: UserLayout) -> bytes | None:
        try:
            user = layout.decode(row)
        except ProtocolViolation:
            return None
        if not user.user_id or not user.uid or user.privilege > 0x0F or max(user.timezones) > _TIMEZONE_MAX:
            return None
        masked = layout.encode(
            replace(
                user,
                uid=self._uid(user.uid),
                user_id=self._pin(user.user_id),
                name="",
                password="*" * (5 if user.password else 0),
                card=0 if user.card == 0 else 1 if user.card < 1 << 31 else 0xFFFF_FFFF,
            )
        )
        start, end = (11, 35) if layout.size == 72 else (8, 16)
        return masked[:start] + veiled_text(row[start:end]) + masked[end:]

    def _pin(self, pin: str) -> str:
        """A stand-in of the same length, digits for digits."""
        if pin in ("", "0"):
            return pin
        if pin not in self._pins:
            size = len(pin.encode())
            low, high = 10 ** (size - 1), min(10**size - 1, _NUMBER_MAX if size == 10 else 10**size)
            self._pins[pin] = str(self._untaken(low, high))
        return self._pins[pin]

    def _uid(self, uid: int) -> int:
        if uid == 0:
            return 0
        if uid not in self._uids:
            self._uids[uid] = self._untaken(-0xFFFF, -1) * -1
        return self._uids[uid]

    def _untaken(self, low: int, high: int) -> int:
        """A number that stands for nobody yet, as long as there are any."""
        number = self._dice.randint(low, high)
        for _ in range(min(len(self._taken), high - low)):
            if number not in self._taken:
                break
            number = number + 1 if number < high else low
        self._taken.add(number)
        return number


def veil(data: bytes) -> bytes:
    """What kind of byte stands where, and no more: zeros, 0xFF, digits, other text, anything else."""
    return data.translate(_VEIL)


def veiled_text(raw: bytes) -> bytes:
    """A name whose characters take as many bytes as before; what follows its NUL is veiled."""
    text, nul, rest = raw.partition(b"\0")
    try:
        letters = text.decode("utf-8")
    except UnicodeDecodeError:
        return veil(raw)
    stand_ins = {2: "é", 3: "中", 4: "😀"}
    masked = "".join(stand_ins.get(len(letter.encode()), "") or veil(letter.encode()).decode() for letter in letters)
    return masked.encode() + nul + veil(rest)


def filled(data: bytes) -> bytes:
    """Nothing but the size."""
    return bytes((FILL,)) * len(data)


def masked_option(answer: bytes) -> bytes:
    """An option as the terminal told it; its value only where that says nothing about whose terminal it is."""
    try:
        name, equals, value = decode_text(answer).partition("=")
    except ProtocolViolation:
        return filled(answer)
    if not equals:
        return veil(answer)
    plain = name.strip().lstrip("~").lower()
    if plain == "serialnumber":
        value = "".join("0" if c.isdigit() else "X" if c.isalpha() and c.isascii() else c for c in value)
    elif plain == "mac":
        value = value[:8] + veil(value[8:].encode()).decode().replace("x", "0")
    elif plain not in _KEPT_OPTIONS:
        value = veil(value.encode()).decode("latin-1")
    masked = f"{name}={value}".encode()
    return masked + answer[len(masked) :].translate(_VEIL)


def _share(rows: bytes, layout: AttlogLayout) -> float:
    """How many of the whole rows are plausible in this layout."""
    whole = rows[: len(rows) // layout.size * layout.size]
    return next((guess.score for guess in attlog_guesses(whole) if guess.layout is layout), 0.0)


def _each(rows: bytes, size: int, masked: Callable[[bytes], bytes | None]) -> bytes:
    """Every row masked; one that cannot be is veiled."""
    parts = []
    for start in range(0, len(rows), size):
        row = rows[start : start + size]
        parts.append((masked(row) if len(row) == size else None) or veil(row))
    return b"".join(parts)
