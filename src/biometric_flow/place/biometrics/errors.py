"""What can be wrong with what people ask about templates and pictures."""

from biometric_flow.model.errors import BiometricFlowError


class ReleaseUnknown(BiometricFlowError):
    """This person has no release in force."""

    code = "release.unknown"


class ReleaseExists(BiometricFlowError):
    """This person's release is in force already."""

    code = "release.exists"


class ReleaseInvalid(BiometricFlowError):
    """A release that cannot be one."""

    code = "release.invalid"


class TemplatesNotThere(BiometricFlowError):
    """Nobody holds the templates that were asked for, or they may not be handled."""

    code = "templates.not_there"


class TextUnknown(BiometricFlowError):
    """No wording has this version and language."""

    code = "consent.text_unknown"


class TextExists(BiometricFlowError):
    """Another wording has this version and language."""

    code = "consent.text_exists"
