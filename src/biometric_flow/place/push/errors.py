"""What can be wrong with what people ask of terminals that push."""

from biometric_flow.model.errors import BiometricFlowError


class CommandQueueFull(BiometricFlowError):
    """Too many commands wait for this terminal already."""

    code = "command.queue_full"
    retryable = True


class AccessInvalid(BiometricFlowError):
    """A push secret, network or serial number that cannot be one."""

    code = "terminal.access_invalid"


class FileUnreadable(BiometricFlowError):
    """A file that is no attendance log."""

    code = "import.unreadable"


class UploadUnknown(BiometricFlowError):
    """No upload in the archive has this number."""

    code = "upload.unknown"


class ArchiveUnreadable(BiometricFlowError):
    """The archive of uploads cannot be read."""

    code = "upload.archive_unreadable"
