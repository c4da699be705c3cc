"""`biometric-flow terminal info|users|attendance|templates|time|watch|options|...`: asking a terminal."""

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from biometric_flow.commands.connection import connected
from biometric_flow.commands.screen import Screen, as_json
from biometric_flow.commands.shapes import (
    FLAGS,
    event_fields,
    event_line,
    family_fields,
    name_of,
    punch_fields,
    punch_row,
    refusal_fields,
    user_fields,
    user_row,
)
from biometric_flow.commands.text import shown
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.zk.doctor.family import description_of
from biometric_flow.zk.errors import TerminalRefused
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.events import Event
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.rows import RejectedRow

DONE: Final = 0
NOT_THERE: Final = 1

USUAL_OPTIONS: Final = (
    "~SerialNumber", "~DeviceName", "~Platform", "~OS", "~OEMVendor", "~ProductTime", "~ZKFPVersion", "ZKFaceVersion",
    "~PIN2Width", "FaceFunOn", "FingerFunOn", "~RFCardOn", "~IsOnlyRFMachine", "WorkCode", "Language", "MAC",
    "IPAddress", "NetMask", "GATEIPAddress", "DeviceID", "TCPPort", "UDPPort", "LockOn", "AntiPassbackOn", "VoiceOn",
    "VOLUME", "IdleMinute", "AlarmAttLog", "AlarmOpLog", "AlarmReRec", "SDKBuild",
)  # fmt: skip
"""Asked for when no name is given (zk-protocol 9)."""

_TICK: Final = 30.0
"""A connection may be dead and look quiet: ask for the time this often while watching."""


async def info(given: argparse.Namespace, screen: Screen) -> int:
    """What the terminal says about itself."""
    async with connected(given, screen) as terminal:
        told = await terminal.info()
        room = Capacity()
        with contextlib.suppress(TerminalRefused):
            room = await terminal.capacity()
        described = await description_of(terminal, told, room)
        asked, over = terminal.asked_for_comm_key, terminal.transport
    if screen.as_json:
        more = {"family": family_fields(described), "asked_for_comm_key": asked, "transport": over}
        screen.document({**asdict(told), **more})
        return DONE
    facts = {name.replace("_", " "): value or "-" for name, value in asdict(told).items()}
    facts["family"] = described.family.title if described.family else "unknown"
    facts["credentials"] = ", ".join(sorted(described.credentials)) or "-"
    facts["reached over"] = over.upper()
    screen.facts({**facts, "comm key": "asked for" if asked else "none: whoever reaches it gets in"})
    return DONE


async def capacity(given: argparse.Namespace, screen: Screen) -> int:
    """How much it holds and could hold."""
    async with connected(given, screen) as terminal:
        block = await terminal.capacity()
    if screen.as_json:
        screen.document(asdict(block))
        return DONE
    held = (
        ("users", block.users, block.users_capacity),
        ("fingerprints", block.fingers, block.fingers_capacity),
        ("faces", block.faces, block.faces_capacity),
        ("attendance", block.attlog_rows, block.attlog_capacity),
        ("operations", block.oplog_rows, 0),
        ("administrators", block.admins, 0),
        ("passwords", block.passwords, 0),
    )
    rows = [(name, str(has), str(most or "-"), f"{has / most:.0%}" if most else "-") for name, has, most in held]
    screen.table(("", "HELD", "CAPACITY", "FULL"), rows, right=(1, 2, 3))
    return DONE


async def users(given: argparse.Namespace, screen: Screen) -> int:
    """Everybody it knows; passwords are told as there or not."""
    async with connected(given, screen) as terminal:
        with screen.progress("reading users") as terminal.progress:
            listed = await terminal.users()
    layout = listed.layout.name if listed.layout else None
    if screen.as_json:
        head = {"layout": layout, "rejected": [refusal_fields(row) for row in listed.rejected]}
        screen.long_document(head, "users", map(user_fields, listed.records))
    else:
        screen.table(("PIN", "UID", "PRIVILEGE", "CARD", "GROUP", "PASSWORD", "NAME"), map(user_row, listed.records))
        _tell_rejected(screen, listed.rejected)
    return DONE


async def attendance(given: argparse.Namespace, screen: Screen) -> int:
    """The attendance log in the order of the terminal."""
    async with connected(given, screen) as terminal:
        with screen.progress("reading attendance") as terminal.progress:
            log = await terminal.attendance(layout=given.layout)
    rows: Sequence[AttlogRecord] = log.records
    if given.last is not None:
        rows = rows[max(0, len(rows) - given.last) :]
    layout = log.layout.name if log.layout else None
    if screen.as_json:
        head = {"layout": layout, "announced": log.announced, "rejected": [refusal_fields(row) for row in log.rejected]}
        screen.long_document(head, "rows", map(punch_fields, rows))
    else:
        screen.table(("TIME", "PIN", "UID", "STATE", "VERIFY", "WORK CODE"), map(punch_row, rows), right=(2,))
        _tell_rejected(screen, log.rejected)
    return DONE


async def templates(given: argparse.Namespace, screen: Screen) -> int:
    """Whose fingers it knows; the templates themselves are never shown."""
    async with connected(given, screen) as terminal:
        with screen.progress("reading fingerprint templates") as terminal.progress:
            listed = await terminal.templates()
    if screen.as_json:
        rows = [
            {"uid": one.uid, "finger": one.finger, "flag": one.flag, "version": one.version, "bytes": len(one.data)}
            for one in listed.records
        ]
        screen.document({"rejected": [refusal_fields(row) for row in listed.rejected], "templates": rows})
        return DONE
    screen.table(
        ("UID", "FINGER", "KIND", "VERSION", "BYTES"),
        [
            (str(one.uid), str(one.finger), name_of(FLAGS, one.flag), str(one.version), str(len(one.data)))
            for one in listed.records
        ],
        right=(0, 1, 3, 4),
    )
    _tell_rejected(screen, listed.rejected)
    return DONE


async def operations(given: argparse.Namespace, screen: Screen) -> int:
    """What was done at the terminal: its operation log."""
    async with connected(given, screen) as terminal:
        with screen.progress("reading operations") as terminal.progress:
            log = await terminal.operations()
    if screen.as_json:
        rows = (
            {"time": row.time.text(), "operation": row.operation, "title": row.title, "admin": row.admin,
             "values": row.values}
            for row in log.records
        )  # fmt: skip
        screen.long_document({"rejected": [refusal_fields(row) for row in log.rejected]}, "operations", rows)
        return DONE
    screen.table(
        ("TIME", "BY UID", "VALUES", "WHAT"),
        ((row.time.text(), str(row.admin or "-"), " ".join(map(str, row.values)), row.title) for row in log.records),
        right=(1,),
    )
    _tell_rejected(screen, log.rejected)
    return DONE


async def time(given: argparse.Namespace, screen: Screen) -> int:
    """Its clock, and how far it is off; with --set it is put right first."""
    async with connected(given, screen) as terminal:
        if given.set:
            await terminal.set_time(local_now(given.zone))
        shows = await terminal.time()
        now = local_now(given.zone)
    drift = round((shows.to_datetime() - now).total_seconds()) if shows.is_possible else None
    if screen.as_json:
        screen.document({"time": shows.text(), "drift_seconds": drift, "zone": str(given.zone or "local")})
        return DONE
    off = "not a day of the calendar" if drift is None else f"{drift:+} s" if drift else "exact to the second"
    screen.facts({"terminal": shows.text(), f"{given.zone or 'here'}": now.strftime("%Y-%m-%dT%H:%M:%S"), "drift": off})
    return DONE


async def options(given: argparse.Namespace, screen: Screen) -> int:
    """Options by name, the usual ones without a name; those to set are written first and read back."""
    named = [*(name for name, _ in given.set), *given.get]
    async with connected(given, screen) as terminal:
        for name, value in given.set:
            await terminal.set_option(name, value)
        told = {name: await terminal.option(name) for name in named or USUAL_OPTIONS}
    values = {name: value for name, value in told.items() if value is not None}
    if screen.as_json:
        screen.document(told if named else values)
    else:
        screen.facts(values)
    if named and len(values) < len(told):
        missing = next(name for name in told if name not in values)
        screen.note(f"biometric-flow: expected option {shown(missing)}, this terminal has none of that name")
        return NOT_THERE
    return DONE


async def watch(given: argparse.Namespace, screen: Screen) -> int:
    """Realtime events as they come, one line each (with --json one document each), until Ctrl-C or --count events."""
    async with connected(given, screen) as terminal:
        await terminal.listen()
        if screen.is_watched:
            screen.note("listening; Ctrl-C ends")
        seen = 0
        while given.count is None or seen < given.count:
            event = await _next(terminal)
            screen.say(as_json(event_fields(event)) if screen.as_json else event_line(event))
            screen.flush()
            seen += 1
    return DONE


def local_now(zone: ZoneInfo | None) -> datetime:
    """The naive local time in a zone, of this machine without one."""
    return SystemClock().now().astimezone(zone).replace(tzinfo=None, microsecond=0)


async def _next(terminal: Terminal) -> Event:
    while (event := await terminal.next_event(_TICK)) is None:
        await terminal.time()
    return event


def _tell_rejected(screen: Screen, rejected: Sequence[RejectedRow]) -> None:
    if rejected:
        screen.note(f"warning: {len(rejected)} rows could not be read; the first: {shown(rejected[0].reason)}")
