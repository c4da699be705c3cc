"""Opening times and groups as people order them -> as terminals of either channel take them. Pure."""

from biometric_flow.api.jobs import SetAccessGroup, SetTimes
from biometric_flow.zk.wire.access import CLOSED, AccessGroup, AccessZone, DaySpan


def zone_of(order: SetTimes) -> AccessZone:
    """A week of opening times."""
    days = [
        CLOSED if day is None else DaySpan(*map(int, day.start.split(":")), *map(int, day.end.split(":")))
        for day in order.days
    ]
    return AccessZone(order.number, tuple(days))


def group_of(order: SetAccessGroup) -> AccessGroup:
    """An access group that leaves the verify mode to the terminal."""
    first, second, third = order.times
    return AccessGroup(order.number, (first, second, third), 0, order.has_holidays)
