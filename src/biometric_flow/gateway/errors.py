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


class OpeningUnknown(BiometricFlowError):
    """The sealed role was never asked for under this id."""

    code = "break_glass.unknown"


class RoleUnknown(BiometricFlowError):
    """The tenant has no role of its own with this name."""

    code = "role.unknown"


class RoleInUse(BiometricFlowError):
    """Somebody holds the role, or another role inherits from it."""

    code = "role.in_use"


class FactorUnknown(BiometricFlowError):
    """The account has no second factor."""

    code = "factor.unknown"


class FactorExists(BiometricFlowError):
    """The account has a second factor already."""

    code = "factor.exists"


class FactorAsked(BiometricFlowError):
    """The tenant asks this account for a second factor: it cannot be without one."""

    code = "factor.asked"


class FactorNeeded(BiometricFlowError):
    """The account has to set a second factor up before it may do anything else."""

    code = "access.factor_needed"


class CodeNeeded(BiometricFlowError):
    """The password is right; the code of the second factor is missing."""

    code = "access.code_needed"

    def __init__(self, ticket: str) -> None:
        self.more = {"ticket": ticket}
        super().__init__("the code of the second factor is needed too; send it with the ticket within five minutes")


class TooManyFailures(BiometricFlowError):
    """This account failed too often; it must wait."""

    code = "access.too_many"
    retryable = True

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, round(seconds + 0.5))
        super().__init__(f"too many failed sign-ins; try again in {self.retry_after} s")
