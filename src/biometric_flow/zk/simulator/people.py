"""What a simulated terminal does about users and fingerprints."""

from dataclasses import replace
from functools import wraps
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.simulator.faults import FaultKind
from biometric_flow.zk.simulator.session import Handler, Segments, Session
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.connection import Request
from biometric_flow.zk.wire.templates import (
    PACKAGE_MAX,
    SAVE_REQUEST,
    TEMPLATE_MAX,
    Template,
    decode_commit,
    decode_finger,
    decode_package,
)

_PADDING: Final = b"\0"
_NOT_FOUND: Final = 4993


def named_error(handler: Handler) -> Handler:
    """Bytes that cannot be right get an error, as at a real terminal."""

    @wraps(handler)
    def answer(session: Session, request: Request) -> Segments:
        try:
            return handler(session, request)
        except (ProtocolViolation, ValueError):
            return session.reply(request, Reply.ERROR)

    return answer


def done(session: Session, request: Request, is_done: bool = True) -> Segments:
    """Ok or error."""
    return session.reply(request, Reply.OK if is_done else Reply.ERROR)


@named_error
def _write_user(session: Session, request: Request) -> Segments:
    if session.host.faults.take(FaultKind.FORGET):
        return done(session, request)
    return done(session, request, session.host.memory.write_user(request.data))


def _delete_user(session: Session, request: Request) -> Segments:
    if session.host.faults.take(FaultKind.FORGET):
        return done(session, request)
    return done(session, request, session.host.memory.delete_user(int.from_bytes(request.data[:2], "little")))


def _clear_admins(session: Session, request: Request) -> Segments:
    session.host.memory.clear_admins()
    return done(session, request)


@named_error
def _read_template(session: Session, request: Request) -> Segments:
    template = session.host.memory.templates.get(decode_finger(request.data))
    if template is None:
        return session.reply(request, _NOT_FOUND)
    return session.small_or_bulk(request, template.data + _PADDING)


def _read_users_or_template(session: Session, request: Request) -> Segments:
    if len(request.data) == 3:
        return _read_template(session, request)
    return session.read_directly(request)


@named_error
def _delete_template(session: Session, request: Request) -> Segments:
    return done(session, request, session.host.memory.templates.pop(decode_finger(request.data), None) is not None)


def _delete_finger(session: Session, request: Request) -> Segments:
    """By user id; black-and-white terminals do not know this one."""
    memory = session.host.memory
    if memory.profile.users.name == "28":
        return session.reply(request, Reply.UNKNOWN)
    pin = request.data[:24].split(b"\0", 1)[0].decode(memory.encoding, "replace")
    uid = next((user.uid for user in memory.users if user.user_id == pin), 0)
    finger = request.data[24] if len(request.data) > 24 else 255
    return done(session, request, memory.templates.pop((uid, finger), None) is not None)


def _prepare_staging(session: Session, request: Request) -> Segments:
    size = int.from_bytes(request.data[:4], "little")
    session.staged.clear()
    session.staged_size = size if size <= PACKAGE_MAX else 0
    return done(session, request, session.staged_size > 0)


def _stage(session: Session, request: Request) -> Segments:
    if len(session.staged) + len(request.data) > session.staged_size:
        return session.reply(request, Reply.ERROR)
    session.staged += request.data
    return done(session, request)


def _checksum_staged(session: Session, request: Request) -> Segments:
    return session.reply(request, Reply.OK, (sum(session.staged) & 0xFFFF_FFFF).to_bytes(4, "little"))


@named_error
def _commit_template(session: Session, request: Request) -> Segments:
    """The user has to be there and the slot empty."""
    memory, commit = session.host.memory, decode_commit(request.data)
    place = (commit.uid, commit.finger)
    is_right = len(session.staged) == commit.size <= TEMPLATE_MAX and memory.has_uid(commit.uid)
    if not is_right or place in memory.templates:
        return session.reply(request, Reply.ERROR)
    if not session.host.faults.take(FaultKind.FORGET):
        template = Template(commit.uid, commit.finger, bytes(session.staged), commit.flag)
        template.check()
        memory.templates[place] = template
    return done(session, request)


@named_error
def _save_people(session: Session, request: Request) -> Segments:
    memory = session.host.memory
    if request.data != SAVE_REQUEST or len(session.staged) != session.staged_size:
        return session.reply(request, Reply.ERROR)
    people = decode_package(bytes(session.staged), memory.profile.users, memory.encoding)
    if session.host.faults.take(FaultKind.FORGET):
        return done(session, request)
    for person in people:
        if not memory.write_user(memory.profile.users.encode(person.user, memory.encoding)):
            return session.reply(request, Reply.ERROR)
        for template in person.templates:
            memory.templates[person.user.uid, template.finger] = replace(template, uid=person.user.uid)
    return done(session, request)


PEOPLE_HANDLERS: Final[dict[int, Handler]] = {
    Command.WRITE_USER: _write_user,
    Command.DELETE_USER: _delete_user,
    Command.CLEAR_ADMINS: _clear_admins,
    Command.READ_TEMPLATE: _read_template,
    Command.READ_USERS: _read_users_or_template,
    Command.DELETE_TEMPLATE: _delete_template,
    Command.DELETE_FINGER: _delete_finger,
    Command.PREPARE_DATA: _prepare_staging,
    Command.DATA: _stage,
    Command.CHECKSUM_BUFFER: _checksum_staged,
    Command.COMMIT_TEMPLATE: _commit_template,
    Command.SAVE_PEOPLE: _save_people,
}
