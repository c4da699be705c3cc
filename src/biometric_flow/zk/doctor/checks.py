"""What a sample of a terminal's rows says about it: layouts with their alternatives, oddities (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.layouts import attlog_guesses
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttlogLayout, AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserLayout, UserRecord

BELIEVED: Final = 0.5
"""Plausible share from which a layout is used at all, as the client does."""
SURE: Final = 0.9

_SHOWN: Final = 3
_OTHER_ENCODINGS: Final = ("gbk", "big5", "cp1256", "cp1251", "cp874")
_SAMPLE: Final = 400


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a bulk answer, without its leading length."""

    head: bytes
    total: int
    """Bytes of all rows, as announced."""
    told: int
    """Bytes of all rows, as the length inside the answer says."""
    count: int
    """Rows, as the capacity block says; 0 says nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One layout against one sample."""

    name: str
    bytes_per_row: int
    rows: int | None
    """How many there would be; None when the size does not divide the answer."""
    fits_count: bool
    """Whether the capacity block says the same number."""
    plausible: float
    """Share of the sampled rows that make sense."""
    rows_shown: tuple[str, ...]
    """The first rows as this layout reads them, people masked."""

    @property
    def is_possible(self) -> bool:
        """Whether the client would take it."""
        return self.rows is not None and self.plausible + 0.5 * self.fits_count >= BELIEVED


def attendance_candidates(sample: Sample) -> list[Candidate]:
    """Every known layout, the likeliest first."""
    return _ranked([_attlog_candidate(layout, sample) for layout in ATTLOG_LAYOUTS.values()])


def user_candidates(sample: Sample, encoding: str) -> list[Candidate]:
    """Every known layout, the likeliest first."""
    return _ranked([_user_candidate(layout, sample, encoding) for layout in USER_LAYOUTS.values()])


def attendance_rows(sample: Sample, layout: AttlogLayout) -> tuple[list[AttlogRecord], int]:
    """The readable rows of a sample, and how many are not."""
    rows = _rows(sample.head, layout.size)
    good = b"".join(row for row in rows if layout.unreadable(row) is None)
    records = list(layout.decode(good))
    return records, len(rows) - len(records)


def other_encodings(sample: Sample, layout: UserLayout, encoding: str) -> list[str] | None:
    """Encodings in which all names can be read, when they cannot in this one; None when they can."""
    start, end = (11, 35) if layout.size == 72 else (8, 16)
    names = [row[start:end].split(b"\0", 1)[0] for row in _rows(sample.head, layout.size)]
    if _readable(names, encoding):
        return None
    return [other for other in ("utf-8", *_OTHER_ENCODINGS) if other != encoding and _readable(names, other)]


def impossible_times(records: Sequence[AttlogRecord], now: TerminalTime) -> tuple[int, int, int]:
    """How many rows have a day that no calendar knows, how many are of the year 2000, how many of tomorrow or later."""
    impossible = sum(not row.time.is_possible for row in records)
    unset = sum(row.time.year == 2000 for row in records)
    ahead = sum(row.time - now > 86_400 for row in records)
    return impossible, unset, ahead


def masked_digits(pin: str) -> str:
    """A person's number by its length only."""
    return "#" * len(pin) or "-"


def _attlog_candidate(layout: AttlogLayout, sample: Sample) -> Candidate:
    whole = sample.head[: len(sample.head) // layout.size * layout.size]
    share = next((guess.score for guess in attlog_guesses(whole) if guess.layout is layout), 0.0)
    records, _ = attendance_rows(Sample(whole[: _SHOWN * layout.size], 0, 0, 0), layout)
    return _candidate(layout.name, layout.size, sample, share, [_punch_text(row) for row in records])


def _user_candidate(layout: UserLayout, sample: Sample, encoding: str) -> Candidate:
    rows = _rows(sample.head, layout.size)[:_SAMPLE]
    users = [user for row in rows if (user := _user(layout, row, encoding))]
    good = sum(1 for user in users if user.uid and user.user_id not in ("", "0") and user.privilege < 16)
    shown = [_user_text(user) for user in users[:_SHOWN]]
    return _candidate(layout.name, layout.size, sample, good / len(rows) if rows else 0.0, shown)


def _candidate(name: str, size: int, sample: Sample, share: float, shown: list[str]) -> Candidate:
    count, rest = divmod(sample.total, size)
    return Candidate(name, size, None if rest else count, not rest and count == sample.count, share, tuple(shown))


def _ranked(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(
        candidates,
        key=lambda one: (one.rows is not None, one.plausible + 0.5 * one.fits_count),
        reverse=True,
    )


def _user(layout: UserLayout, row: bytes, encoding: str) -> UserRecord | None:
    try:
        return layout.decode(row, encoding)
    except ProtocolViolation:
        return None


def _punch_text(row: AttlogRecord) -> str:
    who = f"PIN {masked_digits(row.user_id)}" if row.user_id else "uid #"
    return f"{row.time.text()} {who} state {row.state} verify {row.verify}"


def _user_text(user: UserRecord) -> str:
    privilege = user.privilege >> 1 & 7
    return (
        f"PIN {masked_digits(user.user_id)} name of {len(user.name)} letters privilege {privilege} "
        f"card {'yes' if user.card else 'no'} password {'yes' if user.password else 'no'} group {user.group}"
    )


def _rows(head: bytes, size: int) -> list[bytes]:
    return [head[start : start + size] for start in range(0, len(head) - size + 1, size)]


def _readable(names: Sequence[bytes], encoding: str) -> bool:
    try:
        return all(name.decode(encoding).isprintable() for name in names)
    except UnicodeDecodeError:
        return False
