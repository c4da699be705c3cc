"""The operation log: what was done at a terminal, in both field orders (zk-protocol 4.3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, error
from typing import Final, NamedTuple, Self

from biometric_flow.zk.errors import LayoutUnknown, ProtocolViolation
from biometric_flow.zk.wire.rows import ROWS_MAX, Blob, RejectedRow, Rows
from biometric_flow.zk.wire.timecode import TerminalTime

OPERATIONS: Final = (
    "start", "stop", "verification failed", "alarm", "menu entered", "setting changed", "finger enrolled",
    "password enrolled", "card enrolled", "user deleted", "finger deleted", "password deleted", "card deleted",
    "data cleared", "card created", "card enrolled to card", "card registered", "card registration deleted",
    "card emptied", "moved to card", "copied from card", "time set", "factory reset", "attendance deleted",
    "administrators cleared", "access group set", "user access set", "time zone set", "unlock combination set",
    "unlocked", "user enrolled",
)  # fmt: skip
"""By number, as far as published for this channel."""

_SAMPLE: Final = 200


class OperationRecord(NamedTuple):
    """One row of the operation log, as read."""

    admin: int
    """Who did it, by uid; 0 where the terminal does not tell."""
    operation: int
    time: TerminalTime
    values: tuple[int, int, int, int]
    """What it was about; often the uid concerned and the result."""
    raw: bytes

    @property
    def title(self) -> str:
        """What was done, in words."""
        known = self.operation < len(OPERATIONS)
        return OPERATIONS[self.operation] if known else f"operation {self.operation}"


@dataclass(frozen=True, slots=True)
class OplogLayout:
    """Where the fields of a row are."""

    name: str
    row: Struct

    def decode(self, blob: Blob) -> Iterator[OperationRecord]:
        """The records in a blob of whole rows."""
        size = self.row.size
        for start in range(0, len(blob), size):
            row = bytes(blob[start : start + size])
            admin, operation, time, *values = self.row.unpack(row)
            yield OperationRecord(
                admin, operation, TerminalTime(time), (values[0], values[1], values[2], values[3]), row
            )

    def encode(self, record: OperationRecord) -> bytes:
        """The row of a record; `raw` is not looked at. Raises ValueError when a field does not fit."""
        try:
            return self.row.pack(record.admin, record.operation, record.time, *record.values)
        except error as problem:
            raise ValueError(f"expected a record that fits 16 bytes, got {record!r}: {problem}") from None


OPLOG_LAYOUTS: Final = {
    layout.name: layout
    for layout in (OplogLayout("16", Struct("<HBxI4H")), OplogLayout("16-packed", Struct("<HBI4Hx")))
}
"""By name: with and without a byte between operation and time."""


@dataclass(frozen=True, slots=True)
class OperationLog:
    """The whole operation log at one moment."""

    records: Sequence[OperationRecord]
    rejected: Sequence[RejectedRow]
    """A torn last row, if there is one."""
    layout: OplogLayout | None

    @classmethod
    def decode(cls, blob: Blob, layout: OplogLayout) -> Self:
        """The rows in a blob. Raises ProtocolViolation for more than 500,000."""
        size = layout.row.size
        if len(blob) > ROWS_MAX * size:
            raise ProtocolViolation(f"expected at most {ROWS_MAX} operations, got {len(blob) // size}")
        whole = len(blob) - len(blob) % size
        torn = bytes(blob[whole:])
        rejected = [RejectedRow(torn, f"expected a row of {size} bytes, got {len(torn)}")] if torn else []
        return cls(Rows(memoryview(blob)[:whole], size, layout.decode), rejected, layout)


def oplog_layout(blob: Blob) -> OplogLayout:
    """The layout of a non-empty log, by the plausibility of its times. Raises LayoutUnknown."""
    scored = [(_plausible_share(blob, layout), layout) for layout in OPLOG_LAYOUTS.values()]
    best, layout = max(scored, key=lambda pair: pair[0])
    if best <= 0.5:
        raise LayoutUnknown("expected operations with plausible times, got none in either field order; name the layout")
    return layout


def _plausible_share(blob: Blob, layout: OplogLayout) -> float:
    size = layout.row.size
    step = max(1, len(blob) // size // _SAMPLE) * size
    rows = [bytes(blob[start : start + size]) for start in range(0, len(blob) - size + 1, step)]
    times = [record.time for record in layout.decode(b"".join(rows))]
    return sum(1.0 if 2001 <= time.year < 2070 else 0.6 * (time.year == 2000) for time in times) / max(1, len(times))
