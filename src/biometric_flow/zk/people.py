"""The people of a terminal: read, written and read back, deleted (zk-protocol 4.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from biometric_flow.zk.channel import Channel
from biometric_flow.zk.errors import LayoutUnknown, NotConfirmed, TerminalRefused
from biometric_flow.zk.families import describe
from biometric_flow.zk.requests import BULK_SECONDS, Requests
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.layouts import user_layout
from biometric_flow.zk.wire.transfer import USERS
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserLayout, UserList, UserRecord

COMPARED: Final = ("user_id", "name", "privilege", "password", "card", "group", "own_timezones", "timezones")
"""What has to read back as it was written; group 0 means the terminal's own choice."""

_UID_MAX: Final = 0xFFFF


class People(Requests):
    """What a client can do about users. A person's name is cut between characters where the record is too short."""

    def __init__(self, channel: Channel, timeout: float, encoding: str) -> None:
        super().__init__(channel, timeout, encoding)
        self._user_layout: UserLayout | None = None

    async def users(self, *, deadline: float = BULK_SECONDS) -> UserList:
        """Everybody it knows. Raises LayoutUnknown for records of an unknown family."""
        async with self._locked_terminal("reading users", deadline):
            return await self._users()

    async def set_user(
        self, record: UserRecord, *, layout: str | None = None, deadline: float = BULK_SECONDS
    ) -> UserRecord:
        """Write one user and read back what the terminal now holds; see `set_users`."""
        (stored,) = await self.set_users([record], layout=layout, deadline=deadline)
        return stored

    async def set_users(
        self, records: Sequence[UserRecord], *, layout: str | None = None, deadline: float = BULK_SECONDS
    ) -> list[UserRecord]:
        """Write users, one after the other, and give what the terminal then holds, in the same order.

        uid 0 means: the uid that this user id has there, or the lowest free one. Nobody is replaced by somebody else.
        `layout` (`72` or `28`) is needed only for a terminal that knows nobody and whose platform does not tell.
        Raises ValueError for a record that does not fit, for a user id that has another uid there and for two records
        of one user id; NotConfirmed when the terminal said ok and holds something else; LayoutUnknown;
        TerminalRefused.
        """
        async with self._locked_terminal("writing users", deadline):
            known = await self._users()
            form = await self._layout_for_writing(layout)
            wanted = assign_uids(records, known.records)
            rows = [form.encode(record, self._encoding) for record in wanted]
            for row in rows:
                await self._ask(Command.WRITE_USER, row)
            await self._ask(Command.REFRESH_DATA)
            return self._confirmed([form.decode(row, self._encoding) for row in rows], await self._users())

    async def users_layout(self) -> UserLayout | None:
        """How this terminal stores users: as rows showed, else as its family does; None when neither tells."""
        async with self._operation("asking how users are stored"):
            return await self._layout_of_family()

    async def delete_user(self, uid: int, *, deadline: float = BULK_SECONDS) -> None:
        """Delete one user with everything that belongs to them; nothing happens when the uid is not in use."""
        await self.delete_users([uid], deadline=deadline)

    async def delete_users(self, uids: Iterable[int], *, deadline: float = BULK_SECONDS) -> None:
        """Delete users by uid and see that they are gone. Raises NotConfirmed or TerminalRefused, ValueError."""
        gone = sorted(set(uids))
        requests = [uid_bytes(uid) for uid in gone]
        async with self._locked_terminal("deleting users", deadline):
            refused: TerminalRefused | None = None
            for request in requests:
                try:
                    await self._ask(Command.DELETE_USER, request)
                except TerminalRefused as no:
                    refused = no
            await self._ask(Command.REFRESH_DATA)
            left = sorted({user.uid for user in (await self._users()).records} & set(gone))
            if left:
                raise refused or NotConfirmed(
                    f"expected uid {left[0]} to be deleted, the terminal said ok and still has it; "
                    "restart the terminal and read again"
                )

    async def clear_admins(self) -> None:
        """Make everybody an ordinary user, so that anybody can open the menu; templates and cards stay."""
        async with self._operation("clearing administrators"):
            await self._ask(Command.CLEAR_ADMINS)
            await self._ask(Command.REFRESH_DATA)

    async def _users(self) -> UserList:
        blob, capacity = await self._fetch(USERS, _user_count)
        if not blob:
            return UserList([], [], None)
        self._user_layout = user_layout(blob, capacity.users)
        return UserList.decode(blob, self._user_layout, self._encoding)

    async def _layout_for_writing(self, name: str | None) -> UserLayout:
        if name is not None:
            if name not in USER_LAYOUTS:
                raise ValueError(f"expected a layout out of {', '.join(USER_LAYOUTS)}, got {name!r}")
            return USER_LAYOUTS[name]
        layout = await self._layout_of_family()
        if layout is None:
            platform = await self._option("~Platform") or ""
            raise LayoutUnknown(
                f"expected a known family or somebody enrolled at the terminal, got {platform[:40]!r} and nobody; "
                f"name the layout, {' or '.join(USER_LAYOUTS)}"
            )
        return layout

    async def _layout_of_family(self) -> UserLayout | None:
        if self._user_layout is None:
            model, platform = await self._option("~DeviceName") or "", await self._option("~Platform") or ""
            family = describe(model, platform, "", Capacity(), {}).family
            self._user_layout = USER_LAYOUTS[family.user_layout] if family else None
        return self._user_layout

    @staticmethod
    def _confirmed(wanted: Sequence[UserRecord], held: UserList) -> list[UserRecord]:
        by_uid = {user.uid: user for user in held.records}
        stored = []
        for want in wanted:
            have = by_uid.get(want.uid)
            if have is None or (different := differences(want, have)):
                what = "nobody" if have is None else f"another {' and '.join(different)}"
                raise NotConfirmed(
                    f"expected user {want.user_id} at uid {want.uid} as written, the terminal said ok and holds {what};"
                    " restart the terminal and write again"
                )
            stored.append(have)
        return stored


def assign_uids(records: Sequence[UserRecord], known: Iterable[UserRecord]) -> list[UserRecord]:
    """The records with a uid each: their own, the one they have at the terminal, or the lowest free one.

    Raises ValueError when a user id has another uid or occurs twice, or a uid belongs to somebody else.
    """
    uid_of = {user.user_id: user.uid for user in known}
    owner_of = {uid: user_id for user_id, uid in uid_of.items()}
    taken = {*uid_of.values(), *(record.uid for record in records)}
    free = (uid for uid in range(1, _UID_MAX + 1) if uid not in taken)
    seen: set[str] = set()
    assigned = []
    for record in records:
        have = uid_of.get(record.user_id)
        if record.user_id in seen or not record.user_id:
            raise ValueError(f"expected each user id once and none empty, got {record.user_id[:40]!r}")
        if have is not None and record.uid not in (0, have):
            raise ValueError(f"expected user {record.user_id} at uid {have} as the terminal has it, got {record.uid}")
        if owner_of.get(record.uid, record.user_id) != record.user_id:
            raise ValueError(
                f"expected uid {record.uid} to be free, user {owner_of[record.uid]} has it; delete them first"
            )
        seen.add(record.user_id)
        uid = record.uid or have or next(free, None)
        if uid is None:
            raise ValueError("expected a free uid, all 65535 are taken; delete users first")
        assigned.append(replace(record, uid=uid))
    return assigned


def differences(want: UserRecord, have: UserRecord) -> list[str]:
    """The fields that a terminal holds otherwise than written."""
    return [
        name
        for name in COMPARED
        if getattr(want, name) != getattr(have, name) and not (name == "group" and want.group == 0)
    ]


def uid_bytes(uid: int) -> bytes:
    """A uid as requests carry it. Raises ValueError outside 1 to 65535."""
    if not 1 <= uid <= _UID_MAX:
        raise ValueError(f"expected a uid from 1 to {_UID_MAX}, got {uid}")
    return uid.to_bytes(2, "little")


def _user_count(capacity: Capacity) -> int:
    return capacity.users
