"""What happened to a workday's minutes, in the order it happened: rule, before, after."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that did something. Times are minutes on the UTC line, amounts are minutes."""

    rule: str
    """`<contract section> <rule>`, such as `8.3 rounding.in`."""
    before: int | str | None
    after: int | str | None
    about: str = ""
    """Which punch, shift or tier."""
    is_time: bool = False
    """Whether before and after are times, not amounts or words."""
