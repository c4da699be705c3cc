"""What can be wrong with a request to a place, or with what a terminal turns out to be."""

from biometric_flow.model.errors import BiometricFlowError


class TerminalUnknown(BiometricFlowError):
    """No terminal has this key."""

    code = "terminal.unknown"


class TerminalExists(BiometricFlowError):
    """Another terminal has this key or this address."""

    code = "terminal.exists"


class FindingUnknown(BiometricFlowError):
    """No incident of this kind waits for a person at this terminal."""

    code = "finding.unknown"


class CursorInvalid(BiometricFlowError):
    """A page cursor that this service did not make."""

    code = "cursor.invalid"


class TerminalExchanged(BiometricFlowError):
    """The machine at this address is not the one that was enrolled; an operator must confirm (security-design D3)."""

    code = "terminal.exchanged"


class ClockNotCorrected(BiometricFlowError):
    """A terminal took a new time and still shows another."""

    code = "terminal.clock_not_corrected"


class RestoredFromOlderCopy(BiometricFlowError):
    """The gateway holds more of this place's ledger than the place itself: an older copy was put back."""

    code = "ledger.restored_from_older_copy"
