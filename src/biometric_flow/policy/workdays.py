"""The result: what one person's punches amount to on one business day."""

from dataclasses import dataclass
from typing import Any

from biometric_flow.policy.breaks import Run
from biometric_flow.policy.fields import date_text
from biometric_flow.policy.trace import Step


@dataclass(frozen=True, slots=True)
class Workday:
    """One day of one person. All durations are minutes; `worked` is the sum of `pay`.

    Over all days `worked` = `gross` + `rounding` - `unpaid_break`.
    """

    day: int
    status: str
    worked: int
    pay: dict[str, int]
    scheduled: int
    leave: int
    short: int
    late: int
    early_out: int
    unpaid_break: int
    night: int
    meal_penalty: int
    irregularities: tuple[str, ...]
    ot_approved: int
    ot_pending: int
    holiday_credit: int
    gross: int
    rounding: int
    runs: tuple[Run, ...]
    pack: str
    trace: tuple[Step, ...]

    def row(self) -> dict[str, Any]:
        """The fields of contract 15 under their names there."""
        return {
            "date": date_text(self.day),
            "status": self.status,
            "worked": self.worked,
            "pay": dict(self.pay),
            "scheduled": self.scheduled,
            "leave": self.leave,
            "short": self.short,
            "late": self.late,
            "early_out": self.early_out,
            "break": self.unpaid_break,
            "night": self.night,
            "meal_penalty": self.meal_penalty,
            "exceptions": list(self.irregularities),
            "ot_approved": self.ot_approved,
            "ot_pending": self.ot_pending,
            "holiday_credit": self.holiday_credit,
        }
