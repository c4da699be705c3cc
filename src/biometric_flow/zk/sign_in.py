"""Signing in to a terminal: CONNECT, and AUTH when it asks for the comm key (zk-protocol 2.3)."""

from typing import Final

from biometric_flow.zk.channel import Channel
from biometric_flow.zk.errors import CorruptFrame, PullRefused, TerminalUnauthorised
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.commkey import scramble
from biometric_flow.zk.wire.frame import Packet
from biometric_flow.zk.wire.transfer import refusal

OK_REPLIES: Final = frozenset((2000, 2002))


async def sign_in(channel: Channel, comm_key: int) -> bool:
    """Sign in; True when the terminal asked for the key. Once only: trying again with the same key cannot help.

    Raises TerminalUnauthorised, PullRefused, TerminalRefused or what the channel raises.
    """
    answer = await channel.ask(Command.CONNECT, b"", intact)
    asked = answer.command == Reply.UNAUTHORISED
    if asked:
        if comm_key == 0:
            raise TerminalUnauthorised("expected no comm key to be needed, the terminal asks for one; configure it")
        answer = await channel.ask(Command.AUTH, scramble(comm_key, channel.connection.session), intact)
        if answer.command == Reply.UNAUTHORISED:
            raise TerminalUnauthorised(
                "expected the terminal to take the comm key, it did not; compare it with the terminal's menu"
            )
    if answer.command == Reply.PULL_REFUSED:
        raise PullRefused(
            "expected a login, got 6001: this firmware refuses to be read over this protocol; "
            "set the terminal up to push to us instead",
            answer.command,
        )
    if answer.command not in OK_REPLIES:
        raise refusal(answer.command, "signing in")
    return asked


def intact(packet: Packet) -> Packet:
    """The packet, if its checksum fits. Raises CorruptFrame."""
    if not packet.intact:
        raise CorruptFrame("expected an answer with a fitting checksum, got a corrupt frame; ask again")
    return packet
