"""Attendance lines: what terminals upload as ATTLOG and write to USB as attlog.dat (zk-push-protocol 5.1)."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.text import Lines, decode_text, pin_text, read_lines, value_text, whole_number
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime

_TIME: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}[ T]\d{1,2}:\d{1,2}:\d{1,2}")
_NUMBERS: Final = re.compile(r"\d+")
_OFFSET: Final = re.compile(r"[+-][0-9]{1,5}")
_NOT_MEASURED: Final = 255


@dataclass(frozen=True, slots=True)
class AttlogLine:
    """One uploaded punch: the row that the terminal's own log holds, and what only push tells beside it."""

    record: AttlogRecord
    """`uid` is 0; a work code that is no number is 0 here and stays readable in `extra`."""
    extra: tuple[str, ...] = ()
    """The columns from the fifth on, as they came: work code, two reserved, mask, temperatures, offset, JSON."""

    @property
    def mask(self) -> int | None:
        """Whether a mask was worn: 0 or 1, None when not measured or not told."""
        text = self._column(3)
        return int(text) if text in ("0", "1") else None

    @property
    def temperature(self) -> str:
        """As shown on the terminal, empty when not measured or not told."""
        text = self._column(4)
        return "" if text in ("", "0", str(_NOT_MEASURED)) else text

    @property
    def utc_offset(self) -> timedelta | None:
        """The terminal's own distance from UTC, told by the newest firmware only."""
        text = self._column(6)
        return timedelta(seconds=int(text)) if _OFFSET.fullmatch(text) and abs(int(text)) <= 64_800 else None

    @property
    def position(self) -> tuple[str, str] | None:
        """Longitude and latitude as text, None when not told (-1)."""
        try:
            told = json.loads(base64.b64decode(self._column(7), validate=True))["GPSInfo"]
            found = str(told["longitude"]), str(told["latitude"])
        except (binascii.Error, ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None
        return None if "-1" in found else found

    def line(self) -> str:
        """The ATTLOG line a terminal sends. Raises ValueError for values that cannot stand there."""
        return "\t".join((*_first_four(self.record), *(value_text(cell, "column") for cell in self.extra)))

    def _column(self, number: int) -> str:
        return self.extra[number].strip() if number < len(self.extra) else ""


def read_attlog(body: bytes) -> Lines[AttlogLine]:
    """The punches of an ATTLOG upload. Raises ProtocolViolation for a body beyond all bounds."""
    return read_lines(body, attlog_line)


def read_usb_attlog(body: bytes) -> Lines[AttlogLine]:
    """The punches of an attlog.dat from a USB stick, in the layout of today or the old one with names."""
    return read_lines(body.removeprefix(b"\xef\xbb\xbf"), usb_line)


def attlog_line(line: bytes) -> AttlogLine:
    """One line: PIN, local time, state, verify mode and up to eight more. Raises ProtocolViolation."""
    cells = _cells(line)
    if len(cells) < 4:
        raise ProtocolViolation(
            f"expected PIN, time, state and verify mode with tabs between, got {len(cells)} columns"
        )
    return _line(cells[0], cells[1], cells[2], cells[3], tuple(cells[4:16]), line)


def usb_line(line: bytes) -> AttlogLine:
    """One line of attlog.dat: PIN, [name,] local time, verify mode, state, work code. Raises ProtocolViolation."""
    cells = _cells(line)
    where = next((number for number in (1, 2) if number < len(cells) and _TIME.fullmatch(cells[number])), None)
    if where is None or len(cells) < where + 3:
        raise ProtocolViolation(
            "expected PIN, time, verify mode and state with tabs between, the name before the time in the old layout, "
            f"got {len(cells)} columns"
        )
    return _line(cells[0], cells[where], cells[where + 2], cells[where + 1], tuple(cells[where + 3 : where + 15]), line)


def encode_attlog(record: AttlogRecord, columns: int = 7) -> bytes:
    """A line with this many columns (4 to 10), as firmware of different years writes it. Raises ValueError."""
    tail = (str(record.work_code), "0", "0", str(_NOT_MEASURED), "0", "0")[: columns - 4]
    return "\t".join((*_first_four(record), *tail)).encode()


def encode_usb_line(record: AttlogRecord, name: str | None = None) -> bytes:
    """A line of attlog.dat; with a name, in the old layout. Raises ValueError."""
    pin, time, state, verify = _first_four(record)
    names = [] if name is None else [value_text(name, "name")]
    return "\t".join((pin.rjust(9), *names, time, verify, state, str(record.work_code), "0")).encode() + b"\r\n"


def read_time(text: str) -> TerminalTime:
    """A local time as `YYYY-MM-DD HH:MM:SS`; 31 February is kept. Raises ProtocolViolation."""
    if not _TIME.fullmatch(text) or not text.isascii():
        raise ProtocolViolation(f"expected a time as YYYY-MM-DD HH:MM:SS, got {text[:40]!r}")
    try:
        return TerminalTime.of(*map(int, _NUMBERS.findall(text)))
    except ValueError as problem:
        raise ProtocolViolation(str(problem)) from None


def _cells(line: bytes) -> list[str]:
    text = decode_text(line)
    if "\t" in text:
        return [cell.strip() for cell in text.split("\t")]
    words = text.split()
    if len(words) > 2:
        # Blanks between fields also stand inside the time, and inside a name before it.
        for number in range(1, min(len(words) - 1, 12)):
            time = f"{words[number]} {words[number + 1]}"
            if _TIME.fullmatch(time):
                name = [" ".join(words[1:number])] if number > 1 else []
                return [words[0], *name, time, *words[number + 2 :]]
    return words


def _first_four(record: AttlogRecord) -> tuple[str, str, str, str]:
    time = record.time.text().replace("T", " ")
    return value_text(record.user_id, "PIN"), time, str(record.state), str(record.verify)


def _line(pin: str, time: str, state: str, verify: str, extra: tuple[str, ...], raw: bytes) -> AttlogLine:
    work_code = extra[0] if extra else ""
    is_number = work_code.isascii() and work_code.isdigit() and len(work_code) <= 9
    record = AttlogRecord(
        uid=0,
        user_id=pin_text(pin),
        verify=whole_number(verify, "a verify mode", 65_535, 0),
        state=whole_number(state, "a punch state", 255, 255),
        time=read_time(time),
        work_code=int(work_code) if is_number else 0,
        raw=raw,
    )
    return AttlogLine(record, extra)
