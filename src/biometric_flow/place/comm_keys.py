"""Gives a terminal a comm key of its own, and never loses one that the terminal may already know."""

import secrets

import structlog

from biometric_flow.place.errors import JobFailed
from biometric_flow.place.recognition import opened
from biometric_flow.place.roster import COMM_KEY_LIMIT, RosterEntry
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.errors import TerminalUnauthorised, ZkError
from biometric_flow.zk.terminal import Terminal

log = structlog.get_logger()

_LEAST = 100_000
"""Six digits: the most that a terminal takes."""


async def set_comm_key(at: Workplace, entry: RosterEntry, terminal: Terminal) -> RosterEntry:
    """Set a random comm key, sign in with it, and keep it only then; returns the entry as it is now.

    The new key is on our disk before the terminal hears of it, so that no crash locks us out. The connection that was
    given is over afterwards. Raises JobFailed, or what the client raises.
    """
    fresh = _LEAST + secrets.randbelow(COMM_KEY_LIMIT + 1 - _LEAST)
    entry = await at.change_entry(entry.key, comm_key_next=fresh)
    await terminal.set_comm_key(fresh)
    await terminal.close()
    try:
        async with opened(at, entry, fresh) as again:
            asked = again.asked_for_comm_key
    except TerminalUnauthorised:
        raise JobFailed("it said ok and does not take the new comm key; it keeps the one it had") from None
    except ZkError as error:
        raise JobFailed(f"the new comm key was sent, and whether it is in force is not known yet: {error}") from error
    if not asked:
        raise JobFailed("it said ok and asks for no comm key; restart it, the new key is tried then")
    entry = await at.change_entry(entry.key, comm_key=fresh, comm_key_next=0, origin="api")
    log.info("comm_key_set", terminal=entry.key)
    return entry
