"""A process among others: bind its port, serve, and end when told to or when its supervisor is gone."""

import errno
import fcntl
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import IO, Final

from starlette.types import ASGIApp

from biometric_flow.runtime.errors import FolderUnusable, PortInUse
from biometric_flow.runtime.leaving import Leaving, LeavingServer
from biometric_flow.runtime.patience import server_config

SUPERVISED_VARIABLE: Final = "BIOMETRIC_FLOW_SUPERVISED"
"""Set to 1 by the supervisor: standard input is then a pipe that it holds, and its end means that it is gone."""

GRACE_SECONDS: Final = 30.0
"""A process without a supervisor ends itself after this time, whatever still holds it; one with ends before."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket, or PortInUse with the setting that moves it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, not left to the system: only then does asyncio send small answers at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} on {host} is in use: stop the program that holds it, or choose another with {setting}"
            ) from None
        raise PortInUse(f"cannot listen on {host} port {port}: {error.strerror}; set {setting}") from None
    listener.setblocking(False)
    return listener


def usable_folder(path: Path) -> Path:
    """The folder, created when absent and proved writable, or FolderUnusable with the reason."""
    probe = path / ".writable"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise FolderUnusable(
            f"cannot write to the data folder {path}: {error.strerror or error}; "
            "free some space, change its owner or choose another folder"
        ) from None
    return path


def hold(folder: Path) -> IO[str]:
    """The folder's lock, held until closed or until this process ends. FolderUnusable when another process holds it."""
    handle = (folder / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise FolderUnusable(f"another process uses the data folder {folder}; stop it first") from None
    return handle


def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    proxy_headers: bool = True,
    leaving: Leaving | None = None,
    leave_seconds: float = 0,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of the supervisor; open streams are cut after two seconds.

    Without `proxy_headers` the peer of a request is who connected, whatever its head says. Told to end, it goes on for
    `leave_seconds` while `leaving` says so.
    """
    config = server_config(app, proxy_headers=proxy_headers)
    LeavingServer(config, leaving or Leaving(), leave_seconds).run(sockets=[listener])


def watch_supervisor() -> None:
    """Called first of all. When supervised, the end of standard input becomes SIGTERM, and a hard end if need be."""
    if os.environ.get(SUPERVISED_VARIABLE) != "1":
        return

    stdin = sys.stdin.fileno()

    def wait_for_the_end() -> None:
        # Not through sys.stdin: a thread that waits inside it would make the interpreter abort on its way out.
        while os.read(stdin, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Timer(GRACE_SECONDS, os._exit, args=(1,)).start()

    threading.Thread(target=wait_for_the_end, name="supervisor-watch", daemon=True).start()
