"""Roles and what they may do: pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What an operation asks for: resource:action."""

    PUBLIC = "public"
    """Declared by the few operations that anyone may call."""
    SELF_READ = "self:read"
    OVERVIEW_READ = "overview:read"
    PLACE_READ = "place:read"
    TERMINAL_READ = "terminal:read"
    PERSON_READ = "person:read"
    PERSON_WRITE = "person:write"
    PLAN_READ = "plan:read"
    """Shifts, schedules, calendars, policy packs."""
    PLAN_WRITE = "plan:write"
    WORKDAY_READ = "workday:read"
    """Workdays with their explanations, irregularities, leave, regularisations."""
    WORKDAY_ORDER = "workday:order"
    """Have workdays computed again; it changes nothing that was not wrong."""
    CORRECTION_REQUEST = "correction:request"
    """Ask for leave and regularisations."""
    CORRECTION_DECIDE = "correction:decide"
    """Approve what somebody else asked for (security-design A9)."""
    PERIOD_READ = "period:read"
    PERIOD_CLOSE = "period:close"
    PERIOD_APPROVE = "period:approve"
    PERIOD_EXPORT = "period:export"
    PUNCH_READ = "punch:read"
    LEDGER_READ = "ledger:read"
    """Checkpoints, tiles and what was refused: they name nobody."""
    AUDIT_READ = "audit:read"
    """Who did what, and what was refused to whom."""
    PRIVACY_READ = "privacy:read"
    """Retention policies, legal holds, consent texts, archives: what stays, why, until when."""
    PRIVACY_WRITE = "privacy:write"
    LEDGER_WRITE = "ledger:write"
    """Held by a place's own credential, for its own ledger; by no account."""


class Narrowest(StrEnum):
    """How far a permission can be narrowed: the finest scope whose holder may still use its operations."""

    EVERYONE = "everyone"
    """No credential is needed."""
    SELF = "self"
    """About whoever asks."""
    OWN_PLACE = "own place"
    """For the credential of one place, about that place."""
    TENANT = "tenant"
    """Only for those who hold it in the whole tenant."""
    PLACE = "place"
    """Holders for a place get what belongs to that place."""
    DEPARTMENT = "department"
    """Holders for a place or a department get the people who belong there, with all below."""


NARROWEST: Final[Mapping[Permission, Narrowest]] = {
    Permission.PUBLIC: Narrowest.EVERYONE,
    Permission.SELF_READ: Narrowest.SELF,
    Permission.OVERVIEW_READ: Narrowest.PLACE,
    Permission.PLACE_READ: Narrowest.PLACE,
    Permission.TERMINAL_READ: Narrowest.PLACE,
    Permission.PERSON_READ: Narrowest.DEPARTMENT,
    Permission.PERSON_WRITE: Narrowest.TENANT,
    Permission.PLAN_READ: Narrowest.TENANT,
    Permission.PLAN_WRITE: Narrowest.TENANT,
    Permission.WORKDAY_READ: Narrowest.DEPARTMENT,
    Permission.WORKDAY_ORDER: Narrowest.TENANT,
    Permission.CORRECTION_REQUEST: Narrowest.DEPARTMENT,
    Permission.CORRECTION_DECIDE: Narrowest.DEPARTMENT,
    Permission.PERIOD_READ: Narrowest.TENANT,
    Permission.PERIOD_CLOSE: Narrowest.TENANT,
    Permission.PERIOD_APPROVE: Narrowest.TENANT,
    Permission.PERIOD_EXPORT: Narrowest.TENANT,
    Permission.PUNCH_READ: Narrowest.PLACE,
    Permission.LEDGER_READ: Narrowest.TENANT,
    Permission.AUDIT_READ: Narrowest.TENANT,
    Permission.PRIVACY_READ: Narrowest.TENANT,
    Permission.PRIVACY_WRITE: Narrowest.TENANT,
    Permission.LEDGER_WRITE: Narrowest.OWN_PLACE,
}
"""Every permission and the finest scope in which it can be held; a test fails for one that is missing."""

_READ_ALL: Final = frozenset(
    {
        Permission.SELF_READ,
        Permission.OVERVIEW_READ,
        Permission.PLACE_READ,
        Permission.TERMINAL_READ,
        Permission.PERSON_READ,
        Permission.PUNCH_READ,
        Permission.LEDGER_READ,
        Permission.PLAN_READ,
        Permission.WORKDAY_READ,
        Permission.PERIOD_READ,
    }
)

_HOURS: Final = frozenset(
    {
        Permission.PERSON_WRITE,
        Permission.PLAN_WRITE,
        Permission.WORKDAY_ORDER,
        Permission.CORRECTION_REQUEST,
        Permission.CORRECTION_DECIDE,
    }
)
_PRIVACY: Final = frozenset({Permission.PRIVACY_READ, Permission.PRIVACY_WRITE})
_PAY: Final = frozenset({Permission.PERIOD_CLOSE, Permission.PERIOD_APPROVE, Permission.PERIOD_EXPORT})

ROLES: Final[Mapping[str, frozenset[Permission]]] = {
    "tenant_admin": _READ_ALL | _HOURS | _PAY | _PRIVACY | {Permission.AUDIT_READ},
    "auditor": _READ_ALL | {Permission.AUDIT_READ, Permission.PRIVACY_READ},
    "hr_manager": _READ_ALL | _HOURS | {Permission.PERIOD_CLOSE, Permission.PRIVACY_READ},
    "payroll": frozenset(
        {Permission.SELF_READ, Permission.PERSON_READ, Permission.PLAN_READ, Permission.WORKDAY_READ}
        | {Permission.PERIOD_READ}
        | _PAY
    ),
    "device_technician": frozenset({Permission.SELF_READ, Permission.PLACE_READ, Permission.TERMINAL_READ}),
    # Roles of a narrower scope than the tenant hold nothing of it until grants carry a scope (security-design A9).
    "place_manager": frozenset({Permission.SELF_READ}),
    "employee": frozenset({Permission.SELF_READ}),
}

_PAGES: Final = (
    ("overview", Permission.OVERVIEW_READ),
    ("live", Permission.PUNCH_READ),
    ("devices", Permission.TERMINAL_READ),
    ("exceptions", Permission.WORKDAY_READ),
    ("people", Permission.WORKDAY_READ),
)


def allows(role: str, permission: Permission) -> bool:
    """May this role do that? An unknown role may do nothing that is not public."""
    return permission is Permission.PUBLIC or permission in ROLES.get(role, frozenset())


def pages(role: str) -> list[str]:
    """The dashboard pages that this role may open, in the order of the menu."""
    return [page for page, permission in _PAGES if allows(role, permission)]
