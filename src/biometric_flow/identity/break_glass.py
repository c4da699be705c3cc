"""The sealed role: who opens it for whom, how long, and who looks at it afterwards (security-design A11). Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from biometric_flow.identity.errors import BreakGlassRefused

ROLE: Final = "break_glass"
LONGEST: Final = timedelta(hours=1)
WAITS: Final = timedelta(hours=1)
"""How long somebody may open it after it was asked for: an emergency of yesterday is none."""
REVIEWED_WITHIN: Final = timedelta(hours=24)
"""After its end."""


class Status(StrEnum):
    """Where an opening stands."""

    ASKED = "asked"
    LAPSED = "lapsed"
    """Nobody opened it in time."""
    OPEN = "open"
    OVER = "over"
    """It waits for its review."""
    REVIEWED = "reviewed"


@dataclass(frozen=True, slots=True)
class Opening:
    """One use of the sealed role by one account. People are named by their account ids."""

    account: str
    lasts: timedelta
    asked_at: datetime
    opened_by: str = ""
    ends_at: datetime | None = None
    reviewed_by: str = ""

    def status(self, now: datetime) -> Status:
        """Where it stands at this moment."""
        if self.reviewed_by:
            return Status.REVIEWED
        if self.ends_at is None:
            return Status.ASKED if now < self.asked_at + WAITS else Status.LAPSED
        return Status.OPEN if now < self.ends_at else Status.OVER

    @property
    def review_due(self) -> datetime | None:
        """When it has to be reviewed; None for what was never opened."""
        return self.ends_at and self.ends_at + REVIEWED_WITHIN

    def opened(self, by: str, now: datetime) -> "Opening":
        """Opened by somebody else. Raises BreakGlassRefused."""
        self._expect(Status.ASKED, now)
        if by == self.account:
            raise BreakGlassRefused("expected another person than the one who asked: it takes two")
        return replace(self, opened_by=by, ends_at=now + min(self.lasts, LONGEST))

    def ended(self, now: datetime) -> "Opening":
        """Ended before its time. Raises BreakGlassRefused."""
        self._expect(Status.OPEN, now)
        return replace(self, ends_at=now)

    def reviewed(self, by: str, now: datetime) -> "Opening":
        """Looked at afterwards by somebody else than who used it. Raises BreakGlassRefused."""
        self._expect(Status.OVER, now)
        if by == self.account:
            raise BreakGlassRefused("expected another person than the one who used it")
        return replace(self, reviewed_by=by)

    def _expect(self, wanted: Status, now: datetime) -> None:
        if (status := self.status(now)) is not wanted:
            raise BreakGlassRefused(f"expected one that is {wanted}, this one is {status}")


def check_ask(earlier: list[Opening], now: datetime) -> None:
    """May an account ask again? Raises BreakGlassRefused: one at a time, and none before the last was reviewed."""
    for one in earlier:
        if (status := one.status(now)) in (Status.ASKED, Status.OPEN, Status.OVER):
            raise BreakGlassRefused(f"expected none before this one, yours of {one.asked_at.isoformat()} is {status}")
