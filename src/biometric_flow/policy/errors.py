"""What can be wrong with a policy pack or a case: always one field, what was expected there and what came."""

from typing import Final

from biometric_flow.model.errors import BiometricFlowError

_SHOWN_MAX: Final = 60


class PolicyInvalid(BiometricFlowError):
    """A field does not hold what it must. `path` points at it, such as `policy.rounding.in.interval`."""

    code = "policy.invalid"

    def __init__(self, path: str, expected: str, came: object = None, *, is_missing: bool = False) -> None:
        shown = "nothing" if is_missing else repr(came)
        if len(shown) > _SHOWN_MAX:
            shown = shown[:_SHOWN_MAX] + "..."
        super().__init__(f"{path}: expected {expected}, came {shown}")
        self.path = path
        self.expected = expected
        self.came = shown


class CaseInvalid(BiometricFlowError):
    """One case of a file cannot be read; the text names the case and the field."""

    code = "policy.case_invalid"
