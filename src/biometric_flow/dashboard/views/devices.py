"""The list of terminals."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from biometric_flow.api.gateway import TerminalStatus
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.words import _, noted, number
from biometric_flow.model.terminal import TerminalState

DRIFT_LIMIT_MS: Final = 30_000
CAPACITY_LIMIT_PERCENT: Final = 90

STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    TerminalState.ONLINE: ("●", noted("Online"), "ok"),
    TerminalState.LATE: ("◐", noted("Late"), "warn"),
    TerminalState.OFFLINE: ("▲", noted("Offline"), "bad"),
    TerminalState.BLOCKED: ("■", noted("Blocked"), "bad"),
    TerminalState.NEW: ("○", noted("New"), "unknown"),
    TerminalState.DISABLED: ("○", noted("Switched off"), "unknown"),
}
"""State -> shape, word, tone: never colour alone."""

_URGENCY: Final = ("offline", "blocked", "late", "new", "online", "disabled")


def devices(
    terminals: Iterable[TerminalStatus], places: Mapping[str, str], states: Collection[str], text: str
) -> dict[str, Any]:
    """The list: terminals in these states (none named: all) whose name, serial or address has the text."""
    needle = text.strip().casefold()
    everything = list(terminals)
    cards = [
        device(terminal, places)
        for terminal in everything
        if (not states or terminal.state in states) and (not needle or needle in _searched(terminal))
    ]
    return {
        "rows": sorted(cards, key=lambda card: (_URGENCY.index(card["state"]), card["place_name"], card["name"])),
        "count": _("{shown} of {all} terminals", shown=number(len(cards)), all=number(len(everything))),
        "last_contact": _("Last contact"),
        "never": _("never"),
        "in_state": _("In this state"),
        "more": _("Details and counters"),
        "empty": _nothing(bool(everything)),
    }


def _nothing(is_filtered: bool) -> dict[str, str]:
    if is_filtered:
        text = _("Choose other states or another word.")
        return {"title": _("No terminal matches."), "text": text, "clear": _("Clear filters")}
    text = _("Add the first one at its place: config/devices/<place>.json, or the place's own API.")
    return {"title": _("No terminals yet."), "text": text, "clear": ""}


def device(terminal: TerminalStatus, places: Mapping[str, str]) -> dict[str, Any]:
    """One terminal as people see it; a silent place makes its last known state doubtful, and that is said."""
    shape, word, tone = STATES[terminal.state]
    capacity, counters = terminal.capacity, terminal.counters
    return {
        "id": f"{terminal.place}/{terminal.key}",
        "place": terminal.place,
        "place_name": places.get(terminal.place, terminal.place),
        "name": terminal.name,
        "state": str(terminal.state),
        "shape": "○" if terminal.is_stale else shape,
        "word": _("Unknown, was {state}", state=_(word)) if terminal.is_stale else _(word),
        "tone": "unknown" if terminal.is_stale else tone,
        "since": terminal.state_since.isoformat(),
        "reason": said(terminal.reason),
        "stale": _("The place has not reported since") if terminal.is_stale else "",
        "as_of": terminal.as_of.isoformat(),
        "last_contact": terminal.last_contact.isoformat() if terminal.last_contact else None,
        "main": [
            [_("Model"), terminal.model or "–", ""],
            [_("Serial"), terminal.serial or "–", ""],
            [_("Clock drift"), drift(terminal.drift_ms), _drift_tone(terminal.drift_ms)],
            [_("People"), *used(capacity.users, capacity.users_limit)],
            [_("Punches stored"), *used(capacity.punches, capacity.punches_limit)],
        ],
        "more": [
            [_("Address"), f"{terminal.host}:{terminal.port}", ""],
            [_("Firmware"), terminal.firmware or "–", ""],
            [_("Fingers"), *used(capacity.fingers, capacity.fingers_limit)],
            [_("Faces"), *used(capacity.faces, capacity.faces_limit)],
            [_("Rows received"), number(counters.received), ""],
            [_("Accepted"), number(counters.accepted), ""],
            [_("Set aside"), number(counters.quarantined), "warn" if counters.quarantined else ""],
            [_("Seen before"), number(counters.duplicate), ""],
        ],
    }


def drift(milliseconds: int | None) -> str:
    """The terminal's clock against true time, in words."""
    if milliseconds is None:
        return _("not measured")
    seconds = round(abs(milliseconds) / 1000)
    if seconds == 0:
        return _("none")
    amount = _("{n} s", n=seconds) if seconds < 120 else _("{n} min", n=round(seconds / 60))
    return _("{amount} ahead", amount=amount) if milliseconds > 0 else _("{amount} behind", amount=amount)


def used(count: int, limit: int) -> tuple[str, str]:
    """How full a store is, and a tone; only the count where the terminal gave no limit."""
    if limit <= 0:
        return number(count), ""
    percent = 100 * count / limit
    text = _("{count} ({percent} %)", count=number(count), percent=f"{percent:.0f}")
    return text, "warn" if percent > CAPACITY_LIMIT_PERCENT else ""


def _searched(terminal: TerminalStatus) -> str:
    return f"{terminal.name}\n{terminal.key}\n{terminal.serial}\n{terminal.host}\n{terminal.model}".casefold()


def _drift_tone(milliseconds: int | None) -> str:
    return "warn" if milliseconds is not None and abs(milliseconds) > DRIFT_LIMIT_MS else ""
