"""What can be made to go wrong while a simulated terminal dials."""

from enum import StrEnum


class PushFault(StrEnum):
    """A way to misbehave while dialling. `times` counts uploads, otherwise it lasts until `push_clear`."""

    CUT = "push_cut"
    """Hang up after an upload, before its answer; it comes again."""
    TORN = "push_torn"
    """Hang up in the middle of an upload."""
    REPEAT = "push_repeat"
    """Send each upload twice."""
    GARBAGE = "push_garbage"
    """Put lines that nobody can read among the punches."""
    LOSE = "push_lose"
    """Believe that punches were uploaded which were not: a gap."""
    OFFLINE = "push_offline"
    """Do not dial at all; punches wait."""
    DEAF = "push_deaf"
    """Fetch commands and report no result."""
    FORGETFUL = "push_forgetful"
    """Leave somebody out when asked for everybody; `times` counts questions."""
    HOLLOW = "push_hollow"
    """Say yes to templates and to their deletion, and do nothing; `times` counts commands."""


class PushFaults:
    """The faults in force, at most one of a kind."""

    def __init__(self) -> None:
        self._active: dict[PushFault, int | None] = {}

    def put(self, kind: PushFault | str, times: int | None = None) -> None:
        """Let it happen from now on; `push_clear` ends all. Raises ValueError for an unknown kind."""
        if kind == "push_clear":
            self._active.clear()
        else:
            self._active[PushFault(kind)] = times

    def has(self, kind: PushFault) -> bool:
        """Whether it is in force."""
        return kind in self._active

    def take(self, kind: PushFault) -> bool:
        """Whether it has to happen now; counts down its times."""
        if kind not in self._active:
            return False
        times = self._active[kind]
        if times is not None:
            self._active[kind] = times - 1
            if times <= 1:
                del self._active[kind]
        return True

    def drop_after(self, size: int) -> int | None:
        """After how many bytes of a request with a body of `size` the line is cut, None for never."""
        if self.take(PushFault.TORN):
            return max(1, size // 2) + 200
        return 1_000_000_000 if self.take(PushFault.CUT) else None
