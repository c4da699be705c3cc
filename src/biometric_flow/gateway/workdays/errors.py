"""What can be wrong with a question about workdays."""

from biometric_flow.model.errors import BiometricFlowError


class WorkdayUnknown(BiometricFlowError):
    """There is no such workday for this caller."""

    code = "workday.unknown"
