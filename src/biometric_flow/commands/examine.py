"""`biometric-flow terminal doctor|replay`: what is wrong with a terminal, and a recorded one to try things on."""

import argparse
import asyncio
import os
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from biometric_flow.commands.connection import UsageRefused, comm_key
from biometric_flow.commands.reads import local_now
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.shapes import family_fields
from biometric_flow.commands.text import shown
from biometric_flow.zk.capture import FILE_MAX, Capture, CaptureUnreadable
from biometric_flow.zk.doctor.checks import Candidate
from biometric_flow.zk.doctor.examination import examine
from biometric_flow.zk.doctor.report import Report, Severity
from biometric_flow.zk.simulator.replay import ReplayedTerminal

WELL, UNWELL, NOT_REACHED = 0, 1, 2

_TEXT_COLUMNS: Final = 90
_MARKS: Final = {Severity.OK: "ok", Severity.NOTE: "note", Severity.WARNING: "WARNING", Severity.PROBLEM: "PROBLEM"}


async def doctor(given: argparse.Namespace, screen: Screen) -> int:
    """Examine it: reach, key, family, layouts, clock, room, live events; what is wrong, and what to do."""
    key = comm_key(given)
    report = await examine(
        given.host,
        given.port,
        now=lambda: local_now(given.zone),
        comm_key=key,
        timeout=given.timeout,
        encoding=given.encoding,
        transport=given.transport,
        touch_seconds=given.touch,
        on_waiting=lambda: screen.note(f"now let somebody punch at the terminal, within {given.touch:g} s"),
    )
    if screen.as_json:
        screen.document(_document(report))
    else:
        _show(report, screen)
    if given.capture is not None:
        if not report.capture.exchanges:
            screen.note("nothing was said, so there is no capture to write")
        else:
            _write(given.capture, report.capture.to_text())
            screen.note(f"wrote {given.capture}: masked, nobody is named in it; attach it to a bug report")
    if not report.is_reached:
        return NOT_REACHED
    return UNWELL if report.severity == Severity.PROBLEM else WELL


async def replay(given: argparse.Namespace, screen: Screen) -> int:
    """Answer as a recorded terminal did, on this machine, until Ctrl-C."""
    try:
        with given.file.open(encoding="utf-8") as file:
            capture = Capture.from_text(file.read(FILE_MAX + 1))
    except OSError as problem:
        raise UsageRefused(f"cannot read {given.file}: {problem.strerror}") from None
    except (CaptureUnreadable, UnicodeDecodeError) as problem:
        raise UsageRefused(f"cannot replay {given.file}: {problem}") from None
    try:
        async with ReplayedTerminal(capture, port=given.port) as terminal:
            screen.say(f"replaying {given.file} on {terminal.host}:{terminal.port}")
            screen.flush()
            await asyncio.Event().wait()
    except OSError as problem:
        raise UsageRefused(f"cannot listen on port {given.port}: {problem.strerror}; choose another --port") from None
    return WELL


def _show(report: Report, screen: Screen) -> None:
    rows: list[tuple[str, ...]] = []
    for one in report.findings:
        first, *more = textwrap.wrap(one.text, _TEXT_COLUMNS)
        rows.append((_MARKS[one.severity], one.code, first))
        rows.extend(("", "", line) for line in more)
    screen.table(("", "CODE", "FINDING"), rows)
    for what, candidates in (("users", report.user_layouts), ("attendance", report.attendance_layouts)):
        if candidates:
            screen.say()
            screen.say(f"layouts of {what}, the likeliest first")
            screen.table(("LAYOUT", "BYTES", "ROWS", "COUNT", "PLAUSIBLE"), _layout_rows(candidates), right=(1, 2, 4))
            for candidate in candidates:
                if candidate.is_possible:
                    screen.say(f"as {candidate.name}:")
                    for row in candidate.rows_shown:
                        screen.say(f"  {shown(row)}")


def _layout_rows(candidates: Sequence[Candidate]) -> list[tuple[str, ...]]:
    return [
        (
            one.name,
            str(one.bytes_per_row),
            "no" if one.rows is None else str(one.rows),
            "fits" if one.fits_count else "-",
            f"{one.plausible:.0%}",
        )
        for one in candidates
    ]


def _document(report: Report) -> dict[str, object]:
    return {
        "host": report.host,
        "port": report.port,
        "transport": report.transport,
        "severity": report.severity,
        "is_reached": report.is_reached,
        "asked_for_comm_key": report.asked_for_comm_key,
        "findings": [asdict(one) for one in report.findings],
        "info": asdict(report.info) if report.info else None,
        "family": _family(report),
        "capacity": asdict(report.capacity) if report.capacity else None,
        "time": report.time.text() if report.time is not None else None,
        "drift_seconds": report.drift_seconds,
        "user_layouts": [asdict(one) for one in report.user_layouts],
        "attendance_layouts": [asdict(one) for one in report.attendance_layouts],
    }


def _family(report: Report) -> dict[str, object] | None:
    if report.description is None:
        return None
    return family_fields(report.description)


def _write(path: Path, text: str) -> None:
    """A new file that only its owner can read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise UsageRefused(f"cannot write {path}: {problem.strerror}; name a new file with --capture") from None
