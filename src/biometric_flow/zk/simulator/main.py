"""`biometric-flow simulate`: run one simulated terminal until somebody stops it."""

import argparse
import asyncio
import contextlib
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from biometric_flow.zk.push.text import PushProtocol
from biometric_flow.zk.simulator.control import ControlPort
from biometric_flow.zk.simulator.files import FileUnreadable, read_attlog, read_users
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.commkey import KEY_MAX

EXIT_CANNOT_START: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `biometric-flow simulate`."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=_port, default=4370, help="port to listen on, 0 for a free one (default 4370)")
    parser.add_argument(
        "--transport", choices=("tcp", "udp", "both"), default="tcp", help="what it listens on (default tcp)"
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default="tft", help="family of terminal (default tft)")
    parser.add_argument("--serial", default="SIM0000001", help="serial number it tells (default %(default)s)")
    parser.add_argument("--comm-key", type=_comm_key, default=0, help="key it asks for, 0 for none (default 0)")
    parser.add_argument("--users", type=Path, metavar="FILE", help="people: pin,name,card,privilege a line")
    parser.add_argument("--attlog", type=Path, metavar="FILE", help="punches to start with, in the USB layout")
    parser.add_argument("--control-port", type=_port, metavar="PORT", help="take JSON lines on this loopback port")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="keep own punches here across restarts")
    parser.add_argument("--live", type=_seconds, default=0.0, metavar="SECONDS", help="punch by itself, this often")
    parser.add_argument("--zone", type=_zone, default="UTC", help="time zone of its clock (default UTC)")
    parser.add_argument("--drift", type=float, default=0.0, metavar="SECONDS", help="how far its clock is off")
    parser.add_argument("--name", default="", help="what to call it in messages")
    parser.add_argument("--push", metavar="URL", help="dial a place as well: http://host:port/p/<secret>")
    parser.add_argument(
        "--push-protocol", choices=[*PushProtocol], default="att", help="att or acc (default %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or a `stop` on the control port; 0 then, 2 when it cannot start."""
    name = args.name or args.serial
    try:
        return asyncio.run(_serve(args, name))
    except (FileUnreadable, ValueError) as problem:
        return _give_up(name, str(problem))
    except OSError as problem:
        return _give_up(name, f"cannot listen on {args.host}: {problem.strerror or problem}; choose other ports")


async def _serve(args: argparse.Namespace, name: str) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    terminal = SimulatedTerminal(
        profile=args.profile,
        serial=args.serial,
        comm_key=args.comm_key,
        users=read_users(args.users) if args.users else (),
        punches=read_attlog(args.attlog) if args.attlog else (),
        host=args.host,
        port=args.port,
        zone=args.zone,
        drift=timedelta(seconds=args.drift),
        journal=args.journal,
        transports=("tcp", "udp") if args.transport == "both" else (args.transport,),
    )
    async with contextlib.AsyncExitStack() as stack:
        control = None
        link = PushLink(terminal, args.push, args.push_protocol) if args.push else None
        if args.control_port is not None:
            control = await stack.enter_async_context(
                ControlPort(terminal, stopped.set, port=args.control_port, push=link)
            )
        await stack.enter_async_context(terminal)
        if link:
            await stack.enter_async_context(link)
        terminal.live(args.live)
        where = f"{args.host}:{terminal.port}" + (f", control on {control.host}:{control.port}" if control else "")
        sys.stdout.write(f"simulate {name}: {args.profile} terminal on {where}\n")
        sys.stdout.flush()
        await stopped.wait()
    return 0


def _give_up(name: str, why: str) -> int:
    sys.stderr.write(f"simulate {name}: {why}\n")
    return EXIT_CANNOT_START


def _port(text: str) -> int:
    return _number(text, 0, 65_535, "a port")


def _comm_key(text: str) -> int:
    return _number(text, 0, KEY_MAX, "a comm key")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 86400, got {text!r}")
    return seconds


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"expected a zone such as Africa/Cairo, got {text!r}") from None


def _number(text: str, low: int, high: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"expected {what} from {low} to {high}")
    return int(text)
