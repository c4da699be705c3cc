"""Random people, days and policies for the properties."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import GivenPunch, Inputs, Schedule, Shift
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import HomeZone

FIRST = datetime(2024, 3, 25)
"""A Monday; Europe changes its clocks on the Sunday after, Cairo a month later."""
ZONES = ("Etc/UTC", "Africa/Cairo", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York")
SHIFTS = {
    "D": Shift("D", 540, 1020, 30),
    "N": Shift("N", 1320, 360),
    "F": Shift("F", 360, 1320, 0, None, None, 240, 600, 900, 480),
}

_grids = st.fixed_dictionaries(
    {"mode": st.sampled_from(["nearest", "up", "down"]), "interval": st.sampled_from([2, 5, 6, 10, 15, 30])},
    optional={"grace": st.integers(0, 7)},
)
_windows = st.sampled_from([("22:00", "06:00"), ("12:00", "13:00"), ("19:00", "07:00"), ("00:00", "04:00")])


def on_grid(said: Any, grain: int, name: str = "") -> Any:
    """A document whose minutes are multiples of `grain`: with punches on the same grid every limit is met exactly."""
    if isinstance(said, dict):
        return {key: on_grid(inner, grain, key) for key, inner in said.items()}
    if isinstance(said, list):
        return [on_grid(inner, grain) for inner in said]
    if grain == 1 or type(said) is not int or name in ("week_start", "days"):
        return said
    return -(-said // grain) * grain * (1 + (name == "interval"))


@st.composite
def policies(draw: st.DrawFn, grain: int = 1) -> dict[str, Any]:
    """A policy document the slow calculator knows."""
    breaks: dict[str, Any] = {}
    if draw(st.booleans()):
        breaks["paid_gap"] = {"max_min": draw(st.integers(0, 60))}
    if draw(st.booleans()):
        breaks["windows"] = [dict(zip(("from", "to"), draw(_windows), strict=True))]
    if draw(st.booleans()):
        mode = st.sampled_from(["always", "top_up", "unless_punched"])
        breaks["auto_deduct"] = [
            {"after_min": after, "deduct_min": draw(st.integers(0, 90)), "mode": draw(mode)}
            for after in (200, 360, 540)
        ]
    overtime: dict[str, Any] = {
        "daily": draw(st.sampled_from([[], [{"after": 480, "tier": "ot1"}, {"after": 600, "tier": "ot2"}]])),
        "weekly": draw(st.sampled_from([[], [{"after": 1500, "tier": "ot1"}], [{"after": 1200, "tier": "ot2"}]])),
        "min_daily_ot_min": draw(st.sampled_from([0, 30])),
    }
    if draw(st.booleans()):
        window = dict(zip(("from", "to"), draw(_windows), strict=True))
        overtime["window_remap"] = [{**window, "map": {"ot1": "late", "regular": "evening"}}]
    if draw(st.booleans()):
        overtime["daily_cap_min"] = draw(st.integers(0, 120))
    night = dict(zip(("from", "to"), draw(_windows), strict=True))
    rounding = draw(st.fixed_dictionaries({}, optional={"in": _grids, "out": _grids, "total": _grids}))
    document = {
        "tiers": {"ot1": 1.5, "ot2": 2.0, "late": 1.7, "evening": 1.1},
        "duplicate": {"window_min": 0},
        "rounding": rounding,
        "breaks": breaks,
        "overtime": overtime,
        "night": {**night, "min_minutes": draw(st.sampled_from([0, 121]))},
    }
    found: dict[str, Any] = on_grid(document, grain)
    return found


@st.composite
def weeks(draw: st.DrawFn, zone: ZoneInfo, grain: int = 1) -> dict[str, list[tuple[datetime, datetime]]]:
    """Eight dates with some work each, around noon, so that it stays within its date and one session."""
    days: dict[str, list[tuple[datetime, datetime]]] = {}
    for number in range(8):
        noon = (FIRST + timedelta(days=number, hours=12)).replace(tzinfo=zone).astimezone(UTC)
        marks = sorted(draw(st.lists(st.integers(-470 // grain + 1, 470 // grain), max_size=8, unique=True)))
        marks = [mark * grain for mark in marks]
        marks = marks[: len(marks) // 2 * 2]
        moments = [noon + timedelta(minutes=mark) for mark in marks]
        if moments:
            date = (FIRST + timedelta(days=number)).date().isoformat()
            days[date] = list(zip(moments[::2], moments[1::2], strict=True))
    return days


@st.composite
def people(draw: st.DrawFn) -> Inputs:
    """Anybody: any policy, any punches with any keys, with a schedule or none, two weeks long."""
    document = draw(policies())
    document["pairing"] = {
        "mode": draw(st.sampled_from(["alternating", "first_last", "state", "state_first_last", "hybrid"])),
        "ot_code_tier": "ot1",
    }
    document["missing"] = {"out": draw(st.sampled_from(["exception", "shift_end", "cap"])), "cap_min": 300}
    document["day_attribution"] = draw(st.sampled_from(["shift_start", "split", "shift_end", "majority"]))
    document["duplicate"] = {"window_min": draw(st.integers(0, 3))}
    if draw(st.booleans()):
        document["snap"] = {"in_before": 20, "in_after": 10, "out_before": 10, "out_after": 20}
    first = FIRST.toordinal() - EPOCH
    base = first * 86400
    seconds = draw(st.lists(st.integers(0, 14 * 86400), max_size=40, unique=True))
    punches = tuple(
        GivenPunch(f"p{number}", base + second, code=draw(st.sampled_from([0, 0, 1, 1, 2, 3, 4, 5, 255])))
        for number, second in enumerate(seconds)
    )
    schedule = draw(
        st.sampled_from(
            [
                Schedule(),
                Schedule("assigned", dict.fromkeys(range(1, 6), ("D",)), rest_weekdays=frozenset({6, 7})),
                Schedule("assigned", rotation_anchor=first, rotation=(("D",), ("N",), ("F",), (), ("D", "N"))),
                Schedule("auto", auto=("D", "N")),
            ]
        )
    )
    return Inputs(
        zone=HomeZone(ZoneInfo(draw(st.sampled_from(ZONES)))),
        first=first - 2,
        last=first + 16,
        policy=read_policy(Fields(document, "policy", [])),
        punches=punches,
        shifts=SHIFTS,
        schedule=schedule,
        holidays=draw(st.sampled_from([{}, {first + 2: "holiday"}])),
    )


def plain(given: Inputs, zone: str) -> Inputs:
    """The same person in another zone, without shifts; the policy guesses nothing and cuts at the borders of days."""
    document = {"duplicate": {"window_min": 0}, "day_attribution": "split"}
    policy = read_policy(Fields(document, "policy", []))
    return replace(given, zone=HomeZone(ZoneInfo(zone)), policy=policy, schedule=Schedule())
