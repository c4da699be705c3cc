"""Templates at a terminal that this place dials: given, taken and destroyed, each read back."""

from typing import Final

from biometric_flow.api.jobs import GiveTemplates, TakeTemplates
from biometric_flow.place.biometrics.courier import Courier
from biometric_flow.place.biometrics.samples import finger_of
from biometric_flow.place.biometrics.transfers import Bundle
from biometric_flow.place.errors import JobFailed
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.templates import Person
from biometric_flow.zk.wire.users import UserRecord

FACES_LEFT: Final = "this terminal holds faces"
"""Stands in the reason of a destruction that this channel can only do in part."""


async def give_templates(order: GiveTemplates, courier: Courier, terminal: Terminal) -> str:
    """Read a person's fingers and send them on. Raises TemplatesNotThere, ReleaseUnknown, JobFailed."""
    transfer = await courier.open(order.transfer, order.pin)
    user = await _user(order.pin, terminal)
    if user is None:
        raise JobFailed(f"expected somebody with the number {order.pin} on this terminal, there is nobody")
    found = [one for one in (await terminal.templates()).records if one.uid == user.uid]
    if not found:
        raise JobFailed("expected fingers of this person on this terminal, it holds none; enrol them first")
    await courier.given(transfer, Bundle(user, tuple(finger_of(order.pin, one) for one in found)))
    return f"{len(found)} fingers are on their way to {len(transfer.targets)} terminals"


async def take_templates(order: TakeTemplates, courier: Courier, terminal: Terminal, key: str) -> str:
    """Write a person's fingers and read them back; somebody who is there already keeps their name and rights.

    Raises NotSupported for a version that this terminal does not read, JobFailed for what this channel cannot carry.
    """
    transfer = await courier.open(order.transfer, order.pin)
    if transfer.bundle is None:
        raise JobFailed("expected templates on their way to this terminal, it has taken them already")
    fingers = [one for one in transfer.bundle.samples if one.tag == "FP"]
    others = sorted({one.tag for one in transfer.bundle.samples if one.tag != "FP"})
    here = await _user(order.pin, terminal)
    # Rights, passwords and times of access do not travel with fingers.
    known = transfer.bundle.user
    user = here or UserRecord(0, known.user_id, known.name, card=known.card)
    if fingers:
        await terminal.set_people([Person(user, tuple(one.template(user.uid) for one in fingers))])
    if others:
        raise JobFailed(
            f"{len(fingers)} fingers read back as written; {', '.join(others)} cannot travel on this channel, "
            "which has no public layout for them: let the terminal push"
        )
    courier.transfers.taken(transfer, key)
    return f"{len(fingers)} fingers read back as written"


async def delete_templates(pin: str, terminal: Terminal) -> str:
    """Delete every finger of a person and read back that none is left. Raises JobFailed where faces may be left.

    Faces have no public layout on this channel; only removing the person would take them away, which is not ours to do.
    """
    user = await _user(pin, terminal)
    if user is None:
        return "nobody with this number is on it"
    fingers = [one.finger for one in (await terminal.templates()).records if one.uid == user.uid]
    for finger in fingers:
        await terminal.delete_template(user.uid, finger)
    if any(one.uid == user.uid for one in (await terminal.templates()).records):
        raise JobFailed(
            "expected no finger of this person to be left, the terminal still holds some; tried again later"
        )
    if (await terminal.capacity()).faces:
        raise JobFailed(
            f"{len(fingers)} fingers are gone, none is left; {FACES_LEFT}, which cannot be read or deleted on this "
            "channel: the task stays open, remove the person from it, or let it push"
        )
    return f"{len(fingers)} fingers are gone, none is left"


async def _user(pin: str, terminal: Terminal) -> UserRecord | None:
    return next((user for user in (await terminal.users()).records if user.user_id == pin), None)
