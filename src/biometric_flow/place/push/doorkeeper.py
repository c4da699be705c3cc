"""Who may speak on the push port: serial number, secret and source network together (security-design D4)."""

import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Final

from biometric_flow.model.ids import SERIAL
from biometric_flow.place.roster import RosterEntry, secret_digest
from biometric_flow.zk.push.text import Fields

SEEN_MAX: Final = 200
"""Strangers remembered; the one that was silent longest goes first."""

_PATH: Final = re.compile(r"(?:/p/([A-Za-z0-9_-]{1,128}))?(?:/iclock){1,2}/([a-z]{1,20})(?:\.aspx)?", re.IGNORECASE)
_NOBODY: Final = secret_digest("")


@dataclass(frozen=True, slots=True)
class Knock:
    """One request, as far as it matters for letting it in."""

    endpoint: str
    """Lower case: `cdata`, `getrequest`, ..."""
    serial: str
    secret: str
    address: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A terminal that was not let in."""

    serial: str
    address: str
    reason: str
    device_type: str
    version: str
    first_seen: datetime
    last_seen: datetime
    requests: int = 1


class Seen:
    """Strangers, in memory only and bounded: they cost no database write (security-design D4)."""

    def __init__(self) -> None:
        self._strangers: OrderedDict[str, Stranger] = OrderedDict()

    def __iter__(self) -> Iterator[Stranger]:
        """Newest first."""
        return reversed(self._strangers.values())

    def note(self, knock: Knock, reason: str, query: Fields, now: datetime) -> bool:
        """Remember a request that was refused; True when this is news."""
        known = self._strangers.pop(knock.serial, None)
        fresh = Stranger(
            serial=knock.serial,
            address=knock.address,
            reason=reason,
            device_type=query.first("devicetype")[:16],
            version=query.first("pushver")[:16],
            first_seen=known.first_seen if known else now,
            last_seen=now,
            requests=known.requests + 1 if known else 1,
        )
        if known and not fresh.version:
            fresh = replace(fresh, device_type=known.device_type, version=known.version)
        self._strangers[knock.serial] = fresh
        while len(self._strangers) > SEEN_MAX:
            self._strangers.popitem(last=False)
        return known is None or known.reason != reason

    def forget(self, serial: str) -> None:
        """It is let in now."""
        self._strangers.pop(serial, None)


class Refused(Exception):
    """Not let in. The terminal gets one and the same answer whatever the reason is."""


class Doorkeeper:
    """Decides about each request from its head alone."""

    def __init__(self, roster: Iterable[RosterEntry]) -> None:
        self._roster = roster
        self._greeted: dict[str, str] = {}
        """Serial -> address of a terminal that proved itself by `pushcommkey` in its handshake."""

    def admit(self, knock: Knock, query: Fields) -> RosterEntry:
        """The terminal that knocks. Raises Refused with a reason for the operator, never for the terminal."""
        entry = next((one for one in self._roster if one.serial == knock.serial and one.push_secret), None)
        offered = knock.secret or query.first("pushcommkey")[:128]
        # The comparison is made for strangers too, so that time tells nothing.
        is_right = hmac.compare_digest(secret_digest(offered), entry.push_secret if entry else _NOBODY)
        if entry is None:
            raise Refused("unknown")
        if not is_right and not (not offered and self._greeted.get(entry.serial) == knock.address):
            raise Refused("wrong_secret")
        if not entry.is_enabled:
            raise Refused("disabled")
        if not is_from(knock.address, entry.push_networks):
            raise Refused("wrong_network")
        if not knock.secret and offered:
            self._greeted[entry.serial] = knock.address
        return entry

    def forget(self, serial: str) -> None:
        """Its secret or its networks changed."""
        self._greeted.pop(serial, None)


def read_knock(path: str, query: Fields, address: str) -> Knock | None:
    """The request's head; None for a path that no terminal asks for."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    return Knock(match[2].lower(), query.first("sn")[:64], match[1] or "", address)


def is_serial(text: str) -> bool:
    """Whether this may be a serial number (security-design P1)."""
    return SERIAL.fullmatch(text) is not None


def is_from(address: str, networks: str) -> bool:
    """Whether an address lies in one of the networks, given with commas between; an empty text means any."""
    if not networks:
        return True
    try:
        source = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(source, "ipv4_mapped", None) or source
    return any(mapped in ip_network(network) for network in networks.split(",") if network)
