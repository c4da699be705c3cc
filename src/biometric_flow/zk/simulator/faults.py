"""What can be made to go wrong at a simulated terminal."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """A way to misbehave. `times` limits how often, otherwise it lasts until `clear`."""

    CUT = "cut"
    """Close every connection now."""
    REFUSE = "refuse"
    """Close new connections as soon as they are made; with `seconds`, only for that long."""
    OFF = "off"
    """Power off: nobody listens."""
    ON = "on"
    SILENT = "silent"
    """Read requests, answer nothing."""
    SLOW = "slow"
    """Wait `seconds` before each reply."""
    TRICKLE = "trickle"
    """Send replies byte by byte, `seconds` apart."""
    FRAGMENT = "fragment"
    """Send replies in TCP segments of `value` bytes."""
    COALESCE = "coalesce"
    """Send all frames of a reply in one piece, an event before and after them."""
    CHECKSUM = "checksum"
    """Break the checksum of replies."""
    SESSION = "session"
    """Answer in a foreign session."""
    STALE = "stale"
    """Send an answer to an earlier request before each reply."""
    EVENTS = "events"
    """Put realtime events before, inside and after each reply."""
    GARBAGE = "garbage"
    """Send noise instead of replies."""
    PANEL = "panel"
    """Answer like an access panel."""
    PULL_REFUSED = "pull_refused"
    """Refuse the login as firmware of 2025 does."""
    NO_BUFFER = "no_buffer"
    """Refuse buffered reads."""
    NO_PIECES = "no_pieces"
    """Refuse direct reads as well."""
    PIECES = "pieces"
    """Send bulk data in DATA frames of `value` bytes, as some firmware does; pyzk cannot follow that over TCP."""
    DROP = "drop"
    """Close the connection after `value` bytes of a bulk answer."""
    HANG_UP = "hang_up"
    """Close the connection after `value` bytes of any answer; over UDP, send none of it."""
    SHORT = "short"
    """Leave out the last bytes of bulk data."""
    OVERSEND = "oversend"
    """Send more bulk data than announced."""
    LIE = "lie"
    """Announce a wrong size: `value` is zero, short, long, huge, negative or inner."""
    LOSE = "lose"
    """Lose datagrams of replies; `value` n: each nth. UDP only."""
    TWICE = "twice"
    """Send each datagram of a reply twice. UDP only."""
    FORGET = "forget"
    """Say ok to a write and keep nothing of it."""
    COUNT = "count"
    """Tell `value` attendance rows in the capacity block."""


@dataclass(slots=True)
class Fault:
    """One fault in force."""

    kind: FaultKind
    times: int | None = None
    seconds: float = 0.0
    value: str = ""

    def number(self, default: int) -> int:
        """`value` as a number."""
        return int(self.value or default)


class Faults:
    """The faults in force, at most one of a kind."""

    def __init__(self) -> None:
        self._active: dict[FaultKind, Fault] = {}

    def put(self, fault: Fault) -> None:
        """Let it happen from now on."""
        self._active[fault.kind] = fault

    def remove(self, kind: FaultKind) -> None:
        """Stop this one."""
        self._active.pop(kind, None)

    def clear(self) -> None:
        """Behave again."""
        self._active.clear()

    def take(self, kind: FaultKind) -> Fault | None:
        """The fault if it has to happen now; counts down its `times`."""
        fault = self._active.get(kind)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._active[kind]
        return fault
