"""Access control of a terminal: opening times, groups, verify modes, the door (zk-protocol 8)."""

from enum import IntEnum
from typing import Final

from biometric_flow.zk.errors import NotConfirmed, ProtocolViolation, TerminalTimedOut
from biometric_flow.zk.requests import Requests
from biometric_flow.zk.wire.access import (
    COMBINATIONS,
    GROUPS,
    ZONES,
    AccessGroup,
    AccessZone,
    UnlockCombination,
    UserZones,
    decode_verify_mode,
    encode_verify_mode,
)
from biometric_flow.zk.wire.commands import Command

UNLOCK_SECONDS_MAX: Final = 3600.0


class UnlockUnit(IntEnum):
    """What a terminal counts in when it is told for how long to unlock. Sources disagree: it is set per terminal."""

    SECONDS = 1
    TENTHS = 10


class Access(Requests):
    """What a client can do about doors. Whatever is written is read back; NotConfirmed when it differs."""

    async def access_zone(self, index: int) -> AccessZone:
        """A week of opening times, 1 to 50. Raises ValueError for another number."""
        _check(index, ZONES, "a time zone")
        async with self._operation("reading a time zone"):
            return await self._zone(index)

    async def set_access_zone(self, zone: AccessZone) -> None:
        """Write a week of opening times. Raises ValueError."""
        request = zone.request()
        async with self._operation("writing a time zone"):
            await self._write(Command.WRITE_ZONE, request)
            _confirm(await self._zone(zone.index), zone)

    async def access_group(self, group: int) -> AccessGroup:
        """What a group may do, 1 to 99. Raises ValueError for another number."""
        _check(group, GROUPS, "a group")
        async with self._operation("reading a group"):
            return await self._group(group)

    async def set_access_group(self, group: AccessGroup) -> None:
        """Write what a group may do. Raises ValueError."""
        request = group.encode()
        async with self._operation("writing a group"):
            await self._write(Command.WRITE_GROUP, request)
            _confirm(await self._group(group.group), group)

    async def combination(self, number: int) -> UnlockCombination:
        """An unlock combination, 1 to 10. Raises ValueError for another number."""
        _check(number, COMBINATIONS, "an unlock combination")
        async with self._operation("reading an unlock combination"):
            return await self._combination(number)

    async def set_combination(self, combination: UnlockCombination) -> None:
        """Write an unlock combination. Raises ValueError."""
        request = combination.encode()
        async with self._operation("writing an unlock combination"):
            await self._write(Command.WRITE_COMBINATION, request)
            _confirm(await self._combination(combination.number), combination)

    async def user_group(self, uid: int) -> int:
        """The group of a user."""
        request = _uid(uid)
        async with self._operation("reading a user's group"):
            return await self._user_group(request)

    async def set_user_group(self, uid: int, group: int) -> None:
        """Put a user into a group, 1 to 99. Raises ValueError."""
        request = _uid(uid)
        _check(group, GROUPS, "a group")
        async with self._operation("writing a user's group"):
            await self._write(Command.WRITE_USER_GROUP, request + bytes((group,)))
            _confirm(await self._user_group(request), group)

    async def user_zones(self, uid: int) -> UserZones:
        """The opening times of a user."""
        request = _uid(uid)
        async with self._operation("reading a user's time zones"):
            return UserZones.decode((await self._ask(Command.READ_USER_ZONES, request)).data)

    async def set_user_zones(self, uid: int, zones: UserZones) -> None:
        """Write the opening times of a user. Raises ValueError."""
        request, write = _uid(uid), zones.request(uid)
        async with self._operation("writing a user's time zones"):
            await self._write(Command.WRITE_USER_ZONES, write)
            _confirm(UserZones.decode((await self._ask(Command.READ_USER_ZONES, request)).data), zones)

    async def verify_mode(self, uid: int) -> int:
        """How a user has to verify: a number of VERIFY_MODES, or what the terminal says."""
        request = _uid(uid)[:2]
        async with self._operation("reading a verify mode"):
            return await self._mode(uid, request)

    async def set_verify_mode(self, uid: int, mode: int) -> None:
        """Write how a user has to verify. Raises ValueError for a mode that is not in VERIFY_MODES."""
        request, write = _uid(uid)[:2], encode_verify_mode(uid, mode)
        async with self._operation("writing a verify mode"):
            await self._write(Command.WRITE_VERIFY_MODE, write)
            _confirm(await self._mode(uid, request), mode)

    async def door_is_open(self) -> bool:
        """What the door's sensor says."""
        async with self._operation("reading the door"):
            return bool(self._first_byte((await self._ask(Command.READ_DOOR)).data))

    async def unlock(self, seconds: float, *, unit: UnlockUnit = UnlockUnit.TENTHS) -> None:
        """Open the lock for 0.1 to 3,600 seconds. `unit` is what this terminal counts in. Raises ValueError.

        It is asked once, over UDP too: TerminalTimedOut leaves open whether the door was opened.
        """
        if not 0.1 <= seconds <= UNLOCK_SECONDS_MAX:
            raise ValueError(f"expected 0.1 to {UNLOCK_SECONDS_MAX:g} seconds, got {seconds:g}")
        delay = max(1, round(seconds * unit))
        try:
            async with self._operation("unlocking the door"):
                await self._ask(Command.UNLOCK, delay.to_bytes(4, "little"))
        except TerminalTimedOut as problem:
            raise TerminalTimedOut(
                f"{problem}; whether the door was opened is not known, look before asking again"
            ) from problem

    async def clear_access(self) -> None:
        """Put all access control back to what the factory set."""
        async with self._operation("clearing access control"):
            await self._write(Command.CLEAR_ACCESS)

    async def _write(self, command: Command, data: bytes = b"") -> None:
        await self._ask(command, data)
        await self._ask(Command.REFRESH_DATA)

    async def _zone(self, index: int) -> AccessZone:
        return AccessZone.decode((await self._ask(Command.READ_ZONE, index.to_bytes(4, "little"))).data)

    async def _group(self, group: int) -> AccessGroup:
        return AccessGroup.decode((await self._ask(Command.READ_GROUP, group.to_bytes(8, "little"))).data)

    async def _combination(self, number: int) -> UnlockCombination:
        return UnlockCombination.decode((await self._ask(Command.READ_COMBINATION, number.to_bytes(8, "little"))).data)

    async def _user_group(self, request: bytes) -> int:
        return self._first_byte((await self._ask(Command.READ_USER_GROUP, request)).data)

    async def _mode(self, uid: int, request: bytes) -> int:
        got, mode = decode_verify_mode((await self._ask(Command.READ_VERIFY_MODE, request)).data)
        if got != uid:
            raise ProtocolViolation(f"expected the verify mode of uid {uid}, got that of {got}; reconnect")
        return mode


def _check(number: int, allowed: range, what: str) -> None:
    if number not in allowed:
        raise ValueError(f"expected {what} from {allowed[0]} to {allowed[-1]}, got {number}")


def _uid(uid: int) -> bytes:
    _check(uid, range(1, 0x10000), "a uid")
    return uid.to_bytes(4, "little")


def _confirm(held: object, wanted: object) -> None:
    if held != wanted:
        raise NotConfirmed(f"expected {wanted} as written, the terminal said ok and holds {held}; write again")
