"""What is let go first when too much comes at once: reads before uploads, health and sign-in never."""

from dataclasses import dataclass
from typing import Literal

Urgency = Literal["vital", "upload", "other"]


@dataclass(slots=True)
class Shedder:
    """Counts requests under way; uploads may use half as many places again as other requests."""

    capacity: int
    under_way: int = 0
    shed: int = 0
    """Requests that were let go since the start."""

    def take(self, urgency: Urgency) -> bool:
        """May one more be worked on? Then `done` has to follow."""
        limit = {"vital": None, "upload": self.capacity + self.capacity // 2, "other": self.capacity}[urgency]
        if limit is not None and self.under_way >= limit:
            self.shed += 1
            return False
        self.under_way += 1
        return True

    def done(self) -> None:
        """One is answered."""
        self.under_way -= 1


def urgency_of(method: str, path: str) -> Urgency:
    """Health and signing in keep working whatever happens; a place's uploads come before what people read."""
    if path.startswith(("/health", "/v1/auth/", "/metrics")):
        return "vital"
    if path.startswith("/v1/places/") and path.endswith(("/entries", "/report", "/position", "/checkpoint")):
        return "upload" if method != "GET" or path.endswith("/position") else "other"
    return "other"
