"""Sentences that the gateway and places compose in English, said in the reader's language.

They are recognised by their form, so the API stays plain text for everybody else; others are shown as they came.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from biometric_flow.dashboard.look import ENGLISH, look
from biometric_flow.dashboard.views.statuses import IRREGULARITIES, STATUSES
from biometric_flow.dashboard.words import _, day_text, noted

SENTENCES: Final = (
    noted("{sentence} [rule {rule}]"),
    noted("The terminal's clock was wrong: punch {about} at {before} was really at {after}."),
    noted("Punch {about} was made at a door of one direction, so key {before} counts as {after}."),
    noted("Approved correction {about} added a punch at {after}."),
    noted("Punch {about} at {before} was voided by an approved correction."),
    noted("Punch {about}, an approved correction: {before} became {after}."),
    noted("The record {about} at {before} was sent twice and counts once."),
    noted("Punch {about} at {before} came too soon after the one before and does not count."),
    noted("Worked from {before} to {after}."),
    noted("Worked from {before} to {after} ({about})."),
    noted("A punch is missing; by the policy work counts from {before} to {after}."),
    noted("Irregularity: {about}."),
    noted("The start {before} is near the start of the shift and counts as {after}."),
    noted("The end {before} is near the end of the shift and counts as {after}."),
    noted("The start {before} was rounded to {after}."),
    noted("The end {before} was rounded to {after}."),
    noted("Time before the shift is not counted: {before} became {after}."),
    noted("Time after the shift is not counted: {before} became {after}."),
    noted("{before} of work vanished by rounding."),
    noted("The day's {before} were rounded to {after}."),
    noted("Of a break of {before}, {after} are paid."),
    noted("Unpaid break time took {before} to {after}."),
    noted("The automatic break ({about}) took {before} to {after}."),
    noted("A meal was missed, too short or too late: one penalty."),
    noted("{after} late."),
    noted("Left {after} early."),
    noted("{after} at {about}: it was a holiday."),
    noted("{after} at {about}: it was a rest day."),
    noted("{after} at {about}: by the day of the week."),
    noted("{after} at {about}: the seventh day worked in the week."),
    noted("{after} at {about}: beyond the hours of the day."),
    noted("{after} at {about}: begun with the overtime key."),
    noted("{after} at {about}: beyond the hours of the week."),
    noted("{after} at {about}: beyond the daily cap."),
    noted("{after} of it at night."),
    noted("So the day is: {after}."),
    noted("It counts on {after} instead of {before}."),
    noted("Punch {punch} at {after} belongs to {whose}."),
    noted("{weekday} {day}: {worked} worked ({pay}), {status}"),
    noted("{weekday} {day}: {worked} worked, {status}"),
    noted("{place} does not report; its numbers are left out of the totals"),
    noted("{place} has never reported"),
    noted("{terminal} at {place} is blocked: {reason}"),
    noted("{terminal} at {place} is offline: {reason}"),
    noted("The clock of {terminal} at {place} is {n} s ahead"),
    noted("The clock of {terminal} at {place} is {n} s behind"),
    noted("{n} rows of {terminal} at {place} could not become punches"),
    noted("{terminal} at {place} has no communication key: anyone on its network can read and change it"),
    noted(
        "{terminal} at {place} and {n} more have no communication key: anyone on their network can read and change them"
    ),
    noted(
        "It has no communication key: anyone on its network can read and change it. The job set_comm_key gives it one."
    ),
    noted("{place} has not reported since the period ended"),
    noted("{place} holds {n} entries that are not here"),
    noted("{terminal} at {place} was read never: it may hold punches of the period"),
    noted("{terminal} at {place} was read last on {moment} UTC: it may hold punches of the period"),
    noted("the period is not over before {day} has ended everywhere"),
    noted("workdays of {n} people are being computed"),
    noted("{n} workdays have {code}"),
    noted("{n} regularisations wait for a decision"),
    noted("signs in; sees who they are"),
    noted("places and terminals, their jobs and upkeep; no doors, nothing about people"),
    noted("keeps the installation running, nothing about people"),
    noted("people of a department: their days, requests and decisions"),
    noted("one place: its terminals and doors, punches, people and their days"),
    noted("reads everything about places, people and hours"),
    noted("reads everything, and who did what"),
    noted("accounts, access and its trail; no people, no hours"),
    noted("people, plans, requests and decisions; closes periods"),
    noted("closes, approves and exports periods"),
    noted("another program: people in, punches and hours out"),
    noted("everything of one tenant"),
    noted("sealed: opened by two persons, with a reason, for an hour at most; see /v1/break-glass"),
    noted("{n} entries of {place} have not reached the gateway"),
    noted("{place} failed too often and is left alone for a while; questions to it are refused"),
    noted("{n} sign-ins failed within five minutes: somebody may be guessing passwords"),
    noted("The gateway's backup is overdue: {reason}"),
    noted("The gateway's backup is overdue"),
    noted("Break-glass is open until {time} UTC: {about}; everything they do is in the audit trail"),
    noted("Break-glass was used by {about}; its review was due by {moment} UTC"),
    noted("Break-glass was used by {about}; its review is due by {moment} UTC"),
    noted("made"),
    noted("changed"),
    noted("closed"),
    noted("closed with {n} obstacles"),
    noted("approved"),
    noted("locked"),
    noted("reopened, was {status}"),
    noted("no answer"),
    noted("it waits for an operator"),
    noted("unscheduled work"),
    noted("regular"),
    noted("overtime"),
    noted("night"),
    noted("holiday"),
    noted("rest day"),
    noted("the clock was {n} s off"),
    noted("Sunday"),
    noted("Monday"),
    noted("Tuesday"),
    noted("Wednesday"),
    noted("Thursday"),
    noted("Friday"),
    noted("Saturday"),
)
"""As their authors write them; a test compares these with their sources."""

LENGTH_MAX: Final = 600
_PLACE: Final = re.compile(r"\\\{([a-z]+)\\\}")
_STATUS_WORDS: Final[Mapping[str, str]] = {name.replace("_", " "): row[2] for name, row in STATUSES.items()}


def said(text: str) -> str:
    """The sentence in the reader's language."""
    if look().language is ENGLISH or len(text) > LENGTH_MAX:
        return text
    for form, sentence in _FORMS:
        found = form.fullmatch(text)
        if found:
            return _(sentence, **{name: _value(value) for name, value in found.groupdict().items()})
    return text


def _value(text: str) -> str:
    """What stands in a place of a sentence: a word of ours, a day, a sentence again, or a name."""
    if text in IRREGULARITIES:
        return _(IRREGULARITIES[text])
    if text in _STATUS_WORDS:
        return _(_STATUS_WORDS[text])
    try:
        return day_text(date.fromisoformat(text))
    except ValueError:
        return said(text)


def _forms(sentences: Iterable[str]) -> Iterable[tuple[re.Pattern[str], str]]:
    """Longer ones first: they are the more particular."""
    for sentence in sorted(sentences, key=len, reverse=True):
        yield re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(sentence)), re.DOTALL), sentence


_FORMS: Final = tuple(_forms(SENTENCES))
