"""What can be wrong with a change of who may do what."""

from biometric_flow.model.errors import BiometricFlowError


class AccountUnknown(BiometricFlowError):
    """There is no such account, or none of this tenant."""

    code = "account.unknown"


class AccountExists(BiometricFlowError):
    """The tenant has an account with this e-mail address."""

    code = "account.exists"


class KeyUnknown(BiometricFlowError):
    """The account has no such API key."""

    code = "key.unknown"


class OwnAccount(BiometricFlowError):
    """Nobody changes their own grants or state."""

    code = "account.own"


class GrantUnknown(BiometricFlowError):
    """The account has no such grant."""

    code = "grant.unknown"


class RoleUnknown(BiometricFlowError):
    """The tenant has no role of its own with this name."""

    code = "role.unknown"


class RoleInUse(BiometricFlowError):
    """Somebody holds the role, or another role inherits from it."""

    code = "role.in_use"
