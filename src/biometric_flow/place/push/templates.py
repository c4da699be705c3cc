"""Templates at a terminal that dials: given, taken and destroyed, each read back where it can be asked for them.

They stand in memory only: what is heard, and what a command carries (ADR 37, 38).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from biometric_flow.api.jobs import DeleteTemplates, GiveTemplates, TakeTemplates
from biometric_flow.place.biometrics.samples import PHOTO, Sample, line_of, sample_of
from biometric_flow.place.biometrics.transfers import Bundle
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.push.hand import Hand
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.results import RETURN_CODES
from biometric_flow.zk.push.template_forms import ASKED_FOR, template_tags
from biometric_flow.zk.push.text import Fields
from biometric_flow.zk.wire.users import UserRecord

_KINDS: Final = range(11)
"""What BIODATA numbers: fingers, faces, eyes, hands (zk-push-protocol 5.3)."""
_NONE_THERE: Final = frozenset({-1, -4, -10})
_NO_TABLE: Final = frozenset({-22, -1002, -1004})
"""How a terminal says that it has no such thing at all."""
_ABSENT: Final = _NONE_THERE | _NO_TABLE


async def give_templates(hand: Hand, order: GiveTemplates) -> str:
    """Read a person's templates and send them on. Raises TemplatesNotThere, ReleaseUnknown, JobFailed."""
    courier = hand.at.courier
    transfer = await courier.open(order.transfer, order.pin)
    user = await _person(hand, order.pin)
    if user is None:
        raise JobFailed(f"expected somebody with the number {order.pin} on this terminal, there is nobody")
    samples = tuple(_readable(await _held(hand, order.pin, "held")))
    if not samples:
        raise JobFailed("expected templates of this person on this terminal, it tells none; enrol them first")
    await courier.given(transfer, Bundle(user, samples))
    return f"{len(samples)} templates are on their way to {len(transfer.targets)} terminals"


async def take_templates(hand: Hand, order: TakeTemplates) -> str:
    """Write a person's templates and read them back; somebody who is there already keeps their name and rights.

    Raises JobFailed for another version of fingers, before anything is written, and for what this protocol has no form
    for, after everything else was.
    """
    courier = hand.at.courier
    transfer = await courier.open(order.transfer, order.pin)
    if transfer.bundle is None:
        raise JobFailed("expected templates on their way to this terminal, it has taken them already")
    samples = [one for one in transfer.bundle.samples if one.tag != PHOTO]
    tags = template_tags(hand.protocol)
    lines = [line_of(one) for one in samples if one.tag in tags]
    others = sorted({one.tag for one in samples if one.tag not in tags})
    _check_versions(samples, await _finger_version(hand, "version"))
    if await _person(hand, order.pin) is None:
        # Rights and passwords do not travel with fingers.
        newcomer = replace(transfer.bundle.user, privilege=0, password="", own_timezones=False, timezones=())
        await hand.do(zk.SetUser(replace(PushedUser.of_record(newcomer), group=1)), "person")
    await courier.check(transfer.pin)
    await hand.do_all([zk.SetTemplate(line) for line in lines], "templates")
    asked = [line for line in lines if line.tag in ASKED_FOR]
    if asked:
        there = {one.data for one in _readable(await _held(hand, order.pin, "after"))}
        if missing := [line for line in asked if line.data not in there]:
            raise JobFailed(
                f"expected {len(asked)} templates to be read back as written, {len(missing)} were not; try again"
            )
    told = f"{len(asked)} templates read back as written" + _unasked(lines)
    if others:
        raise JobFailed(f"{told}; {', '.join(others)} cannot travel on this channel, which has no public form for them")
    courier.transfers.taken(transfer, hand.entry.key)
    return told


async def delete_templates(hand: Hand, order: DeleteTemplates) -> str:
    """Delete every template and picture of a person, and read back that none is left. Raises JobFailed."""
    tags = template_tags(hand.protocol)
    await hand.do_all([zk.DeleteTemplates(tag, order.pin) for tag in tags], "delete", _ABSENT)
    if left := await _held(hand, order.pin, "after"):
        raise JobFailed(
            f"expected no template of this person to be left, the terminal still tells {len(left)}; tried again later"
        )
    unasked = ", ".join(sorted(set(tags) - ASKED_FOR))
    return f"no template is left; {unasked}, which it cannot be asked for, are deleted as it says"


async def _held(hand: Hand, pin: str, step: str) -> Sequence[TemplateLine]:
    """What the terminal tells that it holds of a person. Raises JobFailed when it cannot be asked, or told too few."""
    questions = [zk.QueryTemplates("FP", pin), *(zk.QueryTemplates("BIODATA", pin, kind) for kind in _KINDS)]
    with hand.hearings.listening(hand.entry.key, pin) as heard:
        results = await hand.do_all(questions, step, _ABSENT)
        # What it uploads may come behind its result; what it says to a later question comes behind both.
        await _finger_version(hand, f"{step}-end")
    codes = [result.code for result in results]
    if all(code in _NO_TABLE for code in codes):
        raise JobFailed("expected the templates of a person, this terminal does not know the question")
    told = sum(code for code in codes if code > 0) if hand.speaks_security else 0
    if len(heard.templates) < told:
        raise JobFailed(f"expected {told} templates as the terminal says, {len(heard.templates)} came; try again")
    return tuple(heard.templates.values())


async def _person(hand: Hand, pin: str) -> UserRecord | None:
    with hand.hearings.listening(hand.entry.key) as heard:
        await hand.do(zk.QueryUsers(pin), "who", _NONE_THERE)
        await _finger_version(hand, "who-end")
    return heard.people[pin].record() if pin in heard.people else None


async def _finger_version(hand: Hand, step: str) -> str:
    """The version of fingers that it reads; empty where it does not say."""
    with hand.hearings.listening(hand.entry.key) as heard:
        result = await hand.do(zk.GetOptions(("~ZKFPVersion",)), step, frozenset(RETURN_CODES))
    told = Fields(heard.options).first("zkfpversion") or result.values.first("zkfpversion")
    return told.strip().partition(".")[0]


def _check_versions(samples: Iterable[Sample], reads: str) -> None:
    """Raises JobFailed for fingers that this terminal does not read."""
    versions = {one.version for one in samples if one.tag == "FP"}
    if reads.isdecimal() and versions - {reads}:
        raise JobFailed(
            f"expected fingers of version {reads}, which this terminal reads, got version "
            f"{' and '.join(sorted(versions))}; versions do not convert, enrol the finger again"
        )


def _readable(lines: Iterable[TemplateLine]) -> Iterable[Sample]:
    for line in lines:
        try:
            sample = sample_of(line)
        except (ProtocolViolation, ValueError):
            continue  # intake has counted it
        if sample.data:
            yield sample


def _unasked(lines: Iterable[TemplateLine]) -> str:
    tags = sorted({line.tag for line in lines} - ASKED_FOR)
    return f"; {', '.join(tags)} taken as the terminal says, which cannot be asked for them" if tags else ""
