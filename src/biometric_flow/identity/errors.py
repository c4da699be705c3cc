"""What can be wrong with a claim to be somebody."""

from biometric_flow.model.errors import BiometricFlowError


class IdentityError(BiometricFlowError):
    """The root of this package's errors."""

    code = "access.unauthenticated"


class TokenRefused(IdentityError):
    """An access token that is not ours, not of this form, or over."""


class BadCredentials(IdentityError):
    """E-mail and password, or refresh token, do not open an account. Never says which part was wrong."""

    code = "access.bad_credentials"


class TooBusy(IdentityError):
    """More passwords wait to be checked than can be answered in time."""

    code = "access.too_many"
    retryable = True


class KeyUnusable(IdentityError):
    """The signing key file is unreadable, readable by others, or no Ed25519 key."""

    code = "start.key_unusable"
