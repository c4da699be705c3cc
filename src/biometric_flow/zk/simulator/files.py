"""Files a simulated terminal starts from: people, a USB attendance log, a journal of its own punches."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord


class FileUnreadable(Exception):
    """A file is missing, unreadable or has a line that is not what it should be; the text names file and line."""


def read_users(path: Path) -> list[UserRecord]:
    """People from a UTF-8 file, one a line: `pin,name,card,privilege`, separated by commas or tabs.

    Name, card and privilege may be left out; a first line that starts with `pin` is a heading. Raises FileUnreadable.
    """
    lines = _lines(path)
    separator = "\t" if any("\t" in line for line in lines[:2]) else ","
    users = []
    for number, cells in enumerate(csv.reader(lines, delimiter=separator), 1):
        if not cells or (number == 1 and cells[0].strip().lower() == "pin"):
            continue
        pin, name, card, privilege = (*(cell.strip() for cell in cells[:4]), "", "", "")[:4]
        try:
            users.append(UserRecord(0, _pin(pin), name, int(privilege or 0), card=int(card or 0)))
        except ValueError as problem:
            raise FileUnreadable(f"{path} line {number}: expected pin,name,card,privilege; {problem}") from None
    return users


def read_attlog(path: Path) -> list[StoredPunch]:
    """Punches from a terminal's USB export: PIN, local time, verify mode, punch state, work code; tabs between.

    Raises FileUnreadable.
    """
    punches = []
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            try:
                punches.append(parse_punch(line))
            except ValueError as problem:
                raise FileUnreadable(f"{path} line {number}: {problem}") from None
    return punches


def parse_punch(line: str) -> StoredPunch:
    """One line of a USB export or a journal. Raises ValueError."""
    cells = line.rstrip("\r\n").split("\t")
    if len(cells) < 5:
        raise ValueError(f"expected PIN, time, verify, state and work code with tabs between, got {line[:80]!r}")
    pin, time, verify, state, work_code = cells[:5]
    return StoredPunch(_pin(pin.strip()), TerminalTime.from_text(time), int(verify), int(state), int(work_code))


def format_punch(punch: StoredPunch) -> str:
    """The line of a punch."""
    time = punch.time.text().replace("T", " ")
    return f"{punch.pin}\t{time}\t{punch.verify}\t{punch.state}\t{punch.work_code}\n"


class Journal:
    """Punches made while running, written before anybody hears of them, so that a kill loses none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def open(self) -> Self:
        """Create or open the file; a torn last line of a killed run is cut off. Raises FileUnreadable."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            content = self._path.read_bytes()
            os.ftruncate(self._file, content.rfind(b"\n") + 1)
        except OSError as problem:
            raise FileUnreadable(f"{self._path}: expected a writable journal; {problem.strerror}") from problem
        return self

    def punches(self) -> Iterator[StoredPunch]:
        """What earlier runs wrote."""
        yield from read_attlog(self._path)

    def append(self, punch: StoredPunch) -> None:
        """Write one line, whole, to the operating system. Raises OSError."""
        os.write(self._file, format_punch(punch).encode())

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").split("\n")
    except OSError as problem:
        raise FileUnreadable(f"{path}: expected a readable file; {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise FileUnreadable(f"{path}: expected UTF-8 text; byte {problem.start} is not") from problem


def _pin(text: str) -> str:
    if not text or len(text.encode()) > 24 or not text.isprintable():
        raise ValueError(f"expected a PIN of 1 to 24 printable bytes, got {text[:40]!r}")
    return text
