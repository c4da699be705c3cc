"""How workdays and irregularities are named wherever they appear."""

from collections.abc import Mapping
from typing import Final

from biometric_flow.dashboard.words import noted

STATUSES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "present": (noted("P"), "●", noted("Present"), "ok"),
    "half_day": ("½", "◐", noted("Half day"), "warn"),
    "absent": (noted("A"), "■", noted("Absent"), "bad"),
    "incomplete": ("?", "▲", noted("Punch missing"), "bad"),
    "leave": (noted("L"), "○", noted("Leave"), "unknown"),
    "holiday": (noted("H"), "○", noted("Holiday"), "unknown"),
    "holiday_worked": (noted("H"), "●", noted("Holiday worked"), "ok"),
    "rest": ("·", "○", noted("Day off"), "unknown"),
    "off": ("·", "○", noted("Day off"), "unknown"),
    "rest_worked": (noted("R"), "●", noted("Day off worked"), "ok"),
    "in_progress": ("…", "◐", noted("At work"), "ok"),
    "pending": ("…", "○", noted("Still to come"), "unknown"),
}
"""Status -> letter in the calendar, shape, word, tone: never colour alone."""

IRREGULARITIES: Final[Mapping[str, str]] = {
    "MISSING_IN": noted("Check-in missing"),
    "MISSING_OUT": noted("Check-out missing"),
    "MISSING_BREAK_IN": noted("End of a break missing"),
    "MISSING_BREAK_OUT": noted("Start of a break missing"),
    "DOUBLE_IN": noted("Checked in twice"),
    "DOUBLE_BREAK": noted("Break begun twice"),
    "UNKNOWN_CODE": noted("Key without a meaning"),
    "UNSCHEDULED": noted("Worked without a shift"),
    "IN_PROGRESS": noted("At work now"),
    "OT_CAP": noted("Overtime beyond the cap"),
    "REST_SHORT": noted("Too little rest before"),
    "SPAN_LONG": noted("Too long from first to last punch"),
    "CONSECUTIVE_LONG": noted("Too long without a break"),
    "WORKED_ON_LEAVE": noted("Worked on leave"),
}
