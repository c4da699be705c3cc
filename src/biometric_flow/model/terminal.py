"""What is known about a terminal, in the words people use for its state."""

from enum import StrEnum


class TerminalState(StrEnum):
    """The one word a person sees for a terminal."""

    NEW = "new"
    """Never reached yet."""
    ONLINE = "online"
    LATE = "late"
    """Reachable not long ago; trying again."""
    OFFLINE = "offline"
    BLOCKED = "blocked"
    """It answers, but we refuse it or it refuses us, until an operator acts."""
    DISABLED = "disabled"
    """Switched off by an operator."""
