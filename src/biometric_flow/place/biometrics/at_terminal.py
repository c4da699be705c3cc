"""Templates at a terminal that this place dials: destroyed there, and seen to be gone."""

from biometric_flow.place.errors import JobFailed
from biometric_flow.zk.terminal import Terminal


async def delete_templates(pin: str, terminal: Terminal) -> str:
    """Delete every finger of a person and read back that none is left. Raises JobFailed where faces may be left.

    Faces have no public layout on this channel; only removing the person would take them away, which is not ours to do.
    """
    uid = next((user.uid for user in (await terminal.users()).records if user.user_id == pin), None)
    if uid is None:
        return "nobody with this number is on it"
    fingers = [one.finger for one in (await terminal.templates()).records if one.uid == uid]
    for finger in fingers:
        await terminal.delete_template(uid, finger)
    if any(one.uid == uid for one in (await terminal.templates()).records):
        raise JobFailed(
            "expected no finger of this person to be left, the terminal still holds some; tried again later"
        )
    if (await terminal.capacity()).faces:
        raise JobFailed(
            f"{len(fingers)} fingers are gone; this terminal holds faces, which cannot be read or deleted on this "
            "channel: remove the person from it, or let it push"
        )
    return f"{len(fingers)} fingers are gone, none is left"
