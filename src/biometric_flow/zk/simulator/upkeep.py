"""What a simulated terminal does about itself: clearing, display, voice, power, and enrolling a finger."""

import hashlib
from typing import Final

from biometric_flow.zk.simulator.extras import Enrolling
from biometric_flow.zk.simulator.faults import FaultKind
from biometric_flow.zk.simulator.people import done, named_error
from biometric_flow.zk.simulator.session import Handler, Segments, Session
from biometric_flow.zk.wire.commands import Command, DataKind, EventMask, Reply
from biometric_flow.zk.wire.connection import Request
from biometric_flow.zk.wire.events import decode_enrol_request, encode_enrolment_end
from biometric_flow.zk.wire.frame import Packet
from biometric_flow.zk.wire.templates import Template

_IMAGE: Final = b"BM" + bytes(1_500)
_LINES_MAX: Final = 64
_TOUCHES: Final = 3
_FOUND_GOOD: Final = b"\x64"


def _clear_data(session: Session, request: Request) -> Segments:
    memory = session.host.memory
    kind = request.data[0] if request.data else DataKind.NONE
    if kind > DataKind.USERS:
        return session.reply(request, Reply.ERROR)
    if kind in (DataKind.NONE, DataKind.ATTLOG):
        memory.clear_punches()
    if kind in (DataKind.NONE, DataKind.FINGERPRINTS):
        memory.templates.clear()
    if kind in (DataKind.NONE, DataKind.OPLOG):
        memory.extras.operations.clear()
    if kind in (DataKind.NONE, DataKind.USERS):
        for user in memory.users:
            memory.delete_user(user.uid)
    return done(session, request)


def _clear_attlog(session: Session, request: Request) -> Segments:
    if not session.host.faults.take(FaultKind.FORGET):
        session.host.memory.clear_punches()
    return done(session, request)


def _clear_oplog(session: Session, request: Request) -> Segments:
    session.host.memory.extras.operations.clear()
    return done(session, request)


def _enable_clock(session: Session, request: Request) -> Segments:
    session.host.memory.extras.shows_clock = request.data[:1] != b"\0"
    return done(session, request)


def _write_lcd(session: Session, request: Request) -> Segments:
    memory = session.host.memory
    if len(request.data) < 3 or len(memory.extras.lcd) >= _LINES_MAX:
        return session.reply(request, Reply.ERROR)
    text = request.data[3:].decode(memory.encoding, "replace")
    memory.extras.lcd[int.from_bytes(request.data[:2], "little", signed=True)] = text
    return done(session, request)


def _clear_lcd(session: Session, request: Request) -> Segments:
    session.host.memory.extras.lcd.clear()
    return done(session, request)


def _play_voice(session: Session, request: Request) -> Segments:
    voices = session.host.memory.extras.voices
    voices.append(int.from_bytes(request.data[:4], "little"))
    del voices[:-100]
    return done(session, request)


def _sleep(session: Session, request: Request) -> Segments:
    session.host.memory.extras.is_asleep = True
    return done(session, request)


def _resume(session: Session, request: Request) -> Segments:
    session.host.memory.extras.is_asleep = False
    return done(session, request)


def _restart(session: Session, request: Request) -> Segments:
    session.host.end_soon(is_off=False)
    return done(session, request)


def _power_off(session: Session, request: Request) -> Segments:
    session.host.end_soon(is_off=True)
    return done(session, request)


def _capture_image(session: Session, request: Request) -> Segments:
    return session.small_or_bulk(request, _IMAGE)


@named_error
def _start_enrol(session: Session, request: Request) -> Segments:
    memory = session.host.memory
    pin, finger = decode_enrol_request(request.data, memory.encoding)
    if finger > 9 or not any(user.user_id == pin for user in memory.users):
        return session.reply(request, Reply.ERROR)
    memory.extras.enrolling = Enrolling(pin, finger)
    return done(session, request)


def _cancel_capture(session: Session, request: Request) -> Segments:
    session.host.memory.extras.enrolling = None
    return done(session, request)


def _start_verify(session: Session, request: Request) -> Segments:
    """Back to normal; with an enrolment begun, the person touches three times at once."""
    memory = session.host.memory
    memory.extras.asked_uid = int.from_bytes(request.data[:2], "little")
    enrolling, memory.extras.enrolling = memory.extras.enrolling, None
    answer = done(session, request)
    if enrolling is None:
        return answer
    result, size = memory.extras.enrol_result, 0
    if result == 0:
        template = _touched(session, enrolling)
        size = len(template.data)
    end = encode_enrolment_end(result, enrolling.user_id, enrolling.finger, size)
    touches = [(EventMask.FINGER, b""), (EventMask.FINGER_FEATURE, _FOUND_GOOD)] * _TOUCHES
    return [*answer, *_heard(session, [*touches, (EventMask.ENROLL_FINGER, end)])]


def _heard(session: Session, events: list[tuple[EventMask, bytes]]) -> list[list[Packet]]:
    return [[session.connection.event(mask, data)] for mask, data in events if session.mask & mask]


def _touched(session: Session, enrolling: Enrolling) -> Template:
    """The template of a finger that is not there: the same for the same person and finger."""
    memory = session.host.memory
    uid = next(user.uid for user in memory.users if user.user_id == enrolling.user_id)
    noise = hashlib.shake_128(f"{enrolling}".encode()).digest(1_100)
    head = b"M\x01SS21" if memory.profile.fingerprint_version == "10" else b"\x08\x01"
    template = Template(uid, enrolling.finger, head + noise + b"\x01")
    memory.templates[uid, enrolling.finger] = template
    return template


UPKEEP_HANDLERS: Final[dict[int, Handler]] = {
    Command.CLEAR_DATA: _clear_data,
    Command.CLEAR_ATTLOG: _clear_attlog,
    Command.CLEAR_OPLOG: _clear_oplog,
    Command.ENABLE_CLOCK: _enable_clock,
    Command.WRITE_LCD: _write_lcd,
    Command.CLEAR_LCD: _clear_lcd,
    Command.PLAY_VOICE: _play_voice,
    Command.SLEEP: _sleep,
    Command.RESUME: _resume,
    Command.RESTART: _restart,
    Command.POWER_OFF: _power_off,
    Command.CAPTURE_IMAGE: _capture_image,
    Command.START_ENROL: _start_enrol,
    Command.CANCEL_CAPTURE: _cancel_capture,
    Command.START_VERIFY: _start_verify,
}
