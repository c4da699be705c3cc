"""What a simulated terminal does about cards, comparing templates, and its serial line."""

from typing import Final

from biometric_flow.zk.simulator.people import done, named_error
from biometric_flow.zk.simulator.session import Handler, Segments, Session
from biometric_flow.zk.wire.cards import CardContent, decode_card
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.connection import Request


@named_error
def _write_card(session: Session, request: Request) -> Segments:
    session.host.memory.extras.card = decode_card(request.data)
    return done(session, request)


def _empty_card(session: Session, request: Request) -> Segments:
    session.host.memory.extras.card = CardContent(0, ())
    return done(session, request)


def _test_template(session: Session, request: Request) -> Segments:
    """The same bytes match; a real terminal compares fingers."""
    for template in session.host.memory.templates.values():
        if template.data == request.data:
            return session.reply(request, Reply.OK, template.uid.to_bytes(2, "little"))
    return done(session, request, is_done=False)


def _change_speed(session: Session, request: Request) -> Segments:
    session.host.memory.extras.speed = int.from_bytes(request.data[:1], "little")
    return done(session, request, len(request.data) == 1)


CARD_HANDLERS: Final[dict[int, Handler]] = {
    Command.WRITE_CARD: _write_card,
    Command.EMPTY_CARD: _empty_card,
    Command.TEST_TEMPLATE: _test_template,
    Command.CHANGE_SPEED: _change_speed,
}
