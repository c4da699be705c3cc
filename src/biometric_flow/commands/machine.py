"""`biometric-flow terminal enrol|messages|work-codes|voice|lcd|clear|power-off|upload`: the machine itself."""

import argparse
import hashlib
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from biometric_flow.commands.access import uid_of
from biometric_flow.commands.connection import UsageRefused, connected
from biometric_flow.commands.reads import DONE, NOT_THERE, local_now
from biometric_flow.commands.screen import Screen, as_json
from biometric_flow.commands.shapes import event_fields, event_line
from biometric_flow.commands.text import shown
from biometric_flow.zk.errors import TerminalRefused
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.upkeep import Clearing
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import DataKind
from biometric_flow.zk.wire.events import Event
from biometric_flow.zk.wire.messages import PERSONAL, PUBLIC, ShortMessage
from biometric_flow.zk.wire.records import AttendanceLog
from biometric_flow.zk.wire.templates import PACKAGE_MAX
from biometric_flow.zk.wire.timecode import TerminalTime

CLEARED: Final = ("attendance", "operations", "fingerprints", "users", "access", "admins", "everything")
_WITH_PUNCHES: Final = ("attendance", "everything")


async def enrol(given: argparse.Namespace, screen: Screen) -> int:
    """Let somebody enrol a finger at the terminal, and tell how it goes."""

    def told(event: Event) -> None:
        screen.note(as_json(event_fields(event)) if screen.as_json else event_line(event).strip())

    async with connected(given, screen) as terminal:
        old = (await terminal.describe()).family
        screen.note(f"waiting {given.seconds:g} s for finger {given.finger} of PIN {shown(given.pin)}, three times")
        is_old = old is not None and old.has_numeric_pins
        ended = await terminal.enrol(given.pin, given.finger, old=is_old, deadline=given.seconds, told=told)
    words = {0: "enrolled", 4: "poor image", 5: "duplicate finger", 6: "cancelled"}
    done = words.get(ended.result, f"result {ended.result}")
    _say(screen, {"done": done, "pin": given.pin, "finger": given.finger, "bytes": ended.size})
    return DONE if ended.is_ok else NOT_THERE


async def messages(given: argparse.Namespace, screen: Screen) -> int:
    """Short messages: all of them; with flags one is written, deleted, given to a user or taken from them first."""
    async with connected(given, screen) as terminal:
        if given.write is not None:
            tag = PERSONAL if given.personal else PUBLIC
            start = TerminalTime.from_datetime(given.start or local_now(given.zone))
            await terminal.set_message(ShortMessage(given.write, given.text or "", start, given.minutes, tag))
        if given.delete is not None:
            await terminal.delete_message(given.delete)
        for change, link in ((terminal.give_message, given.give), (terminal.take_message, given.take)):
            if link is not None:
                uid = await uid_of(terminal, link[0])
                if uid is None:
                    screen.note(f"biometric-flow: expected somebody with PIN {shown(link[0])}, there is nobody of it")
                    return NOT_THERE
                await change(uid, link[1])
        listed, given_to = await terminal.messages(), await terminal.given_messages()
    rows = [
        {
            "id": one.id,
            "text": one.text,
            "start": one.start.text(),
            "minutes": one.minutes,
            "personal": one.tag == PERSONAL,
            "uids": [uid for uid, number in given_to if number == one.id],
        }
        for one in listed
    ]
    if screen.as_json:
        screen.document({"messages": rows})
    else:
        head = ("ID", "START", "MINUTES", "FOR", "TEXT")
        screen.table(head, [_message_row(row) for row in rows], right=(0, 2))
    return DONE


async def work_codes(given: argparse.Namespace, screen: Screen) -> int:
    """Work codes: how often each occurs in the attendance log; the terminal's own table only as bytes."""
    async with connected(given, screen) as terminal:
        with screen.progress("reading attendance") as terminal.progress:
            log = await terminal.attendance()
        try:
            table: bytes | None = await terminal.raw_table(DataKind.WORK_CODES)
        except TerminalRefused:
            table = None
    used = sorted(Counter(row.work_code for row in log.records if row.work_code).items())
    raw = None if table is None else table.hex()
    if screen.as_json:
        screen.document({"used": [{"work_code": code, "rows": rows} for code, rows in used], "table": raw})
        return DONE
    screen.table(("WORK CODE", "ROWS"), [(str(code), str(rows)) for code, rows in used], right=(0, 1))
    if table:
        screen.note(f"its table of names is {len(table)} bytes; its layout is not public, --json shows them")
    return DONE


async def voice(given: argparse.Namespace, screen: Screen) -> int:
    """Let it say something: 0 thank you, 1 wrong password, 2 access denied, 24 a beep."""
    async with connected(given, screen) as terminal:
        await terminal.play_voice(given.number)
    return _say(screen, {"done": "played", "number": given.number})


async def lcd(given: argparse.Namespace, screen: Screen) -> int:
    """Show a text on a line of its display, or clear the display."""
    async with connected(given, screen) as terminal:
        if given.text is None:
            await terminal.clear_lcd()
        else:
            await terminal.write_lcd(given.line, given.text)
    return _say(screen, {"done": "cleared" if given.text is None else "shown", "line": given.line})


async def power_off(given: argparse.Namespace, screen: Screen) -> int:
    """Switch it off; only somebody who stands there can switch it on again."""
    async with connected(given, screen) as terminal:
        acknowledged = await terminal.power_off()
    return _say(screen, {"done": "switched off", "acknowledged": acknowledged})


async def clear(given: argparse.Namespace, screen: Screen) -> int:
    """Destroy data of a terminal; says what, and demands its serial number. Punches are kept in a file first."""
    what: str = given.what
    if what in _WITH_PUNCHES and given.keep is None:
        raise UsageRefused(f"expected --keep FILE for its punches before {what} is cleared; nothing was done")
    async with connected(given, screen) as terminal:
        serial = (await terminal.info()).serial
        room = await terminal.capacity()
        _demand(given, screen, f"destroy {destroyed(what, room)} of {serial}", serial)
        rows = await _kept(terminal, given.keep, screen) if what in _WITH_PUNCHES else 0
        await _clear(terminal, what, rows)
        left = await terminal.capacity()
    return _say(screen, {"done": "cleared", "what": what, "serial": serial, "left": destroyed(what, left)})


async def upload(given: argparse.Namespace, screen: Screen) -> int:
    """Send a file as far as this channel can: into the terminal's buffer, with its checksum; then it says no."""
    try:
        with given.file.open("rb") as source:
            data = source.read(PACKAGE_MAX + 1)
    except OSError as problem:
        raise UsageRefused(f"cannot read {given.file}: {problem.strerror}") from None
    async with connected(given, screen) as terminal:
        with screen.progress("sending") as terminal.progress:
            staged = await terminal.stage_file(data)
        sha256 = hashlib.sha256(data).hexdigest()
        screen.note(f"{staged.size} bytes arrived whole twice, checksum {staged.checksum:08x}, SHA-256 {sha256}")
        await terminal.not_on_this_channel("files")


def destroyed(what: str, room: Capacity) -> str:
    """What clearing destroys, in words."""
    held = {
        "attendance": f"{room.attlog_rows} punches",
        "operations": f"{room.oplog_rows} operations",
        "fingerprints": f"{room.fingers} fingerprints",
        "users": f"{room.users} users with {room.fingers} fingerprints",
        "access": "all time zones, groups and unlock combinations",
        "admins": f"the rights of {room.admins} administrators",
    }
    held["everything"] = f"{held['users']}, {held['attendance']}, {held['operations']}"
    return held[what]


async def _clear(terminal: Terminal, what: str, rows: int) -> None:
    match what:
        case "attendance":
            await terminal.clear_attendance(rows)
        case "operations":
            await terminal.clear_operations()
        case "fingerprints":
            await terminal.clear_data(Clearing.FINGERPRINTS)
        case "users":
            await terminal.clear_data(Clearing.USERS)
        case "access":
            await terminal.clear_access()
        case "admins":
            await terminal.clear_admins()
        case "everything":
            await terminal.clear_everything(rows)


async def _kept(terminal: Terminal, file: Path, screen: Screen) -> int:
    """Its punches in a new file, on the disk; how many rows those are. Raises UsageRefused when one cannot be kept."""
    with screen.progress("reading attendance") as terminal.progress:
        log = await terminal.attendance()
    if log.rejected:
        raise UsageRefused(f"{len(log.rejected)} rows cannot be read and would be lost; nothing was cleared")
    pins = {user.uid: user.user_id for user in (await terminal.users()).records}
    text = "".join(_lines(log, pins))
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
    except OSError as problem:
        raise UsageRefused(f"cannot write {file}: {problem.strerror}; name a new file with --keep") from None
    screen.note(f"wrote {file}: {log.rows} punches, as `biometric-flow import` reads them")
    return log.rows


def _lines(log: AttendanceLog, pins: dict[int, str]) -> list[str]:
    lines = []
    for row in log.records:
        pin = row.user_id or pins.get(row.uid)
        if not pin or "\t" in pin:
            raise UsageRefused(f"the punch of uid {row.uid} belongs to nobody it knows; nothing was cleared")
        time = row.time.text().replace("T", " ")
        lines.append(f"{pin}\t{time}\t{row.verify}\t{row.state}\t{row.work_code}\n")
    return lines


def _demand(given: argparse.Namespace, screen: Screen, what: str, serial: str) -> None:
    """Go on only with the serial number, given or typed."""
    if given.confirm is not None:
        typed = given.confirm
    elif sys.stdin.isatty() and screen.is_watched:
        screen.note(f"this will {what}; type its serial number to go on:")
        typed = sys.stdin.readline().strip()
    else:
        raise UsageRefused(
            f"expected --confirm SERIAL, or a person to type it, before it would {what}; nothing was done"
        )
    if typed != serial:
        raise UsageRefused(f"expected its serial number {serial}, got another; nothing was done")


def _message_row(row: dict[str, object]) -> tuple[str, ...]:
    uids = row["uids"]
    whom = " ".join(f"uid {uid}" for uid in uids) if isinstance(uids, list) and uids else "-"
    return (
        str(row["id"]),
        str(row["start"]),
        str(row["minutes"] or "for ever"),
        whom if row["personal"] else "everybody",
        str(row["text"]),
    )


def _say(screen: Screen, facts: dict[str, object]) -> int:
    if screen.as_json:
        screen.document(facts)
    else:
        done, *more = facts.items()
        screen.say(", ".join([str(done[1]), *(f"{name} {shown(str(value))}" for name, value in more)]))
    return DONE
