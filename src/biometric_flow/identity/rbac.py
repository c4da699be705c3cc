"""The vocabulary of access: every permission, and how far it can be narrowed. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What an operation asks for: resource:action."""

    PUBLIC = "public"
    """Declared by the few operations that anyone may call."""
    SELF_READ = "self:read"
    SELF_WRITE = "self:write"
    """Sign out, change one's own password and second factor."""
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
    ALERT_READ = "alert:read"
    ALERT_ACKNOWLEDGE = "alert:acknowledge"
    """Say that somebody takes care of what is wrong."""
    ALERT_CONFIGURE = "alert:configure"
    """Where alerts are told."""
    METRICS_READ = "metrics:read"
    """Counts of the gateway's process and of the tenant's places; they name nobody."""
    TERMINAL_OPERATE = "terminal:operate"
    """Order everyday jobs of terminals and dismiss their findings; the place records who did."""
    DOOR_OPEN = "door:open"
    """Unlock a door from afar, beside `terminal:operate`."""
    TERMINAL_PEOPLE = "terminal:people"
    """Order jobs that change who may pass and when, or what a terminal knows of people, beside `terminal:operate`."""
    TERMINAL_MAINTAIN = "terminal:maintain"
    """Order jobs that change or empty the machine: keys, options, firmware, clearing; beside `terminal:operate`."""
    PUNCH_READ = "punch:read"
    LEDGER_READ = "ledger:read"
    """Checkpoints, tiles and what was refused: they name nobody."""
    AUDIT_READ = "audit:read"
    """Who did what, and what was refused to whom."""
    PRIVACY_READ = "privacy:read"
    """Retention policies, legal holds, consent texts, archives: what stays, why, until when."""
    PRIVACY_WRITE = "privacy:write"
    ACCESS_READ = "access:read"
    """Accounts, roles, grants, and why somebody may do something."""
    ACCESS_WRITE = "access:write"
    """Invite, disable, grant and revoke, and define roles, never beyond what one holds."""
    EMERGENCY_REQUEST = "emergency:request"
    """Ask that the sealed role is opened, and end what one opened (security-design A11)."""
    EMERGENCY_DECIDE = "emergency:decide"
    """Open the sealed role for somebody else, end it, and review afterwards what was done."""
    LEDGER_WRITE = "ledger:write"
    """Held by a place's own credential, for its own ledger; by no account."""
    LEDGER_DECIDE = "ledger:decide"
    """End a log of a place, so that the place may begin another one."""


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
    Permission.SELF_WRITE: Narrowest.SELF,
    Permission.OVERVIEW_READ: Narrowest.PLACE,
    Permission.PLACE_READ: Narrowest.PLACE,
    Permission.TERMINAL_READ: Narrowest.PLACE,
    Permission.ALERT_READ: Narrowest.PLACE,
    Permission.ALERT_ACKNOWLEDGE: Narrowest.PLACE,
    Permission.ALERT_CONFIGURE: Narrowest.TENANT,
    Permission.METRICS_READ: Narrowest.TENANT,
    Permission.TERMINAL_OPERATE: Narrowest.PLACE,
    Permission.DOOR_OPEN: Narrowest.PLACE,
    Permission.TERMINAL_PEOPLE: Narrowest.PLACE,
    Permission.TERMINAL_MAINTAIN: Narrowest.PLACE,
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
    Permission.ACCESS_READ: Narrowest.TENANT,
    Permission.ACCESS_WRITE: Narrowest.TENANT,
    Permission.EMERGENCY_REQUEST: Narrowest.TENANT,
    Permission.EMERGENCY_DECIDE: Narrowest.TENANT,
    Permission.LEDGER_WRITE: Narrowest.OWN_PLACE,
    Permission.LEDGER_DECIDE: Narrowest.TENANT,
}
"""Every permission and the finest scope in which it can be held; a test fails for one that is missing."""
