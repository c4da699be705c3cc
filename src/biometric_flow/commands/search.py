"""`biometric-flow discover CIDR`: which terminals a network has."""

import argparse
from dataclasses import asdict

from biometric_flow.commands.connection import comm_key
from biometric_flow.commands.screen import Screen
from biometric_flow.zk import discovery
from biometric_flow.zk.discovery import Found, Kind

FOUND, NOTHING_FOUND = 0, 1

_WORDS = {
    Kind.LOCKED: "wants a comm key; give it with --comm-key-file",
    Kind.PUSH_ONLY: "refuses to be read (6001); set it up to push to a place",
    Kind.PANEL: "an access panel (C3/inBio), not a terminal",
    Kind.OTHER: "something that is no terminal",
}


async def discover(given: argparse.Namespace, screen: Screen) -> int:
    """Ask every address of a network who it is, and nobody else."""
    key = comm_key(given)
    discovery.network_of(given.network)
    with screen.progress(f"asking {given.network}", 1, "addresses") as progress:
        result = await discovery.discover(
            given.network,
            port=given.port,
            comm_key=key,
            transport=given.transport,
            rate=given.rate,
            timeout=given.timeout,
            deadline=given.deadline,
            progress=progress,
        )
    if screen.as_json:
        head = {"network": given.network, "addresses": result.addresses, "asked": result.asked}
        screen.document({**head, "found": [asdict(one) for one in result.found]})
    elif result.found:
        screen.table(("ADDRESS", "SERIAL", "MODEL", "PLATFORM", "FIRMWARE", "WHAT"), map(_row, result.found))
    if not result.is_complete:
        screen.note(f"warning: {result.asked} of {result.addresses} addresses asked before --deadline passed")
    if not result.found:
        screen.note(f"biometric-flow: expected terminals in {given.network} on port {given.port}, nobody answered")
        return NOTHING_FOUND
    return FOUND


def _row(found: Found) -> tuple[str, ...]:
    if found.info:
        who = found.info
        what = "terminal" if found.asked_for_comm_key else "terminal without a comm key"
        return found.host, who.serial, who.model or "-", who.platform or "-", who.firmware or "-", what
    return found.host, "-", "-", "-", "-", _WORDS.get(found.kind, found.problem)
