"""Why a terminal lets us in or not, in plain words (pure)."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Final

from biometric_flow.zk.doctor.report import Finding, note, ok, problem, warning
from biometric_flow.zk.errors import (
    NotATerminal,
    PullRefused,
    TerminalClosed,
    TerminalRefused,
    TerminalUnauthorised,
    TerminalUnreachable,
    ZkError,
)
from biometric_flow.zk.terminal import Transport

SWITCH_TO_PUSH: Final = (
    "in its menu open COMM. (or Network), Cloud Server Setting (older menus: ADMS), enter the address and push port "
    "of a place as server, set HTTPS and proxy as the place has them, save, restart, and let the place know its serial"
)


def address(host: str) -> Iterator[Finding]:
    """Where the terminal is (security-design D6)."""
    try:
        is_public = ipaddress.ip_address(host).is_global
    except ValueError:
        return
    if is_public:
        yield warning(
            "network.public",
            f"{host} is a public address, this protocol is plain text and whoever reaches the port can try to get in; "
            "put the terminal on a network of its own that only the place reaches",
        )


def no_answer(where: str, seconds: float) -> Finding:
    """Nothing came back at all."""
    return problem(
        "reach.timed_out",
        f"nothing answered at {where} within {seconds:g} s: the terminal is off, has another address, or a firewall "
        "drops the way there; look at its COMM. menu and ping it from here",
    )


def unreachable(where: str, host: str, why: TerminalUnreachable) -> Finding:
    """No connection."""
    match why.__cause__:
        case ConnectionRefusedError():
            return problem(
                "reach.refused",
                f"{where} refuses connections: a machine is there and nothing listens on this port; compare address "
                "and TCP port with the terminal's COMM. menu; if its firmware speaks push only: " + SWITCH_TO_PUSH,
            )
        case socket.gaierror() | UnicodeError():
            instead = "give the port with --port" if host.count(":") == 1 else "give the address itself"
            return problem("reach.name", f"no address is known for the name {host}; {instead}")
    return problem("reach.unreachable", str(why))


def reached(where: str, over: Transport) -> Finding:
    """A connection, or what stands for one."""
    if over == Transport.UDP:
        return note("reach.udp", f"{where} is reached over UDP: slower than TCP, and only old terminals know no other")
    return ok("reach.open", f"{where} takes connections")


def silence(seconds: float) -> Finding:
    """A connection and no word."""
    return problem(
        "reach.silent",
        f"it is reached and said nothing for {seconds:g} s: most terminals serve one client at a time, so end "
        "other software that is connected, or restart the terminal; or it is no ZK terminal",
    )


def not_entered(why: ZkError, comm_key: int) -> Finding:
    """Connected, not let in."""
    match why:
        case TerminalUnauthorised() if comm_key:
            return problem(
                "key.wrong",
                "it does not take this comm key; enter it anew in COMM. > Comm Key (its menu shows stars) and here",
            )
        case TerminalUnauthorised():
            return problem("key.required", "it asks for a comm key; give it with --comm-key-file")
        case PullRefused():
            return problem("pull.refused", f"its firmware is closed to reading (6001), push is left: {SWITCH_TO_PUSH}")
        case NotATerminal():
            return problem(
                "other.panel",
                "this is an access panel (C3/inBio protocol), not a terminal; only its own software reads it",
            )
        case TerminalClosed():
            return problem(
                "reach.closed",
                "it closed the connection at once: another client holds it, or it limits who may connect; end other "
                "software, look for a list of allowed hosts in its menu, try again",
            )
        case TerminalRefused():
            return problem("sign_in.refused", f"it does not let us in: {why}")
    return problem("other.protocol", f"what answers does not speak the protocol of ZK terminals: {why}")


def key(asked: bool, comm_key: int) -> Finding:
    """What the comm key is worth (security-design D3)."""
    if asked:
        return ok("key.taken", "it asked for the comm key and took it")
    if comm_key:
        return problem(
            "key.not_asked",
            "a comm key is configured and the terminal did not ask for it: it was reset, replaced, or something else "
            "answers in its place; see that this is your terminal and set the key on it again",
        )
    return warning(
        "key.none",
        "it has no comm key (0): whoever reaches its port can read and change everything; set one in COMM. > Comm Key "
        "and give it to the place",
    )
