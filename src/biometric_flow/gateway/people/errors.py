"""What can be wrong with people, plans and requests about them."""

from collections.abc import Sequence
from typing import Self

from biometric_flow.api.problems import FieldProblem
from biometric_flow.model.errors import BiometricFlowError


class StaleVersion(BiometricFlowError):
    """Somebody else changed it since the caller read it."""

    code = "request.stale"


class VersionMissing(BiometricFlowError):
    """It exists, and the caller did not say which version the change is based on."""

    code = "request.version_missing"


class FieldsInvalid(BiometricFlowError):
    """Fields that do not fit what is stored already; all of them are named."""

    code = "person.invalid"

    def __init__(self, text: str, fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__(text)
        self.fields = list(fields)

    def within(self, item: str) -> Self:
        """The same of one of many items, which its fields name."""
        fields = [one.model_copy(update={"field": f"items.{item}.{one.field}"}) for one in self.fields]
        return type(self)(f"items.{item}.{self}", fields)


class PersonUnknown(BiometricFlowError):
    """There is no such person for this caller."""

    code = "person.unknown"


class PlanInvalid(FieldsInvalid):
    """A shift, schedule, calendar, payroll mapping or pack that cannot be used."""

    code = "plan.invalid"


class PlanUnknown(BiometricFlowError):
    """There is no such document for this caller."""

    code = "plan.unknown"


class PlanInUse(BiometricFlowError):
    """Something else names this document, so it cannot go."""

    code = "plan.in_use"


class ImportUnreadable(BiometricFlowError):
    """A file that is no table of the kind that was expected."""

    code = "import.unreadable"


class LeaveUnknown(BiometricFlowError):
    """There is no such leave for this caller."""

    code = "leave.unknown"


class RegularisationInvalid(FieldsInvalid):
    """A correction that makes no sense for this person and day."""

    code = "regularisation.invalid"


class RegularisationUnknown(BiometricFlowError):
    """There is no such regularisation for this caller."""

    code = "regularisation.unknown"


class OwnRequest(BiometricFlowError):
    """Whoever asked for something does not decide it (security-design A9)."""

    code = "decision.own_request"


class DecisionMade(BiometricFlowError):
    """A request that is decided stays decided."""

    code = "decision.made"
