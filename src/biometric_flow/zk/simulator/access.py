"""What a simulated terminal does about access control and messages."""

from typing import Final

from biometric_flow.zk.simulator.extras import MESSAGES_MAX
from biometric_flow.zk.simulator.faults import FaultKind
from biometric_flow.zk.simulator.people import done, named_error
from biometric_flow.zk.simulator.session import Handler, Segments, Session
from biometric_flow.zk.wire.access import (
    AccessGroup,
    AccessZone,
    UnlockCombination,
    UserZones,
    decode_verify_mode,
    encode_verify_mode,
)
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.connection import Request
from biometric_flow.zk.wire.messages import ShortMessage, decode_link


@named_error
def _read_zone(session: Session, request: Request) -> Segments:
    index = int.from_bytes(request.data[:4], "little")
    return session.reply(request, Reply.OK, session.host.memory.extras.zone(index).encode())


@named_error
def _write_zone(session: Session, request: Request) -> Segments:
    zone = AccessZone.decode_request(request.data)
    zone.request()
    if not _forgets(session):
        session.host.memory.extras.zones[zone.index] = zone
    return done(session, request)


@named_error
def _read_group(session: Session, request: Request) -> Segments:
    group = session.host.memory.extras.group(request.data[0] if request.data else 0)
    return session.reply(request, Reply.OK, group.encode())


@named_error
def _write_group(session: Session, request: Request) -> Segments:
    group = AccessGroup.decode(request.data)
    group.encode()
    if not _forgets(session):
        session.host.memory.extras.groups[group.group] = group
    return done(session, request)


@named_error
def _read_combination(session: Session, request: Request) -> Segments:
    combination = session.host.memory.extras.combination(request.data[0] if request.data else 0)
    return session.reply(request, Reply.OK, combination.encode())


@named_error
def _write_combination(session: Session, request: Request) -> Segments:
    combination = UnlockCombination.decode(request.data)
    combination.encode()
    if not _forgets(session):
        session.host.memory.extras.combinations[combination.number] = combination
    return done(session, request)


def _read_user_group(session: Session, request: Request) -> Segments:
    uid = int.from_bytes(request.data[:4], "little")
    return session.reply(request, Reply.OK, bytes((session.host.memory.extras.user_groups.get(uid, 1),)))


def _write_user_group(session: Session, request: Request) -> Segments:
    uid = int.from_bytes(request.data[:4], "little")
    if len(request.data) < 5 or not session.host.memory.has_uid(uid):
        return session.reply(request, Reply.ERROR)
    if not _forgets(session):
        session.host.memory.extras.user_groups[uid] = request.data[4]
    return done(session, request)


def _read_user_zones(session: Session, request: Request) -> Segments:
    uid = int.from_bytes(request.data[:4], "little")
    zones = session.host.memory.extras.user_zones.get(uid) or UserZones(False, (1, 0, 0))
    return session.reply(request, Reply.OK, zones.encode())


@named_error
def _write_user_zones(session: Session, request: Request) -> Segments:
    uid, zones = UserZones.decode_request(request.data)
    zones.request(uid)
    if not session.host.memory.has_uid(uid):
        return session.reply(request, Reply.ERROR)
    if not _forgets(session):
        session.host.memory.extras.user_zones[uid] = zones
    return done(session, request)


@named_error
def _read_verify_mode(session: Session, request: Request) -> Segments:
    uid = int.from_bytes(request.data[:2], "little")
    mode = session.host.memory.extras.verify_modes.get(uid, 0)
    return session.reply(request, Reply.OK, encode_verify_mode(uid, mode))


@named_error
def _write_verify_mode(session: Session, request: Request) -> Segments:
    uid, mode = decode_verify_mode(request.data)
    encode_verify_mode(uid, mode)
    if not session.host.memory.has_uid(uid):
        return session.reply(request, Reply.ERROR)
    if not _forgets(session):
        session.host.memory.extras.verify_modes[uid] = mode
    return done(session, request)


def _read_door(session: Session, request: Request) -> Segments:
    return session.reply(request, Reply.OK, bytes((session.host.memory.extras.door_is_open,)))


def _unlock(session: Session, request: Request) -> Segments:
    delays = session.host.memory.extras.unlocked_for
    delays.append(int.from_bytes(request.data[:4], "little"))
    del delays[:-100]
    return done(session, request)


def _clear_access(session: Session, request: Request) -> Segments:
    session.host.memory.extras.clear_access()
    return done(session, request)


@named_error
def _write_message(session: Session, request: Request) -> Segments:
    memory = session.host.memory
    message = ShortMessage.decode(request.data, memory.encoding)
    message.encode(memory.encoding)
    if message.id not in memory.extras.messages and len(memory.extras.messages) >= MESSAGES_MAX:
        return session.reply(request, Reply.ERROR)
    if not _forgets(session):
        memory.extras.messages[message.id] = message
    return done(session, request)


def _read_message(session: Session, request: Request) -> Segments:
    memory = session.host.memory
    message = memory.extras.messages.get(int.from_bytes(request.data[:2], "little"))
    if message is None:
        return session.reply(request, Reply.ERROR)
    return session.reply(request, Reply.OK, message.encode(memory.encoding))


def _delete_message(session: Session, request: Request) -> Segments:
    number = int.from_bytes(request.data[:2], "little")
    return done(session, request, session.host.memory.extras.messages.pop(number, None) is not None)


@named_error
def _give_message(session: Session, request: Request) -> Segments:
    memory, (uid, number) = session.host.memory, decode_link(request.data)
    if not memory.has_uid(uid) or number not in memory.extras.messages:
        return session.reply(request, Reply.ERROR)
    memory.extras.given.add((uid, number))
    return done(session, request)


@named_error
def _take_message(session: Session, request: Request) -> Segments:
    given, link = session.host.memory.extras.given, decode_link(request.data)
    is_there = link in given
    given.discard(link)
    return done(session, request, is_there)


def _forgets(session: Session) -> bool:
    return session.host.faults.take(FaultKind.FORGET) is not None


ACCESS_HANDLERS: Final[dict[int, Handler]] = {
    Command.READ_ZONE: _read_zone,
    Command.WRITE_ZONE: _write_zone,
    Command.READ_GROUP: _read_group,
    Command.WRITE_GROUP: _write_group,
    Command.READ_COMBINATION: _read_combination,
    Command.WRITE_COMBINATION: _write_combination,
    Command.READ_USER_GROUP: _read_user_group,
    Command.WRITE_USER_GROUP: _write_user_group,
    Command.READ_USER_ZONES: _read_user_zones,
    Command.WRITE_USER_ZONES: _write_user_zones,
    Command.READ_VERIFY_MODE: _read_verify_mode,
    Command.WRITE_VERIFY_MODE: _write_verify_mode,
    Command.READ_DOOR: _read_door,
    Command.UNLOCK: _unlock,
    Command.CLEAR_ACCESS: _clear_access,
    Command.WRITE_SMS: _write_message,
    Command.READ_SMS: _read_message,
    Command.DELETE_SMS: _delete_message,
    Command.WRITE_USER_SMS: _give_message,
    Command.DELETE_USER_SMS: _take_message,
}
