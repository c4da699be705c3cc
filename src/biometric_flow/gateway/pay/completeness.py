"""Is everything of a period here? Per place and terminal, per workday, per request. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from biometric_flow.api.gateway import PlaceView, TerminalStatus
from biometric_flow.api.hours import Obstacle


def of_places(
    places: Iterable[PlaceView], terminals: Iterable[TerminalStatus], first: date, last: date
) -> Iterable[Obstacle]:
    """Places and terminals that may still hold punches of the period."""
    ends: dict[str, datetime] = {}
    for place in places:
        end = datetime.combine(last + timedelta(days=1), time(), ZoneInfo(place.zone))
        ends[place.id] = end
        if place.last_report is None and not place.punches:
            continue
        if place.last_report is None or place.last_report < end:
            yield Obstacle(kind="place", subject=place.id, text=f"{place.name} has not reported since the period ended")
        elif place.head is not None and place.head > place.position:
            missing = place.head - place.position
            yield Obstacle(
                kind="place", subject=place.id, text=f"{place.name} holds {missing} entries that are not here"
            )
    for terminal in terminals:
        end_there = ends.get(terminal.place)
        if terminal.is_enabled and end_there and (terminal.last_contact is None or terminal.last_contact < end_there):
            when = "never" if terminal.last_contact is None else f"last on {terminal.last_contact:%Y-%m-%d %H:%M} UTC"
            text = f"{terminal.name} at {terminal.place} was read {when}: it may hold punches of the period"
            yield Obstacle(kind="terminal", subject=terminal.serial or terminal.key, text=text)


def of_days(
    people_due: int, missing: Mapping[str, int], requested: int, last: date, now: datetime
) -> Iterable[Obstacle]:
    """Workdays that are not computed or not clear, and requests that wait."""
    # Twelve hours: until then it is still the last day somewhere.
    if (now - timedelta(hours=12)).date() <= last:
        yield Obstacle(
            kind="not_over", subject=str(last), text=f"the period is not over before {last} has ended everywhere"
        )
    if people_due:
        yield Obstacle(kind="workdays", subject="due", text=f"workdays of {people_due} people are being computed")
    for code, days in sorted(missing.items()):
        yield Obstacle(kind="irregularity", subject=code, text=f"{days} workdays have {code}")
    if requested:
        text = f"{requested} regularisations wait for a decision"
        yield Obstacle(kind="request", subject="regularisation", text=text)
