"""What can be wrong with pay periods and their exports."""

from biometric_flow.gateway.people.errors import FieldsInvalid
from biometric_flow.model.errors import BiometricFlowError


class PeriodUnknown(BiometricFlowError):
    """There is no such period for this caller."""

    code = "period.unknown"


class PeriodInvalid(FieldsInvalid):
    """A period that cannot be, such as one that overlaps another."""

    code = "period.invalid"


class PeriodNotPossible(BiometricFlowError):
    """The period is not in the state for this, or not complete; the text says what is in the way."""

    code = "period.not_possible"


class ExportNotPossible(BiometricFlowError):
    """Nothing is exported while something is open or unmapped; the text lists it."""

    code = "export.not_possible"
