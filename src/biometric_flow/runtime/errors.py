"""What stops a process before it serves: settings, ports, folders. Each text is one line for a person."""

from biometric_flow.model.errors import BiometricFlowError


class StartRefused(BiometricFlowError):
    """The process will not start as it is configured; `biometric-flow` prints the text and exits with 2."""

    code = "start.refused"


class SettingsInvalid(StartRefused):
    """A setting is missing, unknown or wrong: names the file or variable, the key, what was expected, what came."""

    code = "settings.invalid"


class PortInUse(StartRefused):
    """Another program listens where this one should."""

    code = "start.port_in_use"


class FolderUnusable(StartRefused):
    """The data folder cannot be created, written or locked, or the disk is full."""

    code = "start.folder_unusable"
