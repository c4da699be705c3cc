"""Which family a connected terminal belongs to: asks it for what the decision needs."""

from biometric_flow.zk.families import OPTIONS, Description, describe
from biometric_flow.zk.terminal import Terminal, TerminalInfo
from biometric_flow.zk.wire.capacity import Capacity


async def description_of(terminal: Terminal, info: TerminalInfo, capacity: Capacity) -> Description:
    """The terminal by its own words. Raises what any operation raises."""
    told = {"~ZKFPVersion": info.fingerprint_version, "ZKFaceVersion": info.face_version}
    for name in OPTIONS:
        if name not in told:
            told[name] = await terminal.option(name) or ""
    options = {name: value for name, value in told.items() if value}
    return describe(info.model, info.platform, info.firmware, capacity, options)
