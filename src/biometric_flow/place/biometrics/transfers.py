"""Templates on their way from one terminal to others: in memory only, for an hour at most (ADR 37)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from biometric_flow.model.ids import Pin
from biometric_flow.place.biometrics.errors import TemplatesNotThere
from biometric_flow.place.biometrics.samples import Sample
from biometric_flow.zk.wire.users import UserRecord

LIFETIME: Final = timedelta(hours=1)
OPEN_MAX: Final = 32
BUNDLE_MAX: Final = 8 * 1024 * 1024
"""Bytes of one person's templates at most."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A person as they are known at the source, and their templates."""

    user: UserRecord
    samples: tuple[Sample, ...] = field(repr=False)


@dataclass(slots=True)
class Transfer:
    """One person's templates on their way."""

    id: str
    pin: Pin
    source: str
    """The key of a terminal, or empty for what the place keeps."""
    targets: Sequence[str]
    ends_at: datetime
    bundle: Bundle | None = None
    jobs: dict[str, int] = field(default_factory=dict)
    """Terminal -> the job that gives or takes."""


class Transfers:
    """What is under way. Nothing of it is ever written down; a restart forgets all of it."""

    def __init__(self) -> None:
        self._open: dict[str, Transfer] = {}

    def begin(self, pin: Pin, source: str, targets: Sequence[str], now: datetime) -> Transfer:
        """A new transfer. Raises TemplatesNotThere while too many are under way."""
        self._forget_old(now)
        if len(self._open) >= OPEN_MAX:
            raise TemplatesNotThere(
                f"expected at most {OPEN_MAX} transfers under way, there are so many; wait for some"
            )
        made = Transfer(secrets.token_hex(16), pin, source, tuple(targets), now + LIFETIME)
        self._open[made.id] = made
        return made

    def fill(self, transfer: Transfer, bundle: Bundle) -> None:
        """The source gave its templates. Raises TemplatesNotThere for none, and for more than a person can have."""
        size = sum(len(one.data) for one in bundle.samples)
        if not 0 < size <= BUNDLE_MAX:
            raise TemplatesNotThere(f"expected templates of 1 to {BUNDLE_MAX} bytes of this person, got {size} bytes")
        transfer.bundle = bundle

    def get(self, identity: str, now: datetime) -> Transfer:
        """One transfer. Raises TemplatesNotThere for one that is over."""
        self._forget_old(now)
        if (found := self._open.get(identity)) is None:
            raise TemplatesNotThere(
                "expected a transfer that is under way, this one is over: what travels is kept in memory only, "
                "for an hour at most; copy them again"
            )
        return found

    def taken(self, transfer: Transfer, target: str) -> None:
        """A target confirmed; after the last one nothing of the templates is left here."""
        transfer.targets = [one for one in transfer.targets if one != target]
        if not transfer.targets:
            transfer.bundle = None

    def withdraw(self, pin: str) -> None:
        """The person's release ended: nothing of theirs travels any further."""
        self._open = {key: one for key, one in self._open.items() if one.pin != pin}

    def _forget_old(self, now: datetime) -> None:
        self._open = {key: one for key, one in self._open.items() if one.ends_at > now}
