"""Rotation of a key that wraps others, as a plan of steps that follows from the records alone (security-design K3).

Whoever was stopped in the middle asks for the plan again and goes on; a step that was done is not in it any more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from biometric_flow.identity.envelope import KeyId
from biometric_flow.identity.keyring import KeyRecord, KeyState, Owner


@dataclass(frozen=True, slots=True)
class Make:
    """Make the next version, pending: it is durable before anything is sealed with it."""

    owner: Owner


@dataclass(frozen=True, slots=True)
class Activate:
    """Let the pending version seal from now on; what was active opens only."""

    key: KeyId


@dataclass(frozen=True, slots=True)
class Rewrap:
    """Wrap what is under an older version under the active one."""

    under: KeyId
    left: int
    """Keys that still are."""


@dataclass(frozen=True, slots=True)
class Destroy:
    """Destroy a version under which nothing is any more."""

    key: KeyId


Step = Make | Activate | Rewrap | Destroy


def plan(
    records: Iterable[KeyRecord], owner: Owner, *, begin: bool = False, below: Mapping[KeyId, int] | None = None
) -> list[Step]:
    """What is left to do to have one live version of this owner's key and everything under it.

    Empty when no rotation is under way. With `begin`, a rotation begins unless one is under way already: two versions
    live at any time, never three. `below` says how many keys each one wraps, where `records` are only the owner's own.
    """
    known = list(records)
    mine = sorted((one for one in known if one.owner == owner), key=lambda one: one.version)
    pending = [one for one in mine if one.state is KeyState.PENDING]
    old = [one for one in mine if one.state is KeyState.VERIFY_ONLY]
    if not pending and not old:
        return [Make(owner)] if begin else []
    steps: list[Step] = [Activate(one.id) for one in pending]
    if pending:
        old = [*old, *(one for one in mine if one.state is KeyState.ACTIVE)]
    for one in old:
        left = sum(other.wrapped_by == one.id for other in known) if below is None else below.get(one.id, 0)
        steps += [Rewrap(one.id, left)] if left else []
        steps.append(Destroy(one.id))
    return steps
