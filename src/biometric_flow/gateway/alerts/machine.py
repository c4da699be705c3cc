"""The life of an alert: raised, told, repeated, acknowledged, resolved. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

LINES: Final = 40
"""Of one message; what is beyond is counted."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that is wrong right now. `place` and `subject` are empty for what is about the whole tenant."""

    kind: str
    place: str
    subject: str
    text: str
    is_urgent: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about: the same wrong thing at the same place is one alert."""
        return self.kind, self.place, self.subject


@dataclass(frozen=True, slots=True)
class Alert:
    """A signal from when it was raised until it was gone for a while."""

    id: UUID
    signal: Signal
    raised_at: datetime
    seen_at: datetime
    told_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient alerts are."""

    gather: timedelta = timedelta(seconds=20)
    """How long the first of several waits for the others, so that one message tells of all."""
    repeat: timedelta = timedelta(hours=4)
    """After which one that nobody acknowledged is told again."""
    calm: timedelta = timedelta(minutes=1)
    """How long a signal has to be gone; what comes and goes faster is one alert."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which only urgent things are told, on the clock of a zone; they may pass midnight."""

    begins: time
    ends: time
    zone: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about all that is to be told now."""

    title: str
    body: str
    is_urgent: bool


def advance(known: Iterable[Alert], signals: Iterable[Signal], now: datetime, rules: Rules) -> list[Alert]:
    """All alerts that are open, and those that this moment resolved; `known` are the open ones so far."""
    there = {one.key: one for one in signals}
    result = []
    for alert in known:
        signal = there.pop(alert.signal.key, None)
        if signal is not None:
            result.append(replace(alert, signal=signal, seen_at=now))
        elif now - alert.seen_at >= rules.calm:
            result.append(replace(alert, resolved_at=now))
        else:
            result.append(alert)
    return result + [Alert(uuid4(), signal, now, now) for signal in there.values()]


def tell(alerts: Sequence[Alert], now: datetime, rules: Rules) -> tuple[list[Alert], Notice | None]:
    """What is to be told now, all together, and the alerts as they are afterwards.

    New ones once the oldest has waited for the others; open ones again until somebody acknowledges them; resolved ones
    when they were told before. What was over before it was told is never told.
    """
    new = [one for one in alerts if one.told_at is None and one.resolved_at is None and not one.acknowledged_at]
    if not any(now - one.raised_at >= rules.gather for one in new):
        new = []
    again = [one for one in alerts if _is_due_again(one, now, rules)]
    over = [one for one in alerts if one.resolved_at is not None and one.told_at is not None]
    lines = [(word, one) for word, found in (("NEW", new), ("STILL", again), ("OVER", over)) for one in found]
    if not lines:
        return list(alerts), None
    told = {one.id for one in (*new, *again)}
    after = [replace(one, told_at=now) if one.id in told else one for one in alerts]
    return after, _notice(lines)


def not_before(quiet: Quiet | None, now: datetime, *, is_urgent: bool) -> datetime:
    """When a message may go out: now, or at the end of the quiet hours that it falls into."""
    if quiet is None or is_urgent:
        return now
    here = now.astimezone(ZoneInfo(quiet.zone))
    clock = here.time().replace(tzinfo=None)
    is_over_midnight = quiet.begins > quiet.ends
    is_inside = quiet.begins <= clock < quiet.ends
    if is_over_midnight:
        is_inside = clock >= quiet.begins or clock < quiet.ends
    if not is_inside:
        return now
    end = datetime.combine(here.date(), quiet.ends, here.tzinfo)
    if end <= here:
        end = datetime.combine(here.date() + timedelta(days=1), quiet.ends, here.tzinfo)
    return end.astimezone(now.tzinfo)


def _is_due_again(one: Alert, now: datetime, rules: Rules) -> bool:
    if one.told_at is None or one.resolved_at is not None or one.acknowledged_at is not None:
        return False
    return now - one.told_at >= rules.repeat


def _notice(lines: Sequence[tuple[str, Alert]]) -> Notice:
    urgent = [one for word, one in lines if one.signal.is_urgent and word != "OVER"]
    first = urgent[0] if urgent else lines[0][1]
    rest = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    shown = [f"{word}: {one.signal.text} (since {one.raised_at:%Y-%m-%d %H:%M} UTC)" for word, one in lines[:LINES]]
    if len(lines) > LINES:
        shown.append(f"and {len(lines) - LINES} more; see the list of alerts")
    return Notice(f"{first.signal.text[:100]}{rest}", "\n".join(shown), bool(urgent))
