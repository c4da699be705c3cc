"""Which shift a punch belongs to: one pass over the kept punches in time order (contract 5)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from biometric_flow.policy.duplicates import KeptPunch
from biometric_flow.policy.inputs import Schedule, Shift
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.schedules import Instance, instance
from biometric_flow.policy.zones import DAY, HomeZone

CODED_MODES: Final = ("state", "state_first_last", "hybrid")
IN_CODES: Final = (0, 4)
OUT_CODES: Final = (1, 5)
_OPENING: Final = (0, 2, 3, 4)
_KEYS_MAX: Final = 5


class Group:
    """The punches of one shift instance, or of an unscheduled stretch of work, and the day it was created with."""

    __slots__ = ("day", "last_key", "plan", "punches", "rule")

    def __init__(self, day: int, plan: Instance | None) -> None:
        self.day = day
        self.plan = plan
        self.punches: list[KeptPunch] = []
        self.rule: list[str] = []
        self.last_key: int | None = None
        """The last code of 0-5."""

    def take(self, punch: KeptPunch, rule: str) -> None:
        """Add a punch; `rule` says why it is here."""
        self.punches.append(punch)
        self.rule.append(rule)
        if 0 <= punch.code <= _KEYS_MAX:
            self.last_key = punch.code

    def is_open(self, mode: str) -> bool:
        """Whether somebody is inside, as far as the pairing mode can tell without pairing."""
        if not self.punches:
            return False
        if mode in ("state", "state_first_last"):
            return self.last_key in _OPENING
        if mode == "hybrid" and 0 <= self.punches[-1].code <= _KEYS_MAX:
            return self.punches[-1].code in _OPENING
        return len(self.punches) % 2 == 1


class Attribution:
    """The pass. Feed it punches in time order with `place`, then read `groups`."""

    def __init__(self, zone: HomeZone, policy: Policy, planned: Iterable[Instance]) -> None:
        self._zone = zone
        self._policy = policy
        self._mode = policy.pairing.mode
        self._planned: dict[tuple[int, str], Group] = {}
        self._by_utc_day: dict[int, list[Group]] = {}
        self._unscheduled: list[Group] = []
        self._touched: dict[Group, None] = {}
        """Groups that have punches, the one touched last at the end."""
        for plan in planned:
            self._plan_group(plan)

    @property
    def groups(self) -> list[Group]:
        """All groups, those without punches too."""
        return [*self._planned.values(), *self._unscheduled]

    def follow(self, policy: Policy) -> None:
        """From the next punch on go by another policy."""
        self._policy, self._mode = policy, policy.pairing.mode

    def place(self, punch: KeptPunch) -> None:
        """Give a punch to its group in mode `assigned` (R1, R4, R2)."""
        candidates = self._claiming(punch.minute)
        if not candidates:
            self._nowhere(punch)
        elif len(candidates) == 1:
            self._one(punch, candidates[0])
        else:
            self._several(punch, candidates)

    def place_detecting(self, punch: KeptPunch, detect: Callable[[int], Instance | None]) -> None:
        """Give a punch to its group in mode `auto`; `detect` finds the template that begins nearest."""
        minute, coded_in = punch.minute, self._is_in(punch)
        mine = self._claiming(minute)
        chosen = next((one for one in mine if not coded_in and one.is_open(self._mode)), None)
        rule = "5 auto.open"
        if chosen is None:
            rule, chosen = "5 auto.running", next((one for one in mine if one.plan and minute < one.plan.end), None)
        if chosen is None and self._is_out(punch):
            rule, chosen = "5 auto.out", self._open_group(minute)
        if chosen is None and (plan := detect(minute)):
            rule, chosen = "5 auto.detect", self._plan_group(plan)
        if chosen is None and mine:
            rule, chosen = "5 auto.window", mine[0]
        if chosen is None:
            self._nowhere(punch)
        else:
            self._give(punch, chosen, rule)

    def _one(self, punch: KeptPunch, only: Group) -> None:
        plan = only.plan
        assert plan is not None
        chosen, rule = None, "5 R1"
        if self._is_out(punch) and not only.is_open(self._mode):
            chosen, rule = self._open_group(punch.minute), "5 R1a"
        elif not self._is_in(punch) and not only.punches and is_nearer_end(plan, punch.minute):
            chosen, rule = self._open_group(punch.minute), "5 R1b"
        if chosen is None:
            chosen, rule = only, "5 R1"
        self._give(punch, chosen, rule)

    def _several(self, punch: KeptPunch, candidates: Sequence[Group]) -> None:
        minute = punch.minute
        if not self._is_in(punch):
            for index, one in enumerate(candidates):
                if one.is_open(self._mode):
                    later = candidates[index + 1] if index + 1 < len(candidates) else None
                    stays = later is None or abs(minute - _plan(one).end) <= abs(minute - _plan(later).start)
                    self._give(punch, one if stays or later is None else later, "5 R4a")
                    return
        running = next((one for one in candidates if one.punches and minute < _plan(one).end), None)
        if running:
            self._give(punch, running, "5 R4b")
        else:
            self._give(punch, min(candidates, key=lambda one: abs(minute - _plan(one).start)), "5 R4c")

    def _nowhere(self, punch: KeptPunch) -> None:
        chosen = None if self._is_in(punch) else self._open_group(punch.minute)
        if chosen:
            self._give(punch, chosen, "5 R2")
            return
        group = self._unscheduled_group(punch.minute)
        self._give(punch, group, "5.1 unscheduled")

    def _unscheduled_group(self, minute: int) -> Group:
        policy = self._policy
        if self._unscheduled:
            latest = self._unscheduled[-1]
            if not latest.is_open(self._mode) and minute - latest.punches[-1].minute <= policy.new_shift_gap_min:
                return latest
        day = self._zone.day(minute) - (self._zone.wall(minute) % DAY < policy.day_start)
        same = next((one for one in reversed(self._unscheduled) if one.day == day), None)
        if same and not (same.is_open(self._mode) and minute - same.punches[-1].minute > policy.max_session_min):
            return same
        group = Group(day, None)
        self._unscheduled.append(group)
        return group

    def _claiming(self, minute: int) -> list[Group]:
        """Instances whose claim window contains the minute, by start."""
        near = self._by_utc_day.get(minute // DAY, ())
        return [group for group in near if _plan(group).claims(minute)]

    def _plan_group(self, plan: Instance) -> Group:
        """The group of an instance; on one day a shift has one."""
        name = plan.day, plan.shift.id
        if name not in self._planned:
            group = self._planned[name] = Group(plan.day, plan)
            for utc_day in range(plan.opens // DAY, plan.closes // DAY + 1):
                near = self._by_utc_day.setdefault(utc_day, [])
                near.append(group)
                near.sort(key=lambda one: _plan(one).start)
        return self._planned[name]

    def _open_group(self, minute: int) -> Group | None:
        """The open group of any kind whose last punch is latest and not longer ago than a session may last."""
        for group in reversed(self._touched):
            if minute - group.punches[-1].minute > self._policy.max_session_min:
                return None
            if group.is_open(self._mode):
                return group
        return None

    def _give(self, punch: KeptPunch, group: Group, rule: str) -> None:
        group.take(punch, rule)
        self._touched.pop(group, None)
        self._touched[group] = None

    def _is_in(self, punch: KeptPunch) -> bool:
        return self._mode in CODED_MODES and punch.code in IN_CODES

    def _is_out(self, punch: KeptPunch) -> bool:
        return self._mode in CODED_MODES and punch.code in OUT_CODES


def is_nearer_end(plan: Instance, minute: int) -> bool:
    """Whether a minute is strictly nearer the end of a shift than its start."""
    return abs(minute - plan.end) < abs(minute - plan.start)


def _plan(group: Group) -> Instance:
    assert group.plan is not None
    return group.plan


def detector(
    schedule: Schedule, shifts: dict[str, Shift], policy_on: Callable[[int], Policy], zone: HomeZone
) -> Callable[[int], Instance | None]:
    """What finds the template of mode `auto` whose start is nearest to a minute, if one begins near enough."""

    def detect(minute: int) -> Instance | None:
        today = zone.day(minute)
        best: Instance | None = None
        for name in schedule.auto:
            for day in (today - 1, today, today + 1):
                plan = instance(shifts[name], day, zone, policy_on(day).window)
                if not plan.opens <= minute <= plan.start + plan.shift.detect_after_min:
                    continue
                if best is None or abs(minute - plan.start) < abs(minute - best.start):
                    best = plan
        return best

    return detect
