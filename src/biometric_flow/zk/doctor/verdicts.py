"""What the answers of a terminal mean, in plain words (pure)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from biometric_flow.zk.doctor.checks import (
    Candidate,
    Sample,
    attendance_rows,
    impossible_times,
    other_encodings,
)
from biometric_flow.zk.doctor.report import Finding, note, ok, problem, warning
from biometric_flow.zk.errors import (
    ZkError,
)
from biometric_flow.zk.families import Description
from biometric_flow.zk.terminal import TerminalInfo
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.connection import Oddities
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS

DRIFT_SECONDS: Final = 60
"""A clock that is off by more is worth a word."""
FULL: Final = 0.9

_STATES: Final = {1: "enrolling somebody", 2: "identifying somebody", 3: "in its menu", 4: "busy", 5: "writing a card"}

Findings = Iterator[Finding]


def failed(about: str, why: ZkError) -> Finding:
    """A question that was not answered."""
    return problem(f"{about}.{why.code.removeprefix('terminal.')}", f"asking for {about} failed: {why}")


def identity(told: TerminalInfo) -> Findings:
    """Who it says it is."""
    yield ok("identity.told", f"serial {told.serial}, {told.model or 'no model'}, {told.firmware or 'no version'}")


def state(number: int) -> Findings:
    """What it is doing."""
    if doing := _STATES.get(number):
        yield note("state.not_idle", f"it is {doing}; reads may be refused until it is idle")


def clock(time: TerminalTime, now: datetime) -> Findings:
    """How far its clock is off."""
    if not time.is_possible:
        yield problem("clock.impossible", f"its clock shows {time.text()}, a day that no calendar has; set it")
        return
    drift = drift_seconds(time, now)
    if time.year == 2000:
        yield problem("clock.unset", f"its clock shows {time.text()}: its battery is empty; replace it, set the clock")
    elif abs(drift) > DRIFT_SECONDS:
        way = "ahead" if drift > 0 else "behind"
        yield warning("clock.drift", f"its clock is {abs(drift)} s {way}; see that the zone is right, then set it")
    else:
        yield ok("clock.right", f"its clock is off by {drift:+} s")


def drift_seconds(time: TerminalTime, now: datetime) -> int:
    """Terminal time minus true time, of a possible time."""
    return round((time.to_datetime() - now).total_seconds())


def capacity(held: Capacity) -> Findings:
    """How full it is."""
    yield ok("capacity.told", f"{held.users} users, {held.fingers} fingerprints, {held.attlog_rows} punches")
    for name, has, most in (
        ("users", held.users, held.users_capacity),
        ("fingerprints", held.fingers, held.fingers_capacity),
        ("attendance", held.attlog_rows, held.attlog_capacity),
    ):
        if most and has >= FULL * most:
            yield warning(
                f"capacity.{name}", f"{has} of {most} {name} are in use; a full terminal refuses or forgets the next"
            )


def family(described: Description) -> Findings:
    """Which family it is of."""
    if described.family:
        yield ok("family.known", f"{described.text} (by {' and '.join(described.evidence)})")
    else:
        yield note("family.unknown", f"{described.text}; layouts are found from the data, please report this model")
    for doubt in described.doubts:
        yield warning("family.doubt", doubt)


def unusual(described: Description | None, users: Sequence[Candidate], punches: Sequence[Candidate]) -> Findings:
    """Layouts that its family does not have."""
    known = described.family if described else None
    if known is None:
        return
    for what, candidates, usual in (
        ("users", users, (known.user_layout,)),
        ("attendance", punches, known.attlog_layouts),
    ):
        if candidates and candidates[0].is_possible and candidates[0].name not in usual:
            yield warning(
                f"{what}.unusual",
                f"rows of {what} read as {candidates[0].name}, {known.title} has {' or '.join(usual)}: compare the "
                "samples, pin the layout if they are wrong",
            )


def users(sample: Sample | None, candidates: Sequence[Candidate], encoding: str) -> Findings:
    """How it stores people."""
    if sample is None:
        yield note("users.empty", "it knows nobody")
        return
    yield from _layout("users", sample, candidates)
    if candidates[0].is_possible:
        others = other_encodings(sample, USER_LAYOUTS[candidates[0].name], encoding)
        if others is not None:
            hint = f"they read as {', '.join(others)}; try --encoding" if others else "no encoding that we try fits"
            yield warning("users.encoding", f"names are not in {encoding}; {hint}")


def attendance(sample: Sample | None, candidates: Sequence[Candidate], now: datetime) -> Findings:
    """How it stores punches, and what is odd about them."""
    if sample is None:
        yield note("attendance.empty", "it holds no punch; terminals in access mode keep them in another log")
        return
    yield from _layout("attendance", sample, candidates)
    if not candidates[0].is_possible:
        return
    rows, unreadable = attendance_rows(sample, ATTLOG_LAYOUTS[candidates[0].name])
    impossible, unset, ahead = impossible_times(rows, TerminalTime.from_datetime(now))
    for code, count, text in (
        ("unreadable", unreadable, "cannot be read; they arrive apart, with their bytes"),
        ("impossible", impossible, "have a day that no calendar has; they go to quarantine"),
        ("unset_clock", unset, "are of the year 2000, when its clock battery was empty"),
        ("ahead", ahead, "are of tomorrow or later"),
    ):
        if count:
            yield warning(f"attendance.{code}", f"{count} of the first {len(rows) + unreadable} rows {text}")


def no_event(seconds: float) -> Finding:
    """Nobody was heard."""
    return warning(
        "events.none",
        f"no punch arrived within {seconds:g} s: nobody punched, or another client gets the events; the log still has "
        "every punch and is read in turn",
    )


def oddities(odd: Oddities) -> Findings:
    """What came that should not have come."""
    if odd.stale_replies:
        yield note("oddities.stale", f"{odd.stale_replies} answers came for questions long over; they were dropped")
    if odd.corrupt_events or odd.lost_events:
        yield warning("oddities.events", f"{odd.corrupt_events} events came corrupt, {odd.lost_events} were lost")


def _layout(what: str, sample: Sample, candidates: Sequence[Candidate]) -> Findings:
    """The layout that the client would take, and what speaks against it."""
    best, *others = candidates
    if sample.told != sample.total:
        yield warning(f"{what}.size", f"it announced {sample.total} bytes of {what}, inside it says {sample.told}")
    if not best.is_possible:
        yield problem(
            f"{what}.layout_unknown",
            f"{sample.total} bytes of {what} for {sample.count} rows fit no layout that we know; "
            "attach the capture to a bug report",
        )
        return
    yield ok(f"{what}.layout", f"rows of {what} are {best.bytes_per_row} bytes ({best.name}), {best.plausible:.0%} fit")
    if not best.fits_count:
        yield note(f"{what}.count", f"it says {sample.count} rows, its answer holds {best.rows}")
    rivals = [one for one in others if one.is_possible and one.fits_count >= best.fits_count]
    close = [one.name for one in rivals if one.plausible >= best.plausible - 0.1]
    if close:
        yield warning(
            f"{what}.ambiguous",
            f"rows of {what} read as {best.name} and as {' and '.join(close)}; compare the samples, pin the layout",
        )
