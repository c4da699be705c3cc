"""What can go wrong between us and a terminal.

ZkError
├── TerminalUnreachable    nobody answers at that address
├── TerminalTimedOut       it answered too late; the connection is closed
├── TerminalClosed         it, or the network, closed the connection
├── TerminalUnauthorised   it wants a comm key that we do not have
├── TerminalRefused        it understood and said no
│   ├── PullRefused        firmware of 2025 that speaks push only (6001)
│   ├── NotSupported       it does not know this command, or this channel has no public layout
│   ├── LogChanged         a log to be cleared holds another number of rows than was read
│   └── NotConfirmed       it said yes, and does not hold what was written
├── ProtocolViolation      what it sent cannot be right
│   ├── CorruptFrame       a checksum does not fit
│   ├── TransferIncomplete a bulk answer is shorter than announced
│   ├── BadIdentity        its serial number is not one
│   └── LayoutUnknown      rows of no size that we know
└── NotATerminal           something else listens there, such as an access panel

Wrong arguments from our own side are ValueError, as everywhere in Python.
"""

from typing import ClassVar


class ZkError(Exception):
    """An error with a stable code. Its text says what was expected, what came and what to do."""

    code: ClassVar[str] = "terminal.error"
    retryable: ClassVar[bool] = False


class TerminalUnreachable(ZkError):
    """No connection could be opened."""

    code = "terminal.unreachable"
    retryable = True


class TerminalTimedOut(ZkError):
    """The deadline of a whole operation passed. The connection is closed: a late answer would confuse the next."""

    code = "terminal.timed_out"
    retryable = True


class TerminalClosed(ZkError):
    """The connection ended while it was needed."""

    code = "terminal.closed"
    retryable = True


class TerminalUnauthorised(ZkError):
    """A comm key is required, or the one given is wrong. Trying again with the same key cannot help."""

    code = "terminal.unauthorised"


class TerminalRefused(ZkError):
    """The terminal answered, and the answer was no."""

    code = "terminal.refused"

    def __init__(self, message: str, reply: int = 0) -> None:
        super().__init__(message)
        self.reply = reply
        """The reply code as it came, such as 2001 or 4990."""


class PullRefused(TerminalRefused):
    """Firmware of 2025 that refuses the plain login of this protocol; it has to be set up for push."""

    code = "terminal.pull_refused"


class NotSupported(TerminalRefused):
    """The terminal does not know this command, or this channel has no public layout for it."""

    code = "terminal.not_supported"


class NotConfirmed(TerminalRefused):
    """The terminal said ok, but reading back shows something else; some firmware drops writes until it restarts."""

    code = "terminal.not_confirmed"
    retryable = True


class LogChanged(TerminalRefused):
    """A log was to be cleared and holds another number of rows than was read. Nothing was cleared."""

    code = "terminal.log_changed"
    retryable = True


class ProtocolViolation(ZkError):
    """Bytes that cannot be right: a foreign frame, a lying size, an answer of another connection."""

    code = "terminal.protocol"
    retryable = True


class CorruptFrame(ProtocolViolation):
    """A frame whose checksum does not fit its contents."""

    code = "terminal.corrupt_frame"


class TransferIncomplete(ProtocolViolation):
    """A bulk answer ended before all announced bytes had come. Nothing of it is used."""

    code = "terminal.transfer_incomplete"


class BadIdentity(ProtocolViolation):
    """What the terminal gives as its serial number is not one (security-design P1)."""

    code = "terminal.bad_identity"
    retryable = False


class LayoutUnknown(ProtocolViolation):
    """Rows of no layout that we know. An operator can name the layout; guessing would invent punches."""

    code = "terminal.layout_unknown"
    retryable = False


class NotATerminal(ZkError):
    """Something listens there that does not speak this protocol."""

    code = "terminal.not_a_terminal"
