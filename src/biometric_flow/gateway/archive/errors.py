"""What can be wrong with an archive."""

from biometric_flow.model.errors import BiometricFlowError


class ArchiveUnreachable(BiometricFlowError):
    """The folder or store of archived punches does not answer, or none is configured."""

    code = "archive.unreachable"
    retryable = True


class ArchiveDamaged(BiometricFlowError):
    """An archived file or row is not what was written; the message names the first such place."""

    code = "archive.damaged"


class ArchiveRefused(BiometricFlowError):
    """What was asked of the archive cannot be done."""

    code = "archive.refused"


class ArchiveBusy(BiometricFlowError):
    """Keys of files that are no more are being destroyed; no new ones are made meanwhile."""

    code = "archive.busy"
    retryable = True
