"""Which terminals this place has: `config/devices/<place>.json` at start, changed at run time, kept in the database."""

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from biometric_flow.api.place import AttlogLayout, ClockRule, Serial, Slug, TerminalProtocol, UnlockUnit
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.errors import TerminalExists, TerminalUnknown
from biometric_flow.place.identity import Identity
from biometric_flow.place.sealing import SECRET_COLUMNS, open_secret, seal_secret
from biometric_flow.runtime.key_store import KeyStore
from biometric_flow.runtime.settings import FileModel, read_json

COMM_KEY_LIMIT: Final = 999_999

_PUSH_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")


def comm_key_digits(secret: SecretStr) -> SecretStr:
    """A comm key as set on a terminal: 0 to 999999 (0 = none). Raises ValueError without showing it."""
    text = secret.get_secret_value()
    if not text.isascii() or not text.isdigit() or int(text) > COMM_KEY_LIMIT:
        raise ValueError("1 to 6 digits, as set on the terminal under Comm. key")
    return secret


def push_secret_text(secret: SecretStr) -> SecretStr:
    """A push terminal's secret: at least 128 bits that can stand in a path. Raises ValueError without showing it."""
    if not _PUSH_SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError(
            "22 to 128 letters, digits, - and _, for it stands in the address; `biometric-flow secret` makes one"
        )
    return secret


def network_text(text: str) -> str:
    """A network as 192.0.2.0/24, or one address. Raises ValueError."""
    return str(ip_network(text.strip(), strict=False))


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError("a text encoding that Python knows, such as utf-8, gbk or cp1256") from None
    return name


class TerminalConfig(FileModel):
    """One terminal in the devices file."""

    key: Slug
    name: str = Field(min_length=1, max_length=80)
    protocol: TerminalProtocol = "pull"
    host: str = Field("", max_length=253)
    port: int = Field(4370, ge=1, le=65535)
    comm_key: Annotated[SecretStr, AfterValidator(comm_key_digits)] | None = None
    serial: Serial | None = None
    push_secret: Annotated[SecretStr, AfterValidator(push_secret_text)] | None = None
    push_networks: tuple[Annotated[str, AfterValidator(network_text)], ...] = ()
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    is_enabled: bool = True
    clock: ClockRule = "off"
    clock_above_seconds: int = Field(30, ge=2, le=86_400)
    attlog_layout: AttlogLayout = ""
    unlock_unit: UnlockUnit = "tenths"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.protocol == "pull" and not self.host:
            raise ValueError("a host for a terminal that is pulled")
        if self.protocol == "push" and not (self.serial and self.push_secret):
            raise ValueError("serial and push_secret for a terminal that pushes")
        return self


class DevicesFile(FileModel):
    """`config/devices/<place>.json`."""

    terminals: tuple[TerminalConfig, ...] = ()

    @model_validator(mode="after")
    def _different(self) -> Self:
        for what, names in (
            ("keys", [terminal.key for terminal in self.terminals]),
            ("addresses", [f"{terminal.host}:{terminal.port}" for terminal in self.terminals if terminal.host]),
            ("serial numbers", [terminal.serial for terminal in self.terminals if terminal.serial]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"terminals with different {what}; these stand twice: {', '.join(twice)}")
        return self


def read_devices(config: Path, place: str) -> DevicesFile:
    """The devices file of a place; a place without one begins with no terminals."""
    path = config / "devices" / f"{place}.json"
    return read_json(path, DevicesFile) if path.exists() else DevicesFile()


def secret_digest(secret: str) -> str:
    """What is kept of a push secret: it is long and random, so that a plain hash does not help to guess it."""
    return hashlib.sha256(b"push/1\0" + secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One terminal of this place. `serial` is what it said at first contact, empty before."""

    key: str
    name: str
    host: str
    port: int
    comm_key: int
    encoding: str
    is_enabled: bool
    serial: str = ""
    origin: Literal["file", "api"] = "file"
    clock: ClockRule = "off"
    """When its clock is set right."""
    clock_above_seconds: int = 30
    """The drift that `above` tolerates."""
    firmware: str = ""
    """What it said last, to notice a change; empty before first contact."""
    protocol: TerminalProtocol = "pull"
    """Who dials. One that is pulled may push as well when it has a push secret."""
    push_secret: str = ""
    """Digest of the secret it dials with; empty where it may not push."""
    push_networks: str = ""
    """Networks it may dial from, with commas between; empty for any."""
    push_version: str = ""
    """The newest push version to announce to it, where the usual one does not do."""
    platform: str = ""
    mac: str = ""
    comm_key_next: int = 0
    """A key that is being set on it; 0 when none is."""
    attlog_layout: AttlogLayout = ""
    """The layout of its rows where it is found wrongly; empty to find it."""
    unlock_unit: UnlockUnit = "tenths"
    """What it counts in when it is told for how long to unlock."""

    @property
    def identity(self) -> Identity:
        """What it was enrolled as."""
        return Identity(self.serial, self.firmware, self.platform, self.mac)


class Roster:
    """The terminals, in memory and in the database. Methods that write run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, keys: KeyStore) -> None:
        self._connection, self._keys = connection, keys
        self.read()

    def read(self) -> None:
        """Take what is in the database, whatever is in memory."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM terminal")  # noqa: S608 - our own names
        self._entries = {entry.key: entry for entry in map(self._entry, rows)}

    def __iter__(self) -> Iterator[RosterEntry]:
        """All terminals by key."""
        return iter(sorted(self._entries.values(), key=lambda entry: entry.key))

    def get(self, key: str) -> RosterEntry:
        """One terminal, or TerminalUnknown."""
        try:
            return self._entries[key]
        except KeyError:
            raise TerminalUnknown(f"expected the key of a terminal of this place, got {key!r}") from None

    def seed(self, file: DevicesFile) -> None:
        """Take over the file. What was changed through the API since stays; what left the file is switched off."""
        listed = {terminal.key for terminal in file.terminals}
        for terminal in file.terminals:
            known = self._entries.get(terminal.key)
            if known is None or known.origin == "file":
                self._save(_from_file(terminal, known))
        for entry in list(self._entries.values()):
            if entry.origin == "file" and entry.key not in listed and entry.is_enabled:
                self._save(replace(entry, is_enabled=False))

    def add(self, entry: RosterEntry) -> RosterEntry:
        """A new terminal, or TerminalExists."""
        if entry.key in self._entries:
            raise TerminalExists(f"expected a new key, but {entry.key!r} is {self._entries[entry.key].name!r}")
        self._refuse_shared_address(entry)
        return self._save(replace(entry, origin="api"))

    def change(self, key: str, **changes: object) -> RosterEntry:
        """The terminal with some of its fields changed, or TerminalUnknown or TerminalExists."""
        entry = replace(self.get(key), origin="api", **changes)  # type: ignore[arg-type]
        self._refuse_shared_address(entry)
        return self._save(entry)

    def learn(self, key: str, **facts: object) -> RosterEntry:
        """Keep what was found out about a terminal; unlike `change` it leaves the file in charge of the rest."""
        return self._save(replace(self.get(key), **facts))  # type: ignore[arg-type]

    def _refuse_shared_address(self, entry: RosterEntry) -> None:
        for other in self._entries.values():
            if other.key == entry.key:
                continue
            if entry.host and (other.host, other.port) == (entry.host, entry.port):
                raise TerminalExists(f"{entry.host}:{entry.port} is already the address of {other.key!r}")
            if entry.push_secret and other.serial == entry.serial:
                raise TerminalExists(f"{entry.serial} is already the serial number of {other.key!r}")

    def _save(self, entry: RosterEntry) -> RosterEntry:
        secrets = {name: str(getattr(entry, name) or "") for name in SECRET_COLUMNS}
        sealed = {name: seal_secret(self._keys, entry.key, name, secret) for name, secret in secrets.items()}
        values = asdict(entry) | sealed
        try:
            self._connection.execute(f"INSERT OR REPLACE INTO terminal ({_COLUMNS}) VALUES ({_MARKS})", values)  # noqa: S608
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the terminal was not saved: {error}") from error
        self._entries[entry.key] = entry
        return entry

    def _entry(self, row: tuple[Any, ...]) -> RosterEntry:
        values = dict(zip(_FIELDS, row, strict=True))
        for name in SECRET_COLUMNS:
            values[name] = open_secret(self._keys, values["key"], name, values[name])
        values |= {name: int(values[name] or 0) for name in _KEYS} | {"is_enabled": bool(values["is_enabled"])}
        return RosterEntry(**values)


_KEYS: Final = ("comm_key", "comm_key_next")
_FIELDS: Final = [field.name for field in fields(RosterEntry)]
_COLUMNS: Final = ", ".join(_FIELDS)
_MARKS: Final = ", ".join(f":{name}" for name in _FIELDS)


def _from_file(terminal: TerminalConfig, known: RosterEntry | None) -> RosterEntry:
    key = terminal.comm_key
    is_same = known is not None and terminal.serial in (None, known.serial)
    seen = known.identity if known and is_same else Identity()
    return RosterEntry(
        key=terminal.key,
        name=terminal.name,
        host=terminal.host,
        port=terminal.port,
        comm_key=int(key.get_secret_value()) if key else 0,
        encoding=terminal.encoding,
        is_enabled=terminal.is_enabled,
        serial=terminal.serial or seen.serial,
        clock=terminal.clock,
        clock_above_seconds=terminal.clock_above_seconds,
        firmware=seen.firmware,
        protocol=terminal.protocol,
        push_secret=secret_digest(terminal.push_secret.get_secret_value()) if terminal.push_secret else "",
        push_networks=",".join(terminal.push_networks),
        platform=seen.platform,
        mac=seen.mac,
        comm_key_next=known.comm_key_next if known else 0,
        attlog_layout=terminal.attlog_layout,
        unlock_unit=terminal.unlock_unit,
    )
