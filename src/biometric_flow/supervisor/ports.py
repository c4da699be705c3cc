"""Where the demo listens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ports:
    """First port of each kind; places, terminals and their control ports count up from theirs."""

    gateway: int = 9000
    dashboard: int = 8501
    place: int = 8000
    terminal: int = 4370
    control: int = 14370
