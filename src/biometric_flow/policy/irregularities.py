"""Late, early, short, the status of a workday, and what labour law wants to know (contract 11 and 13)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from biometric_flow.policy.breaks import union
from biometric_flow.policy.pairing import Piece
from biometric_flow.policy.rules import Compliance, Lateness, Policy

MISSING = frozenset({"MISSING_IN", "MISSING_OUT", "MISSING_BREAK_IN", "MISSING_BREAK_OUT"})


def late_minutes(rule: Lateness, due: int, came: int) -> int:
    """Minutes after `due`, 0 within the grace; exactly at the grace is on time."""
    return _beyond(came - due, rule.grace_in_min, rule.counts_excess)


def early_minutes(rule: Lateness, due: int, left: int) -> int:
    """Minutes before `due`, 0 within the grace."""
    return _beyond(due - left, rule.grace_out_min, rule.counts_excess)


def _beyond(minutes: int, grace: int, counts_excess: bool) -> int:
    if minutes <= grace:  # a grace is never below 0
        return 0
    return minutes - grace if counts_excess else minutes


@dataclass(slots=True)
class DayFacts:
    """What a status is decided from."""

    worked: int = 0
    scheduled: int = 0
    is_holiday: bool = False
    is_rest: bool = False
    has_shift: bool = False
    has_punches: bool = False
    on_full_leave: bool = False
    irregularities: set[str] = field(default_factory=set)
    closes: int | None = None
    """The last minute of the day's last claim window."""


def status(facts: DayFacts, policy: Policy, as_of: int | None) -> str:
    """One word for a workday: the first that matches, in the order of contract 11."""
    worked = facts.worked
    missing = bool(facts.irregularities & MISSING)
    if "IN_PROGRESS" in facts.irregularities:
        return "in_progress"
    if facts.is_holiday:
        return "holiday_worked" if worked else "holiday"
    if worked:
        return _worked_status(facts, policy)
    if facts.on_full_leave and facts.scheduled:
        return "leave"
    if facts.is_rest and not facts.has_shift:
        return "incomplete" if missing else "rest"
    if missing:
        return "incomplete"
    if not facts.has_punches and as_of is not None and facts.closes is not None and as_of <= facts.closes * 60:
        return "pending"
    return "absent" if facts.scheduled else "off"


def _worked_status(facts: DayFacts, policy: Policy) -> str:
    if facts.is_rest and not facts.has_shift:
        return "rest_worked"
    if facts.worked < policy.absent_below_min:
        return "absent"
    return "half_day" if facts.worked < policy.half_day_below_min else "present"


def compliance_flags(rule: Compliance, pieces: Sequence[Piece], first_in: int, last_out: int | None) -> set[str]:
    """SPAN_LONG and CONSECUTIVE_LONG of one day, by the actual punches; both limits are strict."""
    flags: set[str] = set()
    if rule.max_span_min is not None and last_out is not None and last_out - first_in > rule.max_span_min:
        flags.add("SPAN_LONG")
    if rule.max_consecutive_min is not None and _longest(rule, pieces) > rule.max_consecutive_min:
        flags.add("CONSECUTIVE_LONG")
    return flags


def _longest(rule: Compliance, pieces: Sequence[Piece]) -> int:
    """The longest stretch in which no gap is as long as a break, from its first to its last minute."""
    longest, begun, ended = 0, None, None
    for run in union(pieces):
        if begun is None or ended is None or run.start - ended >= rule.break_min_len:
            begun = run.start
        ended = run.end
        longest = max(longest, ended - begun)
    return longest
