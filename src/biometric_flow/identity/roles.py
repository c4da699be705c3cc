"""Roles: sets of permissions that may inherit, the built-in ones and a tenant's own (security-design A9). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from biometric_flow.identity.errors import RoleInvalid
from biometric_flow.identity.rbac import NARROWEST, Narrowest, Permission

DEPTH_MAX: Final = 5
"""Roles in a line of inheritance, the first one included."""

CONFLICTS: Final = (
    frozenset({Permission.PERSON_WRITE, Permission.PERIOD_APPROVE}),
    frozenset({Permission.CORRECTION_REQUEST, Permission.PERIOD_APPROVE}),
    frozenset({Permission.ACCESS_WRITE, Permission.PERIOD_APPROVE}),
    frozenset({Permission.ACCESS_WRITE, Permission.CORRECTION_DECIDE}),
)
"""What one account must not gather from several grants: who makes people or hours does not approve the pay, and who
hands out access does neither. `tenant_admin` holds them all by itself, which is why it is granted rarely; a request is
never decided by the account that made it, whatever its roles."""


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions, with those of the roles it inherits from."""

    name: str
    permissions: frozenset[Permission]
    inherits: tuple[str, ...] = ()
    about: str = ""


def _role(name: str, about: str, *permissions: Permission, inherits: tuple[str, ...] = ()) -> Role:
    return Role(name, frozenset(permissions), inherits, about)


_P: Final = Permission
BUILT_IN: Final[Mapping[str, Role]] = {
    role.name: role
    for role in (
        _role("employee", "signs in; sees who they are"),
        _role(
            "device_technician",
            "places and terminals, their jobs and upkeep; no doors, nothing about people",
            _P.PLACE_READ,
            _P.TERMINAL_READ,
            _P.TERMINAL_OPERATE,
            _P.TERMINAL_MAINTAIN,
            _P.ALERT_READ,
            _P.ALERT_ACKNOWLEDGE,
            inherits=("employee",),
        ),
        _role(
            "platform_operator",
            "keeps the installation running, nothing about people",
            _P.EMERGENCY_REQUEST,
            _P.METRICS_READ,
            _P.ALERT_CONFIGURE,
            _P.LEDGER_READ,
            inherits=("device_technician",),
        ),
        _role(
            "department_head",
            "people of a department: their days, requests and decisions",
            _P.PERSON_READ,
            _P.WORKDAY_READ,
            _P.CORRECTION_REQUEST,
            _P.CORRECTION_DECIDE,
            inherits=("employee",),
        ),
        _role(
            "place_manager",
            "one place: its terminals and doors, punches, people and their days",
            _P.OVERVIEW_READ,
            _P.PUNCH_READ,
            _P.DOOR_OPEN,
            _P.TERMINAL_PEOPLE,
            inherits=("device_technician", "department_head"),
        ),
        _role(
            "observer",
            "reads everything about places, people and hours",
            _P.PLACE_READ,
            _P.TERMINAL_READ,
            _P.ALERT_READ,
            _P.OVERVIEW_READ,
            _P.PERSON_READ,
            _P.PUNCH_READ,
            _P.PLAN_READ,
            _P.WORKDAY_READ,
            _P.PERIOD_READ,
            _P.LEDGER_READ,
            inherits=("employee",),
        ),
        _role(
            "auditor",
            "reads everything, and who did what",
            _P.AUDIT_READ,
            _P.ACCESS_READ,
            _P.PRIVACY_READ,
            inherits=("observer",),
        ),
        _role(
            "security_officer",
            "accounts, access and its trail; no people, no hours",
            _P.ACCESS_READ,
            _P.ACCESS_WRITE,
            _P.EMERGENCY_REQUEST,
            _P.EMERGENCY_DECIDE,
            _P.AUDIT_READ,
            _P.LEDGER_READ,
            _P.ALERT_READ,
            _P.ALERT_ACKNOWLEDGE,
            inherits=("employee",),
        ),
        _role(
            "hr_manager",
            "people, plans, requests and decisions; closes periods",
            _P.EMERGENCY_REQUEST,
            _P.PERSON_WRITE,
            _P.PLAN_WRITE,
            _P.WORKDAY_ORDER,
            _P.CORRECTION_REQUEST,
            _P.CORRECTION_DECIDE,
            _P.PERIOD_CLOSE,
            _P.PRIVACY_READ,
            inherits=("observer",),
        ),
        _role(
            "payroll",
            "closes, approves and exports periods",
            _P.PERSON_READ,
            _P.PLAN_READ,
            _P.WORKDAY_READ,
            _P.PERIOD_READ,
            _P.PERIOD_CLOSE,
            _P.PERIOD_APPROVE,
            _P.PERIOD_EXPORT,
            inherits=("employee",),
        ),
        _role(
            "integration",
            "another program: people in, punches and hours out",
            _P.PERSON_READ,
            _P.PERSON_WRITE,
            _P.PUNCH_READ,
            _P.WORKDAY_READ,
            inherits=("employee",),
        ),
        _role(
            "tenant_admin",
            "everything of one tenant",
            _P.PERIOD_APPROVE,
            _P.PERIOD_EXPORT,
            _P.PRIVACY_WRITE,
            _P.LEDGER_DECIDE,
            _P.METRICS_READ,
            _P.ALERT_CONFIGURE,
            _P.DOOR_OPEN,
            _P.TERMINAL_PEOPLE,
            inherits=("hr_manager", "security_officer", "auditor", "device_technician"),
        ),
        _role(
            "break_glass",
            "sealed: opened by two persons, with a reason, for an hour at most; see /v1/break-glass",
            _P.OVERVIEW_READ,
            _P.PLACE_READ,
            _P.TERMINAL_READ,
            _P.TERMINAL_OPERATE,
            _P.TERMINAL_PEOPLE,
            _P.DOOR_OPEN,
            _P.PERSON_READ,
            _P.PERSON_WRITE,
            _P.PUNCH_READ,
            _P.PLAN_READ,
            _P.WORKDAY_READ,
            _P.CORRECTION_REQUEST,
            _P.PERIOD_READ,
            _P.LEDGER_READ,
            _P.ALERT_READ,
            _P.ALERT_ACKNOWLEDGE,
            inherits=("employee",),
        ),
    )
}
SEALED: Final = frozenset({"break_glass"})
"""Roles that nobody is granted. What would outlast the hour is not in them (access, privacy, channels of alerts, ends
of logs), nor what takes records away (upkeep of terminals, which clears them) or pays."""


class Roles:
    """The roles that exist for a tenant: the built-in ones and its own. Raises RoleInvalid for roles that cannot be."""

    def __init__(self, own: Iterable[Role] = ()) -> None:
        self.known: dict[str, Role] = dict(BUILT_IN)
        self.own: dict[str, Role] = {}
        for role in own:
            if role.name in self.known:
                raise RoleInvalid(f"expected a name that is not taken, got {role.name!r}")
            self.known[role.name] = self.own[role.name] = role
        self._held: dict[str, frozenset[Permission]] = {}
        for role in self.own.values():
            self._check(role)

    def permissions(self, name: str) -> frozenset[Permission]:
        """Everything that a role gives; nothing for one that does not exist (any more)."""
        if name not in self._held:
            role = self.known.get(name)
            self._held[name] = (
                role.permissions.union(*(self.permissions(one) for one in role.inherits)) if role else frozenset()
            )
        return self._held[name]

    def line(self, name: str, permission: Permission) -> tuple[str, ...]:
        """Through which roles a role comes by a permission, itself first; empty when it does not."""
        role = self.known.get(name)
        if role is None or permission not in self.permissions(name):
            return ()
        if permission in role.permissions:
            return (name,)
        return (name, *next(line for one in role.inherits if (line := self.line(one, permission))))

    def _check(self, role: Role) -> None:
        self._walk(role, ())
        placeless = [one for one in role.permissions if NARROWEST[one] in (Narrowest.OWN_PLACE, Narrowest.EVERYONE)]
        if placeless:
            raise RoleInvalid(f"expected permissions that accounts hold, got {', '.join(sorted(placeless))}")
        held = self.permissions(role.name)
        for conflict in CONFLICTS:
            if conflict <= held:
                raise RoleInvalid(f"expected a role without both of {' and '.join(sorted(conflict))}")

    def _walk(self, role: Role, above: tuple[str, ...]) -> None:
        if role.name in above:
            raise RoleInvalid(f"expected roles without a circle, got {' -> '.join((*above, role.name))}")
        if len(above) >= DEPTH_MAX:
            raise RoleInvalid(f"expected at most {DEPTH_MAX} roles in a line, got {' -> '.join((*above, role.name))}")
        for name in role.inherits:
            if name in SEALED:
                raise RoleInvalid(f"expected inherits without sealed roles, got {name!r}: it is opened, never held")
            if name not in self.known:
                raise RoleInvalid(f"expected inherits to name roles that exist, got {name!r}")
            self._walk(self.known[name], (*above, role.name))
