"""What a place answers for callers of the gateway: the operations that travel to it, and how long each may take."""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

OperationClass = Literal["read", "write", "stream"]
"""Reads may be repeated; writes are asked once; a stream lasts as long as its reader."""

TIMEOUT_HEADER: Final = "x-request-timeout-ms"
"""How long whoever asks will wait, in milliseconds from when it asked."""
REQUEST_ID_HEADER: Final = "x-request-id"
ACTING_FOR_HEADER: Final = "x-acting-for"
"""Who asked the gateway; believed only where the gateway has proved itself."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One operation of a place; at the gateway it stands under `/v1/places/{place}`."""

    method: str
    path: str
    kind: OperationClass
    seconds: float
    """How long the place may take; 0 for a stream."""
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", self.path) + "$"))

    @property
    def at_gateway(self) -> str:
        """Where callers of the gateway find it."""
        return "/v1/places/{place}" + self.path.removeprefix("/v1")


HEALTH: Final = Offer("GET", "/health", "read", 5)
TERMINALS: Final = Offer("GET", "/v1/terminals", "read", 5)
TERMINAL: Final = Offer("GET", "/v1/terminals/{key}", "read", 5)
DISMISS: Final = Offer("DELETE", "/v1/terminals/{key}/findings/{code}", "write", 10)
JOBS: Final = Offer("GET", "/v1/terminals/{key}/jobs", "read", 10)
JOB: Final = Offer("GET", "/v1/terminals/{key}/jobs/{number}", "read", 5)
ORDER: Final = Offer("POST", "/v1/terminals/{key}/jobs", "write", 15)
QUARANTINE: Final = Offer("GET", "/v1/quarantine", "read", 10)
ROLLOUTS: Final = Offer("GET", "/v1/rollouts", "read", 10)
LIVE: Final = Offer("GET", "/v1/stream", "stream", 0)

OFFERED: Final = (HEALTH, TERMINALS, TERMINAL, DISMISS, JOBS, JOB, ORDER, QUARANTINE, ROLLOUTS, LIVE)
"""All of it. A gateway in wrong hands can ask nothing else: not erase people, not read what is sealed."""


def is_offered(method: str, path: str) -> bool:
    """Does a place answer this to a gateway?"""
    return any(offer.method == method and offer.pattern.match(path) for offer in OFFERED)
