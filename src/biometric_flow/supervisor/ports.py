"""Where the demo listens."""

from collections.abc import Iterable
from dataclasses import dataclass

from biometric_flow.runtime.errors import PortInUse


@dataclass(frozen=True, slots=True)
class Ports:
    """First port of each kind; places, terminals and their control ports count up from theirs."""

    gateway: int = 9000
    dashboard: int = 8501
    place: int = 8000
    terminal: int = 4370
    control: int = 14370


def each_once(wanted: Iterable[tuple[str, int]]) -> list[int]:
    """The ports of (who, port), or PortInUse naming the first two who would both listen on one."""
    owners: dict[int, str] = {}
    for who, port in wanted:
        if port in owners:
            raise PortInUse(
                f"{owners[port]} and {who} would both listen on port {port}: "
                "choose ports that lie further apart, see `biometric-flow demo --help`"
            )
        owners[port] = who
    return list(owners)
