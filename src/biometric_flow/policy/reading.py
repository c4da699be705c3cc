"""A policy document into its rules; every refusal points at the field."""

from collections.abc import Iterable
from typing import Final

from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.rules import (
    REGULAR,
    AutoDeduct,
    Breaks,
    ClaimWindow,
    Compliance,
    Duplicates,
    Grid,
    Ladder,
    LadderStep,
    Lateness,
    MealRule,
    Missing,
    Night,
    Overtime,
    PaidGap,
    Pairing,
    Policy,
    Remap,
    Rounding,
    SeventhDay,
    Snap,
)
from biometric_flow.policy.zones import DAY, Span

PAIRING_MODES: Final = ("alternating", "first_last", "state", "state_first_last", "hybrid")
ATTRIBUTIONS: Final = ("shift_start", "split", "shift_end", "majority")

_RULES_MAX: Final = 50


def read_policy(fields: Fields) -> Policy:
    """The rules of a policy document. Raises PolicyInvalid; unknown names are noted in `fields`."""
    tiers = _tiers(fields.child("tiers"))
    duplicate, window = fields.child("duplicate"), fields.child("window")
    thresholds, holiday = fields.child("thresholds"), fields.child("holiday")
    overtime = fields.child("overtime")
    policy = Policy(
        duplicates=_duplicates(duplicate) if duplicate else Duplicates(),
        window=_claim_window(window) if window else ClaimWindow(),
        pairing=_pairing(fields.child("pairing"), tiers),
        missing=_missing(fields.child("missing")),
        rounding=_rounding(fields.child("rounding")),
        snap=_snap(fields.child("snap")),
        clamp_early_in=fields.flag("clamp_early_in"),
        clamp_late_out=fields.flag("clamp_late_out"),
        breaks=_breaks(fields.child("breaks")),
        meal_penalty=tuple(map(_meal, fields.children("meal_penalty", _RULES_MAX))),
        lateness=_lateness(fields),
        absent_below_min=thresholds.integer("absent_below_min", 0) if thresholds else 0,
        half_day_below_min=thresholds.integer("half_day_below_min", 0) if thresholds else 0,
        day_attribution=fields.choice("day_attribution", ATTRIBUTIONS, "shift_start"),
        day_start=fields.clock("day_start", 0),
        max_session_min=fields.integer("max_session_min", 960, 1),
        new_shift_gap_min=fields.integer("new_shift_gap_min", 240),
        tiers=tiers,
        overtime=_overtime(overtime, tiers) if overtime else Overtime(),
        night=_night(fields.child("night")),
        compliance=_compliance(fields.child("compliance")),
        credits_holiday=holiday is not None and holiday.choice("credit", ("none", "scheduled"), "none") == "scheduled",
    )
    _finished(duplicate, window, thresholds, holiday, fields)
    return policy


def _finished(*all_read: Fields | None) -> None:
    for read in all_read:
        if read:
            read.rest()


def _tiers(fields: Fields | None) -> dict[str, float]:
    tiers = {name: fields.number(name, 0, 100) for name in fields.names()} if fields else {}
    if fields and tiers.get(REGULAR, 1.0) != 1.0:
        raise PolicyInvalid(fields.at(REGULAR), "1.0, what every other tier is compared with", tiers[REGULAR])
    return tiers


def _tier(fields: Fields, name: str, tiers: dict[str, float]) -> str:
    tier = fields.text(name)
    if tier != REGULAR and tier not in tiers:
        raise PolicyInvalid(fields.at(name), "a tier that policy.tiers gives a multiplier", tier)
    return tier


def _claim_window(fields: Fields) -> ClaimWindow:
    return ClaimWindow(fields.integer("pre_min", 120, 0, DAY), fields.integer("post_min", 240, 0, DAY))


def _duplicates(fields: Fields) -> Duplicates:
    return Duplicates(fields.integer("window_min", 1), fields.choice("scope", ("any", "code"), "any") == "code")


def _pairing(fields: Fields | None, tiers: dict[str, float]) -> Pairing:
    if not fields:
        return Pairing()
    pairing = Pairing(
        mode=fields.choice("mode", PAIRING_MODES, "alternating"),
        extends_double_out=fields.choice("double_out", ("ignore", "extend"), "ignore") == "extend",
        ot_code_tier=_tier(fields, "ot_code_tier", tiers) if fields.has("ot_code_tier") else None,
    )
    fields.rest()
    return pairing


def _missing(fields: Fields | None) -> Missing:
    if not fields:
        return Missing()
    out = fields.choice("out", ("exception", "shift_end", "cap"), "exception")
    missing = Missing(
        out=out,
        into=fields.choice("in", ("exception", "shift_start"), "exception"),
        cap_min=fields.integer("cap_min", None if out == "cap" else 0),
    )
    fields.rest()
    return missing


def _rounding(fields: Fields | None) -> Rounding:
    if not fields:
        return Rounding()
    rounding = Rounding(
        into=_grid(fields.child("in")),
        out=_grid(fields.child("out")),
        total=_grid(fields.child("total")),
        is_outer=fields.choice("scope", ("all", "outer"), "all") == "outer",
    )
    fields.rest()
    return rounding


def _grid(fields: Fields | None) -> Grid | None:
    if not fields:
        return None
    mode = fields.choice("mode", ("none", "nearest", "up", "down"), "none")
    grid = Grid(mode, fields.integer("interval", 1 if mode == "none" else None, 1, DAY), fields.integer("grace", 0))
    fields.rest()
    return None if mode == "none" else grid


def _snap(fields: Fields | None) -> Snap | None:
    if not fields:
        return None
    snap = Snap(*(fields.integer(name, 0, 0, DAY) for name in ("in_before", "in_after", "out_before", "out_after")))
    fields.rest()
    return snap


def _breaks(fields: Fields | None) -> Breaks:
    if not fields:
        return Breaks()
    gap = fields.child("paid_gap")
    paid = None
    if gap:
        mode = gap.choice("mode", ("all_or_nothing", "credit"), "all_or_nothing")
        paid = PaidGap(gap.integer("max_min"), mode == "credit")
    breaks = Breaks(
        paid_gap=paid,
        windows=tuple(_window(window) for window in fields.children("windows", _RULES_MAX)),
        auto_deduct=tuple(map(_auto_deduct, fields.children("auto_deduct", _RULES_MAX))),
    )
    _finished(gap, fields)
    return breaks


def _window(fields: Fields, *more: str) -> Span:
    window = fields.clock("from"), fields.clock("to")
    for name in more:
        fields.value(name)
    fields.rest()
    return window


def _auto_deduct(fields: Fields) -> AutoDeduct:
    rule = AutoDeduct(
        after_min=fields.integer("after_min"),
        deduct_min=fields.integer("deduct_min"),
        mode=fields.choice("mode", ("always", "top_up", "unless_punched"), "always"),
        is_inclusive=fields.flag("inclusive"),
        is_floored=fields.flag("not_below_threshold"),
    )
    fields.rest()
    return rule


def _meal(fields: Fields) -> MealRule:
    rule = MealRule(
        if_work_over_min=fields.integer("if_work_over_min"),
        start_within_work_min=fields.integer("start_within_work_min"),
        min_meal_min=fields.integer("min_meal_min"),
        is_waived=fields.flag("waived"),
        waive_if_total_le=fields.maybe_integer("waive_if_total_le"),
    )
    fields.rest()
    return rule


def _lateness(fields: Fields) -> Lateness:
    return Lateness(
        grace_in_min=fields.integer("grace_in_min", 0),
        grace_out_min=fields.integer("grace_out_min", 0),
        counts_excess=fields.choice("late_counting", ("full", "excess"), "full") == "excess",
        from_rounded=fields.choice("late_basis", ("actual", "rounded"), "actual") == "rounded",
    )


def _ladder(steps: Iterable[Fields], tiers: dict[str, float]) -> Ladder:
    return tuple(_step(step, tiers) for step in steps)


def _step(fields: Fields, tiers: dict[str, float]) -> LadderStep:
    if fields.value("after") == "scheduled":
        after = None
    elif isinstance(fields.value("after"), str):
        raise PolicyInvalid(fields.at("after"), 'minutes or "scheduled"', fields.value("after"))
    else:
        after = fields.integer("after")
    step = LadderStep(after, _tier(fields, "tier", tiers))
    fields.rest()
    return step


def _overtime(fields: Fields, tiers: dict[str, float]) -> Overtime:
    days, seventh, period = fields.child("day_tiers"), fields.child("seventh_day"), fields.child("period")
    weekdays = days.child("weekday") if days else None
    anchor, length = fields.integer("week_start", 1, 1, 7) - 4, 7
    if period:
        anchor, length = period.date("anchor"), period.integer("days", None, 1, 366)
    overtime = Overtime(
        daily=_ladder(fields.children("daily", _RULES_MAX), tiers),
        weekly=_ladder(fields.children("weekly", _RULES_MAX), tiers),
        holiday=_ladder(days.children("holiday", _RULES_MAX), tiers) if days else (),
        rest=_ladder(days.children("rest", _RULES_MAX), tiers) if days else (),
        weekday=_weekday_ladders(weekdays, tiers) if weekdays else {},
        seventh_day=_seventh(seventh, tiers) if seventh else None,
        min_daily_ot_min=fields.integer("min_daily_ot_min", 0),
        premium_counts_weekly=fields.flag("premium_counts_weekly"),
        window_remap=tuple(map(_remap, fields.children("window_remap", _RULES_MAX))),
        daily_cap_min=fields.maybe_integer("daily_cap_min"),
        approval_required=fields.flag("approval_required"),
        anchor=anchor,
        period_days=length,
    )
    _finished(days, seventh, period, fields)
    return overtime


def _weekday_ladders(fields: Fields, tiers: dict[str, float]) -> dict[int, Ladder]:
    ladders = {}
    for name in fields.names():
        if name not in tuple("1234567"):
            raise PolicyInvalid(fields.at(name), 'a weekday from "1" (Monday) to "7"', name)
        ladders[int(name)] = _ladder(fields.children(name, _RULES_MAX), tiers)
    return ladders


def _seventh(fields: Fields, tiers: dict[str, float]) -> SeventhDay:
    steps = _ladder(fields.children("tiers", _RULES_MAX), tiers)
    return SeventhDay(steps, fields.maybe_integer("exempt_all_days_le"))


def _remap(fields: Fields) -> Remap:
    names = fields.child("map")
    if not names:
        raise PolicyInvalid(fields.at("map"), "an object of tier names", is_missing=True)
    return Remap(_window(fields, "map"), {name: names.text(name) for name in names.names()})


def _night(fields: Fields | None) -> Night | None:
    if not fields:
        return None
    return Night(_window(fields, "min_minutes"), fields.integer("min_minutes", 0))


def _compliance(fields: Fields | None) -> Compliance:
    if not fields:
        return Compliance()
    compliance = Compliance(
        daily_rest_min=fields.maybe_integer("daily_rest_min"),
        max_span_min=fields.maybe_integer("max_span_min"),
        max_consecutive_min=fields.maybe_integer("max_consecutive_min"),
        break_min_len=fields.integer("break_min_len", 1, 1),
    )
    fields.rest()
    return compliance
