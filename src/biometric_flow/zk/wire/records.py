"""Attendance rows: every layout that terminals store them in (zk-protocol 4.2)."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import Final, NamedTuple, Self

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.wire.columns import AttlogColumns, suspicious_rows
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.rows import ROWS_MAX, Blob, RejectedRow, Rows, split_rows
from biometric_flow.zk.wire.timecode import TerminalTime

__all__ = ["ATTLOG_LAYOUTS", "AttendanceLog", "AttlogLayout", "AttlogRecord", "RejectedRow"]

PIN_BYTES: Final = 24
"""The widest user id on the wire."""

_KNOWN_PINS_MAX: Final = 20_000
_ASCII: Final = bytes(range(32, 127))
_BLOCK_ROWS: Final = 256


class AttlogRecord(NamedTuple):
    """One row of the attendance log, as read."""

    uid: int
    """The terminal's internal index, 0 where the layout has none; on several models a running number."""
    user_id: str
    """The person's number as text, empty where the layout has only the uid."""
    verify: int
    """How the person was recognised; the raw number, its meaning depends on the firmware."""
    state: int
    """The key pressed: 0 in, 1 out, 2 break out, 3 break in, 4 overtime in, 5 overtime out, 255 not used."""
    time: TerminalTime
    work_code: int
    raw: bytes


_new_record: Final = partial(tuple.__new__, AttlogRecord)


@dataclass(frozen=True, slots=True)
class AttlogLayout:
    """Where the fields of a row are. A new family is one more entry in `ATTLOG_LAYOUTS`."""

    name: str
    row: Struct
    order: tuple[str, ...]
    """The fields in the order of `row`; `pin` is text, `number` is a u32 that is the user id."""
    tail: bytes = b""
    """What terminals put in the bytes that nobody reads; only for encoding."""
    reserved: tuple[int, int] = (0, 0)
    """Start and end of bytes that have only been seen as zero; they help to tell layouts apart."""

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return self.row.size

    @property
    def has_user_id(self) -> bool:
        """Whether a row names the person; otherwise the uid has to be looked up among the users."""
        return self.order[0] != "uid" or "pin" in self.order

    def decode(self, blob: Blob, encoding: str = "utf-8") -> Iterator[AttlogRecord]:
        """The records in a blob of whole rows that are all readable; see `AttendanceLog.decode`."""
        texts = _PinTexts(encoding)
        step = _BLOCK_ROWS * self.size
        for start in range(0, len(blob), step):
            yield from self._decode_block(bytes(blob[start : start + step]), texts)

    def encode(self, record: AttlogRecord) -> bytes:
        """The row of a record; `raw` is not looked at. Raises ValueError when a field does not fit."""
        values = {**record._asdict(), "pin": record.user_id.encode(), "number": 0}
        if "pin" in self.order and len(values["pin"]) > PIN_BYTES:
            raise ValueError(f"expected a user id of at most {PIN_BYTES} bytes, got {len(values['pin'])}")
        if "number" in self.order:
            if not (record.user_id.isascii() and record.user_id.isdigit()):
                raise ValueError(f"expected a numeric user id for rows of {self.size} bytes, got {record.user_id!r}")
            values["number"] = int(record.user_id)
        try:
            row = self.row.pack(*(values[name] for name in self.order))
        except struct.error as problem:
            raise ValueError(f"expected a record that fits {self.size} bytes, got {record!r}: {problem}") from None
        return row[: len(row) - len(self.tail)] + self.tail

    def unreadable(self, row: bytes, encoding: str = "utf-8") -> str | None:
        """Why this row cannot be read, or None."""
        if len(row) != self.size:
            return f"expected a row of {self.size} bytes, got {len(row)}"
        if "pin" in self.order:
            return _unreadable_pin(row[2 : 2 + PIN_BYTES], encoding)
        return None

    def _decode_block(self, block: bytes, texts: "_PinTexts") -> Iterator[AttlogRecord]:
        # Column by column, one unpacking for the whole block: the loop over rows stays inside the interpreter's C code.
        count, width = len(block) // self.size, len(self.order)
        values = struct.unpack("<" + self.row.format[1:] * count, block)
        columns = {name: values[place::width] for place, name in enumerate(self.order)}
        none = [0] * count
        if "pin" in columns:
            user_ids: Iterable[str] = map(texts.__getitem__, columns["pin"])
        else:
            user_ids = map(str, columns["number"]) if "number" in columns else [""] * count
        fields = zip(
            columns.get("uid", none),
            user_ids,
            columns["verify"],
            columns["state"],
            map(TerminalTime, columns["time"]),
            columns.get("work_code", none),
            struct.unpack(f"{self.size}s" * count, block),
            strict=True,
        )
        return map(_new_record, fields)


@dataclass(frozen=True, slots=True)
class AttendanceLog:
    """The log of a terminal at one moment: all of it, or what is behind a mark."""

    records: Sequence[AttlogRecord]
    """Decoded when they are asked for; iterate once or keep a list."""
    rejected: Sequence[RejectedRow]
    layout: AttlogLayout | None
    """None when the log is empty."""
    announced: int = 0
    """How many rows the capacity block spoke of just before; a hint only."""
    skipped: int = 0
    """Rows before these that were not moved, because the caller has them."""
    continues: bool | None = None
    """Whether the mark that was given is in the log; None when none was."""
    mark: LogMark | None = None
    """Where the next read can begin."""

    def columns(self) -> AttlogColumns | None:
        """The readable rows as columns of arrays, without an object for each row; None when there are none."""
        if self.layout is None or not isinstance(self.records, Rows) or not len(self.records):
            return None
        return AttlogColumns.of(self.records.blob, self.layout.order, self.layout.row.format)

    @property
    def rows(self) -> int:
        """Rows that the terminal holds."""
        return self.skipped + len(self.records) + len(self.rejected)

    @classmethod
    def decode(cls, blob: Blob, layout: AttlogLayout, announced: int = 0, encoding: str = "utf-8") -> Self:
        """The rows in a blob, the unreadable ones apart. Raises ProtocolViolation for more than 500,000 rows."""
        if len(blob) > ROWS_MAX * layout.size:
            raise ProtocolViolation(
                f"expected at most {ROWS_MAX} rows, got {len(blob) // layout.size}; read and clear the log more often"
            )
        good, bad = split_rows(blob, layout.size, _row_judge(layout, encoding), _suspects(blob, layout, encoding))
        return cls(
            Rows(good, layout.size, lambda part: layout.decode(part, encoding)),
            Rows(bad, layout.size, lambda part: _rejections(layout, part, encoding)),
            layout,
            announced,
            mark=LogMark.behind(layout.name, layout.size, 0, blob),
        )


class _PinTexts(dict[bytes, str]):
    """Each user id is decoded once: a log of 100,000 rows names a few hundred people."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    def __missing__(self, pin: bytes) -> str:
        if len(self) > _KNOWN_PINS_MAX:
            self.clear()
        text = self[pin] = pin.split(b"\0", 1)[0].decode(self._encoding, "replace")
        return text


_TEXT: Final = ("uid", "pin", "verify", "time", "state", "work_code")
_NUMBER: Final = ("number", "time", "state", "verify", "work_code")
_UID: Final = ("uid", "verify", "time", "state")
_UID_MA300: Final = ("uid", "verify", "state", "time")

_UNUSED: Final = bytes.fromhex("000000ff000000")
_NOT_MEASURED: Final = bytes.fromhex("ff3235350000000000")
"""Mask flag and temperature of visible-light firmware that measured neither."""

ATTLOG_LAYOUTS: Final = {
    layout.name: layout
    for layout in (
        AttlogLayout("49", Struct("<H24sBIBB16x"), _TEXT, _UNUSED + _NOT_MEASURED),
        AttlogLayout("40", Struct("<H24sBIBB7x"), _TEXT, _UNUSED),
        AttlogLayout("16", Struct("<IIBB2xI"), _NUMBER, reserved=(10, 12)),
        AttlogLayout("8", Struct("<HBIB"), _UID),
        AttlogLayout("8-ma300", Struct("<HBBI"), _UID_MA300),
    )
}
"""By name; the name is what an operator pins for a terminal."""


def _unreadable_pin(pin: bytes, encoding: str) -> str | None:
    text = pin.split(b"\0", 1)[0]
    try:
        if text.decode(encoding).isprintable():
            return None
    except UnicodeDecodeError:
        pass
    return f"expected a user id of printable characters in {encoding}, got the bytes {text.hex()}"


def _row_judge(layout: AttlogLayout, encoding: str) -> Callable[[bytes], bool]:
    """Tells unreadable rows; each user id is judged once."""
    if "pin" not in layout.order:
        return lambda _row: False
    known: dict[bytes, bool] = {}

    def is_rejected(row: bytes) -> bool:
        pin = row[2 : 2 + PIN_BYTES]
        verdict = known.get(pin)
        if verdict is None:
            if len(known) > _KNOWN_PINS_MAX:
                known.clear()
            verdict = known[pin] = layout.unreadable(row, encoding) is not None
        return verdict

    return is_rejected


def _suspects(blob: Blob, layout: AttlogLayout, encoding: str) -> list[int] | None:
    """Rows that have to be judged one by one; None for all, where the encoding does not hold ASCII as it is."""
    if "pin" not in layout.order:
        return []
    if _ASCII.decode("ascii") != _ASCII.decode(encoding, "replace"):
        return None
    return suspicious_rows(blob, layout.size, 2, PIN_BYTES)


def _rejections(layout: AttlogLayout, blob: Blob, encoding: str) -> Iterator[RejectedRow]:
    for start in range(0, len(blob), layout.size):
        row = bytes(blob[start : start + layout.size])
        yield RejectedRow(row, layout.unreadable(row, encoding) or "not readable")
