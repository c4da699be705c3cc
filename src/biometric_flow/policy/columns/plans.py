"""The plan of a person as rows, made once for all who share it."""

from dataclasses import dataclass

import numpy as np

from biometric_flow.policy.columns.arrays import Bools, Ints
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.schedules import assigned_shifts, instance, is_rest_day
from biometric_flow.policy.zones import Span


@dataclass(frozen=True, slots=True)
class Plan:
    """Shifts by the beginning of their claim, in the order of the columns of `Shifts`; and days of rest."""

    rows: Ints
    is_rest: Bools
    """By day."""


class Plans:
    """The plans of people over the same days."""

    def __init__(self, days: Span) -> None:
        self._days = days
        self._known: dict[object, Plan] = {}

    def of(self, given: Inputs) -> Plan:
        """The plan of a person."""
        plan, shifts = given.schedule, given.shifts
        key = (
            *(id(given.zone), given.policy.window, plan.mode, tuple(plan.weekly.items()), plan.rotation_anchor),
            *(plan.rotation, plan.assignments, plan.rest_weekdays, tuple(shifts.items())),
        )
        if key not in self._known:
            self._known[key] = _plan(given, self._days)
        return self._known[key]


def _plan(given: Inputs, days: Span) -> Plan:
    first, last = days
    found = [
        instance(given.shifts[name], day, given.zone, given.policy.window)
        for day in range(first, last + 1)
        for name in dict.fromkeys(assigned_shifts(given.schedule, day))
    ]
    found.sort(key=lambda one: one.opens)
    rows = [
        (
            *(one.day, one.start, one.end, one.opens, one.closes),
            *(one.core_start, one.core_end, one.scheduled, one.shift.is_flexible),
        )
        for one in found
    ]
    rest = [is_rest_day(given.schedule, day) for day in range(first, last + 1)]
    return Plan(np.array(rows, np.int64).reshape(len(rows), 9), np.array(rest, np.bool_))
