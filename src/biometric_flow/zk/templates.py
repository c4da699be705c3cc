"""The fingerprint templates of a terminal: read, written, moved with their people, deleted (zk-protocol 5)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from biometric_flow.zk.bulk import read_answer
from biometric_flow.zk.errors import NotConfirmed, NotSupported, TerminalRefused
from biometric_flow.zk.files import Staging
from biometric_flow.zk.people import People, assign_uids
from biometric_flow.zk.requests import BULK_SECONDS
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.templates import (
    SAVE_REQUEST,
    Person,
    Template,
    TemplateList,
    encode_package,
    finger_request,
    unpad_template,
)
from biometric_flow.zk.wire.transfer import TEMPLATES
from biometric_flow.zk.wire.users import UserRecord

_NO_SUCH_FINGER: Final = (Reply.ERROR, 4991, 4993)


class Templates(People, Staging):
    """What a client can do about fingerprints. Blobs are opaque; a template fits terminals of its own version only."""

    async def templates(self, *, deadline: float = BULK_SECONDS) -> TemplateList:
        """Every fingerprint template."""
        async with self._locked_terminal("reading fingerprint templates", deadline):
            return await self._templates()

    async def template(self, uid: int, finger: int, *, deadline: float = BULK_SECONDS) -> Template | None:
        """One finger of one user, None when the terminal has none. Its flag is told in bulk only."""
        request = finger_request(uid, finger)
        async with self._locked_terminal("reading a fingerprint template", deadline):
            return await self._template(uid, finger, request)

    async def set_template(self, template: Template, *, deadline: float = BULK_SECONDS) -> None:
        """Write one template of a user who is there, in place of what this finger had, and read it back.

        Raises ValueError for one that cannot be; NotSupported when the terminal has another template version;
        NotConfirmed when it reads back otherwise; TerminalRefused.
        """
        request = template.commit_request()
        async with self._locked_terminal("writing a fingerprint template", deadline):
            await self._check_version([template])
            await self._try(Command.DELETE_TEMPLATE, finger_request(template.uid, template.finger))
            await self._stage(template.data)
            await self._ask(Command.CHECKSUM_BUFFER)
            await self._ask(Command.COMMIT_TEMPLATE, request)
            await self._ask(Command.FREE_DATA)
            await self._ask(Command.REFRESH_DATA)
            held = await self._template(template.uid, template.finger, finger_request(template.uid, template.finger))
            if held is None or held.data != template.data:
                raise _unconfirmed(template)

    async def set_people(
        self, people: Sequence[Person], *, layout: str | None = None, deadline: float = BULK_SECONDS
    ) -> list[UserRecord]:
        """Write users and their templates in one go, and read both back; gives the users as the terminal holds them.

        uids as in `set_users`; a template follows its user. Raises what `set_users` and `set_template` raise.
        """
        async with self._locked_terminal("writing people with templates", deadline):
            await self._check_version(template for person in people for template in person.templates)
            known = await self._users()
            form = await self._layout_for_writing(layout)
            wanted = assign_uids([person.user for person in people], known.records)
            moved = [
                Person(user, tuple(replace(template, uid=user.uid) for template in person.templates))
                for user, person in zip(wanted, people, strict=True)
            ]
            package = encode_package(moved, form, self._encoding)
            await self._try(Command.FREE_DATA)
            await self._stage(package)
            await self._ask(Command.SAVE_PEOPLE, SAVE_REQUEST)
            await self._ask(Command.REFRESH_DATA)
            rows = [form.encode(user, self._encoding) for user in wanted]
            stored = self._confirmed([form.decode(row, self._encoding) for row in rows], await self._users())
            held = {(have.uid, have.finger): have.data for have in (await self._templates()).records}
            for want in (template for person in moved for template in person.templates):
                if held.get((want.uid, want.finger)) != want.data:
                    raise _unconfirmed(want)
            return stored

    async def delete_template(self, uid: int, finger: int, *, deadline: float = BULK_SECONDS) -> None:
        """Delete one finger of one user and see that it is gone; nothing happens when there is none.

        Raises NotConfirmed, TerminalRefused, ValueError.
        """
        request = finger_request(uid, finger)
        async with self._locked_terminal("deleting a fingerprint template", deadline):
            if await self._template(uid, finger, request) is None:
                return
            owner = next((user.user_id for user in (await self._users()).records if user.uid == uid), "")
            try:
                await self._ask(Command.DELETE_FINGER, owner.encode(self._encoding).ljust(24, b"\0") + bytes((finger,)))
            except TerminalRefused:  # older firmware knows only the other command
                await self._ask(Command.DELETE_TEMPLATE, request)
            await self._ask(Command.REFRESH_DATA)
            if await self._template(uid, finger, request) is not None:
                raise NotConfirmed(f"expected finger {finger} of uid {uid} to be deleted, the terminal still has it")

    async def _templates(self) -> TemplateList:
        blob, _ = await self._fetch(TEMPLATES, _fingers)
        return TemplateList.decode(blob)

    async def _template(self, uid: int, finger: int, request: bytes) -> Template | None:
        for command in (Command.READ_TEMPLATE, Command.READ_USERS):
            try:
                answer = await read_answer(self._channel, TEMPLATES.title, command, request)
            except NotSupported:
                continue
            except TerminalRefused as no:
                if no.reply in _NO_SUCH_FINGER:
                    return None
                raise
            data = unpad_template(bytes(answer))
            return Template(uid, finger, data) if data else None
        raise NotSupported("expected one template at a time, this terminal gives them in bulk only; read all of them")

    async def _check_version(self, templates: Iterable[Template]) -> None:
        versions = {template.version for template in templates}
        if not versions:
            return
        told = (await self._option("~ZKFPVersion") or "").strip()
        if told.isdigit() and versions != {int(told)}:
            raise NotSupported(
                f"expected templates of version {told} as this terminal reads them, got version "
                f"{' and '.join(map(str, sorted(versions)))}; versions do not convert, enrol the finger again"
            )


def _fingers(capacity: Capacity) -> int:
    return capacity.fingers


def _unconfirmed(template: Template) -> NotConfirmed:
    return NotConfirmed(
        f"expected finger {template.finger} of uid {template.uid} as written, the terminal said ok and holds another; "
        "restart the terminal and write again"
    )
