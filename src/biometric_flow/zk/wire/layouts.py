"""Which layout a bulk answer has: by count where it tells the truth, by plausibility of the rows where not."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from biometric_flow.zk.errors import LayoutUnknown
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttlogLayout, AttlogRecord
from biometric_flow.zk.wire.rows import Blob
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserLayout

_SAMPLE: Final = 400
_COUNT_BONUS: Final = 0.5
"""A matching count outweighs a log whose rows are half rubbish, and alone is just enough."""
_ENOUGH: Final = 0.5
_WITHOUT_COUNT_MAX: Final = 1.0
"""No layout that does not fit the count can score more: then the others need not be tried."""


class AttlogGuess(NamedTuple):
    """How well a layout fits a log."""

    layout: AttlogLayout
    score: float
    """0 to 1.5: the plausible share of sampled rows, plus 0.5 when the announced count fits."""


def attlog_guesses(blob: Blob, count: int = 0) -> list[AttlogGuess]:
    """Every layout whose size divides the log, best first."""
    return _guesses(blob, count, ATTLOG_LAYOUTS.values())


def _guesses(blob: Blob, count: int, layouts: Iterable[AttlogLayout]) -> list[AttlogGuess]:
    guesses = []
    for layout in layouts:
        rows, rest = divmod(len(blob), layout.size)
        if rest == 0 and rows > 0:
            bonus = _COUNT_BONUS if rows == count else 0.0
            guesses.append(AttlogGuess(layout, _plausible_share(blob, layout) + bonus))
    return sorted(guesses, key=lambda guess: -guess.score)


def attlog_layout(blob: Blob, count: int = 0) -> AttlogLayout:
    """The layout of a non-empty log whose capacity block spoke of `count` rows (0: unknown).

    Raises LayoutUnknown when nothing fits; a wrong guess would invent punches.
    """
    counted = [layout for layout in ATTLOG_LAYOUTS.values() if layout.size * count == len(blob)]
    likely = _guesses(blob, count, counted)
    if likely and likely[0].score > _WITHOUT_COUNT_MAX:
        return likely[0].layout
    guesses = attlog_guesses(blob, count)
    if not guesses or guesses[0].score < _ENOUGH:
        raise LayoutUnknown(
            f"expected attendance rows of {_sizes(ATTLOG_LAYOUTS)} bytes, got {len(blob)} bytes for {count} rows "
            f"that fit none of them; name the layout for this terminal and report its model and firmware"
        )
    return guesses[0].layout


def user_layout(blob: Blob, count: int = 0) -> UserLayout:
    """The layout of a non-empty user list whose capacity block spoke of `count` users (0: unknown).

    Raises LayoutUnknown when nothing fits.
    """
    fitting = [layout for layout in USER_LAYOUTS.values() if blob and len(blob) % layout.size == 0]
    for layout in fitting:
        if len(blob) == count * layout.size:
            return layout
    scored = [(_plausible_users(blob, layout), layout) for layout in fitting]
    best = max(scored, key=lambda pair: pair[0], default=None)
    if best is None or best[0] < _ENOUGH:
        raise LayoutUnknown(
            f"expected user records of {_sizes(USER_LAYOUTS)} bytes, got {len(blob)} bytes for {count} users; "
            f"report the model and firmware of this terminal"
        )
    return best[1]


def _sizes(layouts: Iterable[str]) -> str:
    return ", ".join(layouts)


def _sampled(blob: Blob, size: int) -> bytes:
    """Up to 400 rows from all over the blob."""
    step = max(1, len(blob) // size // _SAMPLE) * size
    return b"".join(blob[start : start + size] for start in range(0, len(blob), step))


def _plausible_share(blob: Blob, layout: AttlogLayout) -> float:
    sample = _sampled(blob, layout.size)
    good = sum(
        _plausibility(record)
        for record in layout.decode(sample, "latin-1")
        if layout.unreadable(record.raw, "latin-1") is None and not any(record.raw[slice(*layout.reserved)])
    )
    return good / (len(sample) // layout.size)


def _plausibility(record: AttlogRecord) -> float:
    if not record.user_id and not record.uid:
        return 0.0
    if record.user_id == "0" or not (record.state < 16 or record.state == 255):
        return 0.0
    if record.time.year == 2000:
        return 0.25  # an empty clock battery, or zeros read as a time
    return 1.0 if record.time.year < 2070 else 0.0


def _plausible_users(blob: Blob, layout: UserLayout) -> float:
    sample = _sampled(blob, layout.size)
    rows = [layout.row.unpack_from(sample, start) for start in range(0, len(sample), layout.size)]
    users = [layout.read(row, "latin-1") for row in rows]
    good = [user for user in users if user.uid and user.user_id.isprintable() and user.user_id not in ("", "0")]
    return sum(user.privilege < 16 and user.name.isprintable() for user in good) / len(users)
