"""Options: settings of a terminal as `name=value` text (zk-protocol 9)."""

from typing import Final

from biometric_flow.zk.errors import ProtocolViolation

TEXT_MAX: Final = 4096
"""Bytes of a name and value together (security-design P1)."""


COMM_KEY_OPTION: Final = "COMKey"
"""Holds the comm key; written, and never asked for."""


def encode_name(name: str) -> bytes:
    """The request for one option. Raises ValueError for a name that cannot be one."""
    if not name or not name.isascii() or not name.isprintable() or "=" in name:
        raise ValueError(f"expected an option name such as ~SerialNumber, got {name[:40]!r}")
    return name.encode("ascii") + b"\0"


def encode_option(name: str, value: str) -> bytes:
    """`name=value` with its NUL. Raises ValueError when it cannot travel."""
    encode_name(name)
    if "\0" in value or len(value.encode()) > TEXT_MAX - len(name) - 2:
        raise ValueError(f"expected a value of {name} without NUL and below {TEXT_MAX} bytes")
    return f"{name}={value}".encode() + b"\0"


def decode_option(data: bytes) -> tuple[str, str]:
    """Name and value; some firmware leaves out the NUL or adds blanks. Raises ProtocolViolation."""
    name, equals, value = decode_text(data).partition("=")
    if not equals:
        raise ProtocolViolation(f"expected an option as name=value, got {name[:40]!r}; report model and firmware")
    return name, value


def decode_text(data: bytes) -> str:
    """Text up to its NUL, without trailing blanks; bytes that are no UTF-8 are replaced. Raises ProtocolViolation."""
    if len(data) > TEXT_MAX:
        raise ProtocolViolation(f"expected a text of at most {TEXT_MAX} bytes, got {len(data)}; reconnect")
    return data.split(b"\0", 1)[0].decode("utf-8", "replace").rstrip(" \r\n\t")
