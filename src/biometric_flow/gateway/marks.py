"""How far a listener of live events was told, as the id that it comes back with."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

PATTERN: Final = r"^[0-9]{1,19}(\.[a-z]+[0-9]{1,19}){0,8}$"
"""`4711`, or `4711.alerts3.workdays12` for who hears topics that are states as well."""
_STATE: Final = re.compile(r"([a-z]+)([0-9]+)")


@dataclass(slots=True)
class Mark:
    """Punches are told up to a position, topics that are states by their version."""

    position: int
    versions: dict[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """The id of the last event that was told."""
        states = "".join(f".{topic}{version}" for topic, version in sorted(self.versions.items()))
        return f"{self.position}{states}"

    def reaches(self, position: int) -> bool:
        """Go on to a punch; False when it was told already."""
        if position <= self.position:
            return False
        self.position = position
        return True

    def learns(self, topic: str, version: int) -> bool:
        """Go on to a version; False when it, or a later one, was told already."""
        if version <= self.versions.get(topic, -1):
            return False
        self.versions[topic] = version
        return True


def read(text: str) -> Mark:
    """The mark that an id of `PATTERN` stands for."""
    position, _, states = text.partition(".")
    return Mark(int(position), {topic: int(version) for topic, version in _STATE.findall(states)})


def resumed(
    last: Mark | None, end: int, now: Mapping[str, int], topics: Collection[str], max_missed: int
) -> tuple[Mark, bool]:
    """Where a listener goes on that was told until `last`, and whether it has to read everything again.

    It has to when it missed more than `max_missed` punches, or holds what never was: of another database than this
    one, or of one that was restored since. `end` and `now` are the newest position and the versions of its topics.
    """
    if last is None:
        return Mark(end), False
    hears_punches = "punches" in topics
    is_punch_lost = hears_punches and not 0 <= end - last.position <= max_missed
    if is_punch_lost or any(last.versions.get(topic, 0) > version for topic, version in now.items()):
        return Mark(end), True
    held = {topic: last.versions[topic] for topic in now if topic in last.versions}
    return Mark(last.position if hears_punches else end, held), False
