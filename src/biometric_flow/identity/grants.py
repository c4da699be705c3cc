"""Grants: an account holds a role in a scope for a time; what that lets it reach, and why. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from biometric_flow.identity.errors import GrantRefused
from biometric_flow.identity.rbac import NARROWEST, Narrowest, Permission
from biometric_flow.identity.roles import CONFLICTS, SEALED, Roles

Parents = Mapping[str, str | None]
"""Department -> the one above it."""


class ScopeKind(StrEnum):
    """What a grant is for."""

    TENANT = "tenant"
    PLACE = "place"
    DEPARTMENT = "department"
    """With all departments below it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The whole tenant, one place, or a department with all below it."""

    kind: ScopeKind
    id: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}".strip()


TENANT: Final = Scope(ScopeKind.TENANT)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, where, and from when until when; `valid_to` is the first moment when it is over."""

    id: str
    role: str
    scope: Scope
    valid_from: datetime
    valid_to: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Does it count at this moment?"""
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a permission is held: everywhere, or in these places and departments (all below them named as well)."""

    is_everywhere: bool
    places: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()

    def covers(self, scope: Scope) -> bool:
        """Is all of a scope within it?"""
        if self.is_everywhere:
            return True
        named = {ScopeKind.PLACE: self.places, ScopeKind.DEPARTMENT: self.departments}.get(scope.kind, frozenset())
        return scope.id in named


@dataclass(frozen=True, slots=True)
class Reason:
    """What one grant means for a question."""

    grant: Grant
    counts: bool
    text: str


_KINDS: Final = {
    Narrowest.TENANT: (ScopeKind.TENANT,),
    Narrowest.PLACE: (ScopeKind.TENANT, ScopeKind.PLACE),
    Narrowest.DEPARTMENT: (ScopeKind.TENANT, ScopeKind.PLACE, ScopeKind.DEPARTMENT),
}
"""By how far a permission can be narrowed: the scopes of grants that count for it."""


def reach(
    roles: Roles, grants: Iterable[Grant], permission: Permission, parents: Parents, now: datetime
) -> Reach | None:
    """Where these grants let their holder use a permission; None for nowhere."""
    counting = [grant.scope for grant in grants if _objection(roles, grant, permission, now) is None]
    if not counting:
        return None
    if any(scope.kind is ScopeKind.TENANT for scope in counting):
        return Reach(is_everywhere=True)
    places = frozenset(scope.id for scope in counting if scope.kind is ScopeKind.PLACE)
    heads = {scope.id for scope in counting if scope.kind is ScopeKind.DEPARTMENT}
    return Reach(False, places, frozenset(below(heads, parents)))


def why(
    roles: Roles, grants: Sequence[Grant], permission: Permission, scope: Scope, parents: Parents, now: datetime
) -> tuple[bool, list[Reason]]:
    """May the holder of these grants use a permission on all of a scope, and what each grant has to do with it."""
    found = reach(roles, grants, permission, parents, now)
    reasons = []
    for grant in grants:
        objection = _objection(roles, grant, permission, now)
        if objection is None and not _alone(grant, parents).covers(scope):
            objection = f"it is for {grant.scope}, not for {scope}"
        line = " -> ".join(roles.line(grant.role, permission))
        reasons.append(Reason(grant, objection is None, objection or f"{line} gives {permission} in {grant.scope}"))
    return found is not None and found.covers(scope), reasons


def check_grant(
    roles: Roles, own: Sequence[Grant], theirs: Sequence[Grant], new: Grant, parents: Parents, now: datetime
) -> None:
    """May the holder of `own` add `new` to what somebody else holds? Raises GrantRefused, saying why not.

    Nobody grants what they do not hold where they grant it; and no account gathers a conflict set from several grants.
    """
    if new.role not in roles.known:
        raise GrantRefused(f"expected a role that exists, got {new.role!r}; GET /v1/roles lists them")
    if new.role in SEALED:
        raise GrantRefused(f"{new.role} is sealed: two persons open it for an hour at most (POST /v1/break-glass)")
    if new.valid_to is not None and new.valid_to <= max(new.valid_from, now):
        raise GrantRefused("expected valid_to after valid_from and after now")
    given = roles.permissions(new.role)
    for permission in sorted(given):
        held = reach(roles, own, permission, parents, now)
        if NARROWEST[permission] is not Narrowest.SELF and not (held and _covers(held, new.scope, permission)):
            raise GrantRefused(f"nobody grants what they do not hold: {permission} in {new.scope}")
    check_conflicts(roles, theirs, new, now)


def check_conflicts(roles: Roles, theirs: Sequence[Grant], new: Grant, now: datetime) -> None:
    """Would an account gather a conflict set with a new grant? Raises GrantRefused."""
    given = roles.permissions(new.role)
    for other in theirs:
        if other.valid_to is not None and other.valid_to <= max(now, new.valid_from):
            continue
        held_by = roles.permissions(other.role)
        for conflict in CONFLICTS:
            if conflict <= given | held_by and not (conflict <= given or conflict <= held_by):
                both = " and ".join(sorted(conflict))
                raise GrantRefused(f"{new.role} with {other.role}, which the account holds, would be {both}")


def check_role(roles: Roles, own: Sequence[Grant], name: str, now: datetime) -> None:
    """May the holder of `own` define this role? Raises GrantRefused for a permission that they do not hold."""
    for permission in sorted(roles.permissions(name)):
        held = reach(roles, own, permission, {}, now)
        if NARROWEST[permission] is not Narrowest.SELF and not (held and held.is_everywhere):
            raise GrantRefused(f"nobody defines a role with what they do not hold: {permission}")


def below(heads: Iterable[str], parents: Parents) -> Iterator[str]:
    """Departments with all below them, each once."""
    children: dict[str, list[str]] = {}
    for child, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(child)
    seen: set[str] = set()
    waiting = list(heads)
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += children.get(one, [])


def _covers(held: Reach, scope: Scope, permission: Permission) -> bool:
    """A permission that cannot be narrowed to a scope means nothing there, so granting it there gives nothing."""
    return scope.kind not in _KINDS[NARROWEST[permission]] or held.covers(scope)


def _alone(grant: Grant, parents: Parents) -> Reach:
    if grant.scope.kind is ScopeKind.TENANT:
        return Reach(is_everywhere=True)
    if grant.scope.kind is ScopeKind.PLACE:
        return Reach(False, places=frozenset({grant.scope.id}))
    return Reach(False, departments=frozenset(below([grant.scope.id], parents)))


def _objection(roles: Roles, grant: Grant, permission: Permission, now: datetime) -> str | None:
    if permission not in roles.permissions(grant.role):
        return f"{grant.role} does not give {permission}"
    if now < grant.valid_from:
        return f"it begins at {grant.valid_from.isoformat()}"
    if not grant.is_valid(now):
        return f"it ended at {grant.valid_to.isoformat() if grant.valid_to else ''}"
    if grant.scope.kind not in _KINDS.get(NARROWEST[permission], ()):
        return f"{permission} needs a grant in the {NARROWEST[permission]}, this one is for {grant.scope}"
    return None
