"""What needs a person, most urgent first: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from biometric_flow.api.gateway import Attention, PlaceView, TerminalStatus
from biometric_flow.api.place import Severity
from biometric_flow.gateway.pathless import pathless
from biometric_flow.model.terminal import TerminalState

DRIFT_MS: Final = 60_000
"""A clock that is further off than this writes punches into the wrong minute."""

_OWN_LINES: Final = ("clock_drift", "quarantine", "no_comm_key")
"""Findings that are told from the numbers themselves, in the words below."""


@dataclass(frozen=True, slots=True)
class RefusedNote:
    """A checkpoint that was signed by a place and not cosigned."""

    place: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WitnessWord:
    """A witness outside that refuses the gateway's own log, or has not been reached for too long."""

    name: str
    failure: str
    is_refusal: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class BackupWord:
    """What is wrong with the backups of a place, or of the gateway, which is no place."""

    place: str
    name: str
    text: str
    since: datetime | None


def attention(
    known: Sequence[PlaceView],
    reported: Sequence[TerminalStatus],
    refused: Sequence[RefusedNote] = (),
    witnesses: Sequence[WitnessWord] = (),
    backups: Sequence[BackupWord] = (),
) -> list[Attention]:
    """Findings about places and their terminals. Of a silent place only the silence is said: the rest is old."""
    names = {place.id: place.name for place in known}
    speaking = [
        terminal
        for terminal in reported
        if terminal.is_enabled and any(place.id == terminal.place and place.is_reporting for place in known)
    ]
    found = [
        *(_contradiction(one, names[one.place]) for one in refused if one.place in names),
        *(_witness(one) for one in witnesses if one.is_refusal),
        *(_silent(place) for place in known if not place.is_reporting),
        *(_backup(one) for one in backups),
        *(_blocked(one, names[one.place]) for one in speaking if one.state is TerminalState.BLOCKED),
        *(_offline(one, names[one.place]) for one in speaking if one.state is TerminalState.OFFLINE),
        *_found(speaking, names, "alarm"),
        *(_drifting(one, names[one.place]) for one in speaking if abs(one.drift_ms or 0) > DRIFT_MS),
        *(_quarantine(one, names[one.place]) for one in speaking if one.counters.quarantined),
        *(_witness(one) for one in witnesses if not one.is_refusal),
        *_found(speaking, names, "warning"),
        *_no_key([one for one in speaking if not one.has_comm_key and one.last_contact is not None], names),
    ]
    return [line.model_copy(update={"text": pathless(line.text)}) for line in found]


def _contradiction(refused: RefusedNote, place: str) -> Attention:
    text = f"A checkpoint of {place} contradicts what the gateway holds: {refused.reason}. Keep both sides as they are"
    return Attention(kind="checkpoint_refused", text=text, place=refused.place, since=refused.at)


def _witness(word: WitnessWord) -> Attention:
    if word.is_refusal:
        text = f"The witness {word.name} does not cosign this gateway's log: {word.failure}. Keep the database as it is"
        return Attention(kind="witness_refused", text=text, place="", since=word.since)
    text = f"The witness {word.name} was not reached for long: {word.failure or 'no attempt was made'}"
    return Attention(kind="witness_silent", text=text, place="", since=word.since)


def _backup(word: BackupWord) -> Attention:
    return Attention(kind="backup", text=f"Backups of {word.name}: {word.text}", place=word.place, since=word.since)


def _silent(place: PlaceView) -> Attention:
    text = f"{place.name} does not report; its numbers are left out of the totals"
    if place.last_report is None:
        text = f"{place.name} has never reported"
    return Attention(kind="place_silent", text=text, place=place.id, since=place.last_report)


def _blocked(terminal: TerminalStatus, place: str) -> Attention:
    text = f"{terminal.name} at {place} is blocked: {terminal.reason or 'it waits for an operator'}"
    return _of(terminal, "terminal_blocked", text)


def _offline(terminal: TerminalStatus, place: str) -> Attention:
    return _of(terminal, "terminal_offline", f"{terminal.name} at {place} is offline: {terminal.reason or 'no answer'}")


def _found(terminals: Sequence[TerminalStatus], names: dict[str, str], severity: Severity) -> list[Attention]:
    """What their place found wrong with terminals, besides what has a line of its own here."""
    return [
        Attention(
            kind="terminal_alarm" if severity == "alarm" else "terminal_finding",
            text=f"{one.name} at {names[one.place]}: {finding.text}",
            place=one.place,
            terminal=one.key,
            since=finding.since,
        )
        for one in terminals
        for finding in one.findings
        if finding.severity == severity and finding.code not in _OWN_LINES
    ]


def _drifting(terminal: TerminalStatus, place: str) -> Attention:
    seconds = round((terminal.drift_ms or 0) / 1000)
    way = "ahead" if seconds > 0 else "behind"
    text = f"The clock of {terminal.name} at {place} is {abs(seconds)} s {way}"
    return Attention(kind="clock_drift", text=text, place=terminal.place, terminal=terminal.key)


def _quarantine(terminal: TerminalStatus, place: str) -> Attention:
    count = terminal.counters.quarantined
    text = f"{count} rows of {terminal.name} at {place} could not become punches"
    return Attention(kind="quarantine", text=text, place=terminal.place, terminal=terminal.key)


def _no_key(open_terminals: Sequence[TerminalStatus], names: Mapping[str, str]) -> list[Attention]:
    """One line for all of them: it is one job, and it must not push more urgent lines off the page."""
    if not open_terminals:
        return []
    first = open_terminals[0]
    where = f"{first.name} at {names[first.place]}"
    if len(open_terminals) == 1:
        text = f"{where} has no communication key: anyone on its network can read and change it"
    else:
        rest = len(open_terminals) - 1
        text = f"{where} and {rest} more have no communication key: anyone on their network can read and change them"
    return [Attention(kind="no_comm_key", text=text, place=first.place, terminal=first.key)]


def _of(terminal: TerminalStatus, kind: Literal["terminal_blocked", "terminal_offline"], text: str) -> Attention:
    return Attention(kind=kind, text=text, place=terminal.place, terminal=terminal.key, since=terminal.state_since)
