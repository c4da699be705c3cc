"""What a simulated terminal remembers besides people and punches: access control, messages, operations, display."""

from dataclasses import dataclass, field
from typing import NamedTuple

from biometric_flow.zk.push.commands import SetHoliday, SetHolidayDate
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.wire.access import OPEN, AccessGroup, AccessZone, UnlockCombination, UserZones
from biometric_flow.zk.wire.cards import CardContent
from biometric_flow.zk.wire.messages import ShortMessage
from biometric_flow.zk.wire.oplog import OperationRecord

MESSAGES_MAX = 1_000


class Enrolling(NamedTuple):
    """An enrolment that the terminal was asked for."""

    user_id: str
    finger: int


@dataclass(slots=True)
class Extras:
    """Plain values; the requests that change them are in `upkeep` and `access`."""

    zones: dict[int, AccessZone] = field(default_factory=dict)
    groups: dict[int, AccessGroup] = field(default_factory=dict)
    combinations: dict[int, UnlockCombination] = field(default_factory=dict)
    user_groups: dict[int, int] = field(default_factory=dict)
    user_zones: dict[int, UserZones] = field(default_factory=dict)
    verify_modes: dict[int, int] = field(default_factory=dict)
    messages: dict[int, ShortMessage] = field(default_factory=dict)
    given: set[tuple[int, int]] = field(default_factory=set)
    """Which user has which message."""
    operations: list[OperationRecord] = field(default_factory=list)
    work_codes: bytes = b""
    """Its table of work codes, whose layout is not public."""
    card: CardContent | None = None
    """The card that lies on it."""
    speed: int = 0
    lcd: dict[int, str] = field(default_factory=dict)
    voices: list[int] = field(default_factory=list)
    unlocked_for: list[int] = field(default_factory=list)
    """The delays it was told, in whatever unit."""
    door_is_open: bool = False
    is_asleep: bool = False
    shows_clock: bool = True
    asked_uid: int = 0
    """Who was asked to verify."""
    enrolling: Enrolling | None = None
    enrol_result: int = 0
    """How the next enrolment ends."""
    opened: list[tuple[int, int]] = field(default_factory=list)
    """Doors that a push command opened, and for how many seconds; 0 for as long as it is set to."""
    alarm_is_on: bool = False
    authorized: dict[str, tuple[int, int]] = field(default_factory=dict)
    """PIN -> time zone and doors, one bit each, of an access terminal."""
    holidays: dict[int, SetHoliday] = field(default_factory=dict)
    holiday_dates: list[SetHolidayDate] = field(default_factory=list)
    pushed_work_codes: dict[str, str] = field(default_factory=dict)
    pushed_templates: dict[tuple[str, str, int, int, int], TemplateLine] = field(default_factory=dict)
    """Templates and pictures by tag, PIN, type, number and index, as push terminals keep them."""
    hides_passwords: bool = False
    """Whether it leaves passwords out when it tells of people."""
    faces: int = 0
    """Faces that it says it holds over pull, where they have no public layout."""
    photos: int = 0
    """Pictures taken at verifying."""
    refuses_files: bool = False
    """Whether it has no room for any."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What was fetched, by path or as `firmware`."""

    def zone(self, index: int) -> AccessZone:
        """The opening times, open all week unless written."""
        return self.zones.get(index) or AccessZone(index, (OPEN,) * 7)

    def group(self, group: int) -> AccessGroup:
        """What a group may do."""
        return self.groups.get(group) or AccessGroup(group, (1, 0, 0))

    def combination(self, number: int) -> UnlockCombination:
        """Who opens the door together."""
        return self.combinations.get(number) or UnlockCombination(number, (1,) if number == 1 else ())

    def clear_access(self) -> None:
        """Back to what the factory set."""
        for table in (
            self.zones,
            self.groups,
            self.combinations,
            self.user_groups,
            self.user_zones,
            self.verify_modes,
        ):
            table.clear()
