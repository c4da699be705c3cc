"""Mutants of the policy that nothing can notice: module, line, change, and why. Each was looked at by itself."""

from typing import Final

_LENGTHS = "`strict` only raises where the lengths differ, and they are equal by the lines before it"
_SHORTCUT = "the long way round gives the same pieces"

EQUIVALENT: Final[dict[tuple[str, str, str], str]] = {
    ("columns.days", "conditions, names = zip(*first_of, strict=True)", "True -> False"): _LENGTHS,
    (
        "columns.hours",
        "group, start, end = (np.concatenate(columns) for columns in zip(*parts, strict=True))",
        "True -> False",
    ): _LENGTHS,
    ("duplicates", "for touch, steps in zip(kept, notes, strict=True)", "True -> False"): _LENGTHS,
    ("instants", "for punch, second in zip(given.punches, stamped, strict=True)", "True -> False"): _LENGTHS,
    (
        "zones",
        "if end - at > DAY or self._offset(end - 1) != offset:  # no zone changes and changes back within a day",
        "end - at > DAY -> end - at >= DAY",
    ): _SHORTCUT,
    (
        "zones",
        "if end - at > DAY or self._offset(end - 1) != offset:  # no zone changes and changes back within a day",
        "end - at -> end + at",
    ): _SHORTCUT,
    (
        "zones",
        "if end - at > DAY or self._offset(end - 1) != offset:  # no zone changes and changes back within a day",
        "end - 1 -> end + 1",
    ): _SHORTCUT,
    ("columns.arrays", "BIG: Final = 1 << 28", "28 -> 29"): "any number does that is more minutes than a timeline has",
    ("columns.arrays", "BIG: Final = 1 << 28", "1 -> 2"): "any number does that is more minutes than a timeline has",
    ("many", "_SECONDS: Final = 1 << 34", "34 -> 35"): "any number does that is more seconds than a timeline has",
    ("many", "_SECONDS: Final = 1 << 34", "1 -> 2"): "any number does that is more seconds than a timeline has",
    (
        "columns.days",
        "return self.first <= day < self.first + self.width",
        "self.first <= day < self.first + self.width -> self.first < day < self.first + self.width",
    ): "the first days of the grid are a margin: they are not asked for",
    (
        "engine",
        "if first <= day <= given.last and parts[day].runs:",
        "first <= day <= given.last and parts[day].runs -> first <= day <= given.last or parts[day].runs",
    ): "a day without minutes moves no counter; a day outside is of another period, or later, and not asked for",
    (
        "columns.hours",
        "changes = (clock.wall(runs.end - 1) - clock.wall(runs.start) != length - 1) | (length > DAY)",
        "length > DAY -> length >= DAY",
    ): "who works a day without a break is judged by the readable engine, which gives the same",
    (
        "many",
        "close = np.diff(order) < max(1, one.policy.duplicates.window_min * 60)",
        "1 -> 2",
    ): "punches a second apart are looked at by hand too, which keeps both",
    (
        "many",
        "close = np.diff(order) < max(1, one.policy.duplicates.window_min * 60)",
        (
            "np.diff(order) < max(1, one.policy.duplicates.window_min * 60)"
            " -> np.diff(order) <= max(1, one.policy.duplicates.window_min * 60)"
        ),
    ): "punches a second further apart are looked at by hand too, which keeps both",
    (
        "many",
        "given = [[] if _is_touched(person) else [punch.second or 0 for punch in person.punches] for person in ours]",
        "0 -> 1",
    ): "who has a punch without an instant is touched, and read by hand",
    (
        "many",
        "rows = (table.starts[numbers][:, None] + days - one.first).reshape(-1)",
        "1 -> 2",
    ): "any negative length means: all that there are",
    (
        "many",
        "return rows, (indices[:, None] * grid.width + days - grid.first).reshape(-1)",
        "1 -> 2",
    ): "any negative length means: all that there are",
    ("many", "_STRAY_MAX: Final = 400", "400 -> 401"): "the readable engine gives the same for somebody at the limit",
    ("many", "_AT_ONCE: Final = 512", "512 -> 513"): "people are evaluated by themselves, in lots of any size",
    (
        "overtime",
        "if at < span[1]:",
        "at < span[1] -> at <= span[1]",
    ): "a part without minutes books nothing",
    ("overtime", "if at < first:", "at < first -> at <= first"): "a part without minutes books nothing",
    ("planning", "FAR: Final = 84_000", "84000 -> 84001"): "any day beyond all plans does",
    (
        "engine",
        "near.update(range(day - REACH, day + REACH + 1))",
        "1 -> 2",
    ): "shifts of one day more are looked at, and none can claim so far",
    ("engine", "if change > 0:", "change > 0 -> change >= 0"): "no change has returned before",
    (
        "overtime",
        "period, weekly = _FOREVER, 0",
        "0 -> 1",
    ): "the first day begins a period, which sets the counter",
    (
        "sessions",
        "bounds = trimmed((plan.start, plan.end), half_leave) if plan else (0, 0)",
        "0 -> 1",
    ): "without a shift nothing snaps and nothing is clamped",
    (
        "columns.days",
        "worked, scheduled = days.worked.reshape(-1), known.scheduled",
        "1 -> 2",
    ): "any negative length means: all that there are",
    (
        "columns.days",
        "premium = pay.premium.reshape(-1) if policy.overtime.approval_required else np.zeros(grid.size, np.int64)",
        "1 -> 2",
    ): "any negative length means: all that there are",
    ("sessions", "for punch, rule in zip(group.punches, group.rule, strict=True):", "True -> False"): _LENGTHS,
    (
        "overtime",
        "return sorted(named, key=lambda part: part[1])",
        "1 -> 2",
    ): "parts that do not overlap are in one order by their starts and by their ends",
}
