"""From the punches of one group to pieces of work (contract 6)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from biometric_flow.policy.duplicates import KeptPunch
from biometric_flow.policy.rules import Pairing

_IN: Final = (0, 4)
_OUT: Final = (1, 5)
_OVERTIME_IN: Final = 4
_BREAK_OUT: Final = 2
_KEYS: Final = range(6)


@dataclass(frozen=True, slots=True)
class Piece:
    """Work from `start` (included) to `end` (not included), minutes on the UTC line."""

    start: int
    end: int
    is_overtime: bool = False
    """Whether it was begun with the overtime key."""
    is_filled: bool = False
    """Whether one of its ends is a guess (contract 7)."""


@dataclass(slots=True)
class Paired:
    """What pairing made of a group."""

    pieces: list[Piece] = field(default_factory=list)
    irregularities: set[str] = field(default_factory=set)
    open_in: int | None = None
    """An IN nobody has closed."""
    open_is_overtime: bool = False
    outs: list[int] = field(default_factory=list)
    """When the person really left, as punched."""


def pair(punches: Sequence[KeptPunch], rule: Pairing) -> Paired:
    """Pair the punches of a group, which are in time order."""
    match rule.mode:
        case "first_last":
            return _alternating((punches[0], punches[-1]) if len(punches) > 1 else punches)
        case "state":
            return _Machine(rule.extends_double_out).run(punches)
        case "state_first_last":
            return _state_first_last(punches)
        case "hybrid":
            return _hybrid(punches, rule)
        case _:
            return _alternating(punches)


def _alternating(punches: Sequence[KeptPunch]) -> Paired:
    minutes = [punch.minute for punch in punches]
    paired = Paired([Piece(start, end) for start, end in zip(minutes[::2], minutes[1::2], strict=False)])
    paired.outs = minutes[1::2]
    if len(minutes) % 2:
        paired.open_in = minutes[-1]
    return paired


def _state_first_last(punches: Sequence[KeptPunch]) -> Paired:
    paired = Paired()
    first = next((punch.minute for punch in punches if punch.code in _IN), None)
    outs = [punch.minute for punch in punches if punch.code in _OUT and (first is None or punch.minute >= first)]
    if first is None:
        if outs:
            paired.irregularities.add("MISSING_IN")
    elif outs:
        paired.pieces.append(Piece(first, outs[-1]))
        paired.outs.append(outs[-1])
    else:
        paired.open_in = first
    return paired


def _hybrid(punches: Sequence[KeptPunch], rule: Pairing) -> Paired:
    paired = _Machine(rule.extends_double_out).run(punches)  # a code that is no key is an irregularity too
    if paired.open_in is None and not paired.irregularities:
        return paired
    return _alternating(punches)


class _Machine:
    """The state machine out - work - break."""

    def __init__(self, extends: bool) -> None:
        self._extends = extends
        self._paired = Paired()
        self._start: int | None = None
        self._is_overtime = False
        self._is_break = False
        self._just_ended = False

    def run(self, punches: Sequence[KeptPunch]) -> Paired:
        for punch in punches:
            self._take(punch)
        if self._is_break:
            self._paired.irregularities |= {"MISSING_BREAK_IN", "MISSING_OUT"}
        self._paired.open_in, self._paired.open_is_overtime = self._start, self._is_overtime
        return self._paired

    def _take(self, punch: KeptPunch) -> None:
        if punch.code not in _KEYS:
            self._note("UNKNOWN_CODE")
            return
        had_ended, self._just_ended = self._just_ended, False
        if punch.code in _IN:
            self._in(punch)
        elif punch.code in _OUT:
            self._out(punch, had_ended)
        elif punch.code == _BREAK_OUT:
            self._break_out(punch)
        else:
            self._break_in(punch)

    def _in(self, punch: KeptPunch) -> None:
        is_overtime = punch.code == _OVERTIME_IN
        if self._start is not None:
            if self._is_overtime or not is_overtime:
                self._note("DOUBLE_IN")
                return
            self._end(punch.minute)
        elif self._is_break:
            self._note("MISSING_BREAK_IN")
        self._begin(punch.minute, is_overtime)

    def _out(self, punch: KeptPunch, had_ended: bool) -> None:
        if self._start is not None:
            self._end(punch.minute)
            self._paired.outs.append(punch.minute)
            self._just_ended = True
        elif self._is_break:
            self._note("MISSING_BREAK_IN")
            self._is_break = False
            self._paired.outs.append(punch.minute)
        elif had_ended and self._extends:
            last = self._paired.pieces[-1]
            self._paired.pieces[-1] = Piece(last.start, punch.minute, last.is_overtime)
            self._paired.outs[-1] = punch.minute
            self._just_ended = True
        else:
            self._note("MISSING_IN")

    def _break_out(self, punch: KeptPunch) -> None:
        if self._start is not None:
            self._end(punch.minute)
            self._is_break = True
        else:
            self._note("DOUBLE_BREAK" if self._is_break else "MISSING_BREAK_OUT")

    def _break_in(self, punch: KeptPunch) -> None:
        if self._is_break:
            self._begin(punch.minute, False)
        else:
            self._note("MISSING_BREAK_OUT")

    def _begin(self, minute: int, is_overtime: bool) -> None:
        self._start, self._is_overtime, self._is_break = minute, is_overtime, False

    def _end(self, minute: int) -> None:
        assert self._start is not None
        self._paired.pieces.append(Piece(self._start, minute, self._is_overtime))
        self._start = None

    def _note(self, irregularity: str) -> None:
        self._paired.irregularities.add(irregularity)
