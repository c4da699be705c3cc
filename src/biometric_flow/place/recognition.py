"""Letting a terminal in that we dialled: the key it knows, and whether it is the machine that was enrolled (D3)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from biometric_flow.place.errors import TerminalExchanged
from biometric_flow.place.findings import Incident
from biometric_flow.place.identity import Difference, Identity, completed, differences
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.errors import TerminalUnauthorised
from biometric_flow.zk.terminal import Terminal, TerminalInfo, open_terminal

log = structlog.get_logger()


@asynccontextmanager
async def connected(at: Workplace, entry: RosterEntry) -> AsyncIterator[tuple[Terminal, RosterEntry]]:
    """A connection, with the entry as it is now: a comm key that was being set may turn out to be the one it knows.

    Raises what `open_terminal` raises.
    """
    async with AsyncExitStack() as stack:
        try:
            terminal = await stack.enter_async_context(opened(at, entry, entry.comm_key))
        except TerminalUnauthorised:
            if not entry.comm_key_next:
                raise
            terminal = await stack.enter_async_context(opened(at, entry, entry.comm_key_next))
            entry = await at.change_entry(entry.key, comm_key=entry.comm_key_next, comm_key_next=0, origin="api")
            log.info("comm_key_taken", terminal=entry.key)
        yield terminal, entry


@asynccontextmanager
async def opened(at: Workplace, entry: RosterEntry, comm_key: int) -> AsyncIterator[Terminal]:
    """A connection with this comm key."""
    seconds = at.settings.connect_seconds
    async with open_terminal(
        entry.host, entry.port, comm_key=comm_key, timeout=seconds, encoding=entry.encoding
    ) as terminal:
        yield terminal


async def recognise(at: Workplace, entry: RosterEntry, terminal: Terminal) -> tuple[RosterEntry, TerminalInfo]:
    """Ask who it is, and enrol what was not known. Raises TerminalExchanged when it is not what was enrolled."""
    info = await terminal.info()
    told = Identity(info.serial, info.firmware, info.platform, info.mac.lower())
    at.health.contacted(
        entry.key,
        at.clock.now(),
        asked_for_comm_key=terminal.asked_for_comm_key,
        model=info.model,
        firmware=info.firmware,
        platform=info.platform,
        told=told,
    )
    changed = differences(entry.identity, told)
    if changed:
        await _note(at, entry.key, changed)
        raise TerminalExchanged(
            f"expected the terminal {entry.serial} as it was enrolled, got another "
            f"{' and '.join(one.code.removesuffix('_changed') for one in changed)} ({changed[0].text}); "
            "if that is on purpose, confirm it"
        )
    known = completed(entry.identity, told)
    if known != entry.identity:
        entry = await at.change_entry(
            entry.key, serial=known.serial, firmware=known.firmware, platform=known.platform, mac=known.mac
        )
    return entry, info


async def _note(at: Workplace, key: str, changed: list[Difference]) -> None:
    """Each once: a blocked terminal is asked again and again."""
    noted = {(incident.code, incident.text) for incident in at.incidents.of(key)}
    for one in changed:
        if (one.code, one.text) not in noted:
            await at.writer.call(at.incidents.note, key, Incident(one.code, one.text, at.clock.now()))
    at.health.noted(key)
