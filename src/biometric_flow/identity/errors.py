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


class RoleInvalid(IdentityError):
    """A role that cannot be: a taken name, a circle, too deep, or permissions that exclude each other."""

    code = "role.invalid"


class GrantRefused(IdentityError):
    """A grant that its giver does not hold, that conflicts with another, or that names what does not exist."""

    code = "grant.refused"


class BreakGlassRefused(IdentityError):
    """The sealed role is not opened, ended or reviewed so: by the same person, too late, or a second time."""

    code = "break_glass.refused"


class PasswordWeak(IdentityError):
    """A password that is too short, too long, or among the first that an attacker tries."""

    code = "access.password_weak"


class TooBusy(IdentityError):
    """More passwords wait to be checked than can be answered in time."""

    code = "access.too_many"
    retryable = True


class KeyUnusable(IdentityError):
    """A key file or token is missing, unreadable, readable by others, or holds another kind of key."""

    code = "start.key_unusable"


class EnvelopeInvalid(IdentityError):
    """Bytes that are no envelope, or that none can be made of."""

    code = "keys.envelope_invalid"


class EnvelopeRefused(IdentityError):
    """An envelope that does not open: altered, moved from its row, or sealed with another key."""

    code = "keys.envelope_refused"


class KeyUnknown(IdentityError):
    """There is no key of this id, or none for this owner."""

    code = "keys.unknown"


class KeyDestroyed(IdentityError):
    """The key was destroyed; what it sealed cannot be read by anybody any more."""

    code = "keys.destroyed"


class KeyReplaced(IdentityError):
    """The key was replaced by a rotation and destroyed; nobody was erased by that."""

    code = "keys.replaced"


class KeySpent(IdentityError):
    """No message may be sealed with this key before more are reserved, or its next version is made."""

    code = "keys.spent"


class KeyStateInvalid(IdentityError):
    """A key cannot go from its state to that one."""

    code = "keys.state_invalid"


class RootKeyUnavailable(IdentityError):
    """The token or service that holds the root key does not answer."""

    code = "keys.root_unavailable"
    retryable = True


class SignatureRefused(IdentityError):
    """A request of a place whose signature is of another form, key, request or time."""


class SignatureRepeated(IdentityError):
    """A signed request that came before: each counts once."""

    code = "access.repeated"


class KeyProofRefused(IdentityError):
    """A public key whose holder did not show that it holds the private half."""

    code = "place.key_refused"
