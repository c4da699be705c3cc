"""The parameters of a policy as frozen values; what each does is said in the module of its rule family."""

from dataclasses import dataclass, field
from typing import Final

from biometric_flow.policy.zones import Span

REGULAR: Final = "regular"
OVER_CAP: Final = "over_cap"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Contract 3."""

    window_min: int = 1
    by_code: bool = False


@dataclass(frozen=True, slots=True)
class ClaimWindow:
    """How long before its start and after its end a shift claims punches (contract 4)."""

    pre_min: int = 120
    post_min: int = 240


@dataclass(frozen=True, slots=True)
class Pairing:
    """Contract 6."""

    mode: str = "alternating"
    extends_double_out: bool = False
    ot_code_tier: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Contract 7."""

    out: str = "exception"
    into: str = "exception"
    cap_min: int = 0


@dataclass(frozen=True, slots=True)
class Grid:
    """One rounding: a mode, its interval and the minutes forgiven (contract 8.3)."""

    mode: str
    interval: int
    grace: int = 0


@dataclass(frozen=True, slots=True)
class Rounding:
    """Contract 8.3 and 8.7."""

    into: Grid | None = None
    out: Grid | None = None
    total: Grid | None = None
    is_outer: bool = False


@dataclass(frozen=True, slots=True)
class Snap:
    """Contract 8.2."""

    in_before: int = 0
    in_after: int = 0
    out_before: int = 0
    out_after: int = 0


@dataclass(frozen=True, slots=True)
class PaidGap:
    """Contract 9.1."""

    max_min: int
    is_credit: bool = False


@dataclass(frozen=True, slots=True)
class AutoDeduct:
    """Contract 9.3."""

    after_min: int
    deduct_min: int
    mode: str = "always"
    is_inclusive: bool = False
    is_floored: bool = False


@dataclass(frozen=True, slots=True)
class Breaks:
    """Contract 9.1-9.3."""

    paid_gap: PaidGap | None = None
    windows: tuple[Span, ...] = ()
    auto_deduct: tuple[AutoDeduct, ...] = ()


@dataclass(frozen=True, slots=True)
class MealRule:
    """Contract 9.5."""

    if_work_over_min: int
    start_within_work_min: int
    min_meal_min: int
    is_waived: bool = False
    waive_if_total_le: int | None = None


@dataclass(frozen=True, slots=True)
class Lateness:
    """Contract 11."""

    grace_in_min: int = 0
    grace_out_min: int = 0
    counts_excess: bool = False
    from_rounded: bool = False


@dataclass(frozen=True, slots=True)
class LadderStep:
    """From this minute of the day on, this tier; `after` None means the scheduled minutes."""

    after: int | None
    tier: str


Ladder = tuple[LadderStep, ...]


@dataclass(frozen=True, slots=True)
class SeventhDay:
    """Contract 12, last paragraph."""

    tiers: Ladder
    exempt_all_days_le: int | None = None


@dataclass(frozen=True, slots=True)
class Remap:
    """Contract 12.6."""

    window: Span
    map: dict[str, str]


@dataclass(frozen=True, slots=True)
class Overtime:
    """Contract 12."""

    daily: Ladder = ()
    weekly: Ladder = ()
    holiday: Ladder = ()
    rest: Ladder = ()
    weekday: dict[int, Ladder] = field(default_factory=dict)
    seventh_day: SeventhDay | None = None
    min_daily_ot_min: int = 0
    premium_counts_weekly: bool = False
    window_remap: tuple[Remap, ...] = ()
    daily_cap_min: int | None = None
    approval_required: bool = False
    anchor: int = -3
    """Any first day of a period; 1969-12-29 was a Monday."""
    period_days: int = 7


@dataclass(frozen=True, slots=True)
class Night:
    """Contract 13."""

    window: Span
    min_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Compliance:
    """Contract 13; None means not watched."""

    daily_rest_min: int | None = None
    max_span_min: int | None = None
    max_consecutive_min: int | None = None
    break_min_len: int = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything a policy says."""

    duplicates: Duplicates = Duplicates()
    window: ClaimWindow = ClaimWindow()
    pairing: Pairing = Pairing()
    missing: Missing = Missing()
    rounding: Rounding = Rounding()
    snap: Snap | None = None
    clamp_early_in: bool = False
    clamp_late_out: bool = False
    breaks: Breaks = Breaks()
    meal_penalty: tuple[MealRule, ...] = ()
    lateness: Lateness = Lateness()
    absent_below_min: int = 0
    half_day_below_min: int = 0
    day_attribution: str = "shift_start"
    day_start: int = 0
    max_session_min: int = 960
    new_shift_gap_min: int = 240
    tiers: dict[str, float] = field(default_factory=dict)
    overtime: Overtime = Overtime()
    night: Night | None = None
    compliance: Compliance = Compliance()
    credits_holiday: bool = False

    def multiplier(self, tier: str) -> float:
        """What a minute of the tier is worth; `regular` is 1.0."""
        return self.tiers.get(tier, 1.0)
