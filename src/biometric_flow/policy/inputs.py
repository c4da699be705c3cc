"""What the engine is given: one person's punches, plan, calendar and corrections (contract 2, 4, 13, 14)."""

from dataclasses import dataclass, field, replace
from typing import Final

from biometric_flow.policy.rules import Policy
from biometric_flow.policy.zones import HomeZone

NO_KEY: Final = 255
"""The code of a punch for which no key was pressed."""


@dataclass(frozen=True, slots=True)
class GivenPunch:
    """A punch as it came. Exactly one of `second` (UTC) and `wall_second` (the terminal's own clock) is there."""

    id: str
    second: int | None
    wall_second: int | None = None
    code: int = NO_KEY
    terminal: str | None = None
    sequence: int | None = None
    received: int | None = None
    """Seconds; None: known from the beginning."""


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """Where a terminal hangs and what its door means: `in`, `out` or nothing."""

    zone: HomeZone
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class ClockCorrection:
    """From `since` (included) to `until` (not included) the terminal ran `offset` seconds fast."""

    terminal: str
    since: int
    until: int
    offset: int


@dataclass(frozen=True, slots=True)
class Correction:
    """A regularisation: adds, voids or replaces a punch. Only an approved one counts."""

    sequence: int
    id: str
    op: str
    punch: str | None = None
    second: int | None = None
    code: int | None = None
    is_approved: bool = True
    approved: int | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A template of hours, in minutes of the day; an end that is not after the start is on the next day."""

    id: str
    start: int
    end: int
    unpaid_break_min: int = 0
    pre_min: int | None = None
    post_min: int | None = None
    detect_after_min: int = 240
    core_start: int | None = None
    core_end: int | None = None
    required_min: int | None = None

    @property
    def is_flexible(self) -> bool:
        """Whether only the core time is fixed."""
        return self.required_min is not None


@dataclass(frozen=True, slots=True)
class Assignment:
    """From `first` to `last` (both included) these shifts, on these weekdays; none means off."""

    first: int
    last: int
    shifts: tuple[str, ...]
    weekdays: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The plan of a person."""

    mode: str = "none"
    weekly: dict[int, tuple[str, ...]] = field(default_factory=dict)
    rotation_anchor: int | None = None
    rotation: tuple[tuple[str, ...], ...] = ()
    assignments: tuple[Assignment, ...] = ()
    rest_weekdays: frozenset[int] = frozenset()
    auto: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leave:
    """An approved leave on one day."""

    day: int
    kind: str
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class LockedPeriod:
    """Days from `first` to `last` (both included) were closed at `locked` (seconds)."""

    first: int
    last: int
    locked: int


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """From the day `since` on another policy is in force, until the next change."""

    since: int
    policy: Policy
    pack: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that decides one person's workdays from `first` to `last` (days, both included)."""

    zone: HomeZone
    first: int
    last: int
    policy: Policy
    punches: tuple[GivenPunch, ...] = ()
    shifts: dict[str, Shift] = field(default_factory=dict)
    schedule: Schedule = Schedule()
    holidays: dict[int, str] = field(default_factory=dict)
    leaves: tuple[Leave, ...] = ()
    terminals: dict[str, TerminalFacts] = field(default_factory=dict)
    clock_corrections: tuple[ClockCorrection, ...] = ()
    corrections: tuple[Correction, ...] = ()
    approved_minutes: dict[int, int] = field(default_factory=dict)
    periods: tuple[LockedPeriod, ...] = ()
    as_of: int | None = None
    """Seconds; punches after it are not seen. None: the whole timeline is known."""
    pack: str = "case"
    """Name and version of the pack the policy is from, for the trace."""
    changes: tuple[PolicyChange, ...] = ()
    """What replaces `policy` later, in order of date: a new version of its pack, or another pack for this person."""

    def policy_on(self, day: int) -> Policy:
        """The policy in force on a day."""
        change = self._change(day)
        return change.policy if change else self.policy

    def on(self, day: int) -> "Inputs":
        """The same, with policy and pack of that day in force."""
        change = self._change(day)
        return replace(self, policy=change.policy, pack=change.pack) if change else self

    def _change(self, day: int) -> PolicyChange | None:
        return next((change for change in reversed(self.changes) if change.since <= day), None)
