"""Which terminals this place has: `config/devices/<place>.json` at start, changed at run time, kept in the database."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from biometric_flow.api.place import Slug
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.errors import TerminalExists, TerminalUnknown
from biometric_flow.runtime.settings import FileModel, read_json

COMM_KEY_LIMIT: Final = 999_999


def comm_key_digits(secret: SecretStr) -> SecretStr:
    """A comm key as set on a terminal: 0 to 999999 (0 = none). Raises ValueError without showing it."""
    text = secret.get_secret_value()
    if not text.isascii() or not text.isdigit() or int(text) > COMM_KEY_LIMIT:
        raise ValueError("1 to 6 digits, as set on the terminal under Comm. key")
    return secret


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
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(4370, ge=1, le=65535)
    comm_key: Annotated[SecretStr, AfterValidator(comm_key_digits)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    is_enabled: bool = True


class DevicesFile(FileModel):
    """`config/devices/<place>.json`."""

    terminals: tuple[TerminalConfig, ...] = ()

    @model_validator(mode="after")
    def _different(self) -> Self:
        for what, names in (
            ("keys", [terminal.key for terminal in self.terminals]),
            ("addresses", [f"{terminal.host}:{terminal.port}" for terminal in self.terminals]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"terminals with different {what}; these stand twice: {', '.join(twice)}")
        return self


def read_devices(config: Path, place: str) -> DevicesFile:
    """The devices file of a place; a place without one begins with no terminals."""
    path = config / "devices" / f"{place}.json"
    return read_json(path, DevicesFile) if path.exists() else DevicesFile()


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


class Roster:
    """The terminals, in memory and in the database. Methods that write run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT * FROM terminal")
        self._entries = {entry.key: entry for entry in map(_entry, rows)}

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
                self._save(_from_file(terminal, known.serial if known else ""))
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

    def pin_serial(self, key: str, serial: str) -> RosterEntry:
        """Remember what the terminal said it is at first contact."""
        return self._save(replace(self.get(key), serial=serial))

    def _refuse_shared_address(self, entry: RosterEntry) -> None:
        for other in self._entries.values():
            if other.key != entry.key and (other.host, other.port) == (entry.host, entry.port):
                raise TerminalExists(f"{entry.host}:{entry.port} is already the address of {other.key!r}")

    def _save(self, entry: RosterEntry) -> RosterEntry:
        try:
            self._connection.execute(
                "INSERT OR REPLACE INTO terminal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.key,
                    entry.name,
                    entry.host,
                    entry.port,
                    str(entry.comm_key) if entry.comm_key else "",
                    entry.encoding,
                    entry.is_enabled,
                    entry.serial,
                    entry.origin,
                ),
            )
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the terminal was not saved: {error}") from error
        self._entries[entry.key] = entry
        return entry


def _from_file(terminal: TerminalConfig, serial: str) -> RosterEntry:
    key = terminal.comm_key
    return RosterEntry(
        key=terminal.key,
        name=terminal.name,
        host=terminal.host,
        port=terminal.port,
        comm_key=int(key.get_secret_value()) if key else 0,
        encoding=terminal.encoding,
        is_enabled=terminal.is_enabled,
        serial=serial,
    )


def _entry(row: tuple[str, str, str, int, str, str, int, str, Literal["file", "api"]]) -> RosterEntry:
    key, name, host, port, comm_key, encoding, is_enabled, serial, origin = row
    return RosterEntry(key, name, host, port, int(comm_key or 0), encoding, bool(is_enabled), serial, origin)
