"""What can be wrong with a policy pack or a case: always one field, what was expected there and what came."""

from typing import ClassVar, Final

_SHOWN_MAX: Final = 60


class PolicyInvalid(ValueError):
    """A field does not hold what it must. `path` points at it, such as `policy.rounding.in.interval`."""

    code: ClassVar[str] = "policy.invalid"

    def __init__(self, path: str, expected: str, came: object = None, *, is_missing: bool = False) -> None:
        shown = "nothing" if is_missing else repr(came)
        if len(shown) > _SHOWN_MAX:
            shown = shown[:_SHOWN_MAX] + "..."
        super().__init__(f"{path}: expected {expected}, came {shown}")
        self.path = path
        self.expected = expected
        self.came = shown
