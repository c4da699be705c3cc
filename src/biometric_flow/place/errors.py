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


class PunchUnknown(BiometricFlowError):
    """No punch has this id."""

    code = "punch.unknown"


class CursorInvalid(BiometricFlowError):
    """A page cursor that this service did not make."""

    code = "cursor.invalid"


class TerminalExchanged(BiometricFlowError):
    """The machine at this address is not the one that was enrolled; an operator must confirm (security-design D3)."""

    code = "terminal.exchanged"


class NotAsSeen(BiometricFlowError):
    """What was to be confirmed of a terminal is not what it says now."""

    code = "terminal.not_as_seen"


class ClockNotCorrected(BiometricFlowError):
    """A terminal took a new time and still shows another."""

    code = "terminal.clock_not_corrected"


class TerminalNotPulled(BiometricFlowError):
    """A job for a terminal that this place does not dial, or that is switched off."""

    code = "terminal.not_pulled"


class TerminalNotRead(BiometricFlowError):
    """A question about a terminal that has not been read yet."""

    code = "terminal.not_read"


class JobFailed(BiometricFlowError):
    """A job that was not done, and why."""

    code = "job.failed"


class BlobUnknown(BiometricFlowError):
    """No file of this place has this id."""

    code = "blob.unknown"


class BlobRefused(BiometricFlowError):
    """Bytes that are not those of the file that was registered, or one file too many."""

    code = "blob.refused"


class RolloutUnknown(BiometricFlowError):
    """No roll-out of this place has this number."""

    code = "rollout.unknown"


class RolloutRefused(BiometricFlowError):
    """A roll-out that cannot begin as it was asked for."""

    code = "rollout.refused"


class JobNotPossible(BiometricFlowError):
    """A job that the channel to this terminal cannot do; the text names the one that can."""

    code = "job.not_possible"


class JobsFull(BiometricFlowError):
    """Too many jobs wait for a terminal."""

    code = "job.too_many"


class JobUnknown(BiometricFlowError):
    """No job of this terminal has this number."""

    code = "job.unknown"


class EnrolmentUnknown(BiometricFlowError):
    """Nobody with this PIN should be on this terminal."""

    code = "enrolment.unknown"


class PersonUnknown(BiometricFlowError):
    """Nobody at this place has this PIN."""

    code = "person.unknown"


class ErasureWaits(BiometricFlowError):
    """A person cannot be erased while something that needs them is open."""

    code = "privacy.erasure_waits"
    retryable = True


class HoldUnknown(BiometricFlowError):
    """There is no such legal hold to be placed or ended here."""

    code = "privacy.hold_unknown"


class RetentionFromGateway(BiometricFlowError):
    """The tenant's policy is kept at the gateway."""

    code = "privacy.retention_from_gateway"


class RotationRunning(BiometricFlowError):
    """A rotation of this key is under way already."""

    code = "keys.rotation_running"


class PinInvalid(BiometricFlowError):
    """A PIN that no terminal could hold."""

    code = "pin.invalid"


class RestoredFromOlderCopy(BiometricFlowError):
    """The gateway holds more of this place's ledger than the place itself: an older copy was put back."""

    code = "ledger.restored_from_older_copy"
