"""What becomes of a punch that has no partner (contract 7)."""

from biometric_flow.policy.attribution import Group, is_nearer_end
from biometric_flow.policy.pairing import Paired, Piece
from biometric_flow.policy.rules import Policy

SECONDS: int = 60


def settle(group: Group, paired: Paired, policy: Policy, as_of: int | None) -> None:
    """Name the unmatched punch of a group and, where the policy says so, fill its other end. Changes `paired`."""
    if paired.open_in is None:
        return
    minute, plan = paired.open_in, group.plan
    closes = plan.closes if plan else minute + policy.max_session_min
    if as_of is not None and as_of <= closes * SECONDS:
        paired.irregularities.add("IN_PROGRESS")
        return
    lone = len(group.punches) == 1 and policy.pairing.mode in ("alternating", "first_last")
    if lone and plan and is_nearer_end(plan, minute):
        paired.irregularities.add("MISSING_IN")
        paired.open_in = None
        paired.outs.append(minute)
        if policy.missing.into == "shift_start" and plan.start < minute:
            paired.pieces.append(Piece(plan.start, minute, is_filled=True))
        return
    paired.irregularities.add("MISSING_OUT")
    end = None
    if policy.missing.out == "shift_end" and plan:
        end = plan.end
    elif policy.missing.out == "cap":
        end = minute + policy.missing.cap_min
    if end is not None and end > minute:
        paired.pieces.append(Piece(minute, end, paired.open_is_overtime, is_filled=True))
