"""Jobs that set up access control and options of a terminal that this place dials; each write is read back."""

from biometric_flow.api.jobs import ReadOptions, SetAccessGroup, SetCombination, SetOption, SetTimes
from biometric_flow.place.access_times import group_of, zone_of
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.access import UnlockCombination


async def set_up(
    order: SetTimes | SetAccessGroup | SetCombination | SetOption | ReadOptions, terminal: Terminal
) -> str:
    """Do it, and say what came of it. Raises what the client raises."""
    match order:
        case SetTimes():
            await terminal.set_access_zone(zone_of(order))
            return f"opening times {order.number} read back as written"
        case SetAccessGroup():
            await terminal.set_access_group(group_of(order))
            return f"group {order.number} reads back as written"
        case SetCombination():
            await terminal.set_combination(UnlockCombination(order.number, tuple(order.groups)))
            return f"combination {order.number} reads back as written"
        case SetOption():
            await terminal.set_option(order.name, order.value)
            return f"{order.name} reads back as written"
        case ReadOptions():
            return ", ".join([f"{name}={await terminal.option(name) or ''}" for name in order.names])
