"""The first answer of a server: what a terminal is to send, since when, in which zone (zk-push-protocol 3, 4, 6)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from biometric_flow.zk.push.text import Fields, PushProtocol

HIGHEST: Final = {PushProtocol.ATTENDANCE: "2.3.0", PushProtocol.SECURITY: "3.0.1"}
"""The newest versions without payload encryption, which rests on a closed library (zk-push-protocol 8)."""

UNSAID: Final = "2.2.14"
"""The version of a terminal that does not tell one (zk-push-protocol 3)."""

ALL_AGAIN: Final = "0"
STAMPED: Final = ("ATTLOG", "OPERLOG", "ATTPHOTO", "BIODATA", "IDCARD", "ERRORLOG")

_VERSION: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}")
_STAMP: Final = re.compile(r"[A-Za-z0-9:._+-]{1,40}")
_ZONE: Final = re.compile(r"[+-]?[0-9]{1,4}")
_OLD_STAMPS: Final = {"ATTLOG": "Stamp", "OPERLOG": "OpStamp", "ATTPHOTO": "PhotoStamp"}


@dataclass(frozen=True, slots=True)
class Hello:
    """What a terminal says when it dials: the query of its handshake."""

    version: str
    """`pushver`, or 2.2.14 when it is missing or no version."""
    language: str
    device_type: str
    comm_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, query: Fields) -> "Hello":
        """From the query of GET /iclock/cdata. Never fails."""
        match = _VERSION.search(query.first("pushver")[:40])
        return cls(
            version=match[0] if match else UNSAID,
            language=query.first("language")[:8],
            device_type=query.first("devicetype")[:16].lower(),
            comm_key=query.first("pushcommkey", "comkey")[:128],
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What the server asks of a terminal. Seconds and minutes as the options have them."""

    version: str
    offset: timedelta
    """The place's distance from UTC now."""
    poll_seconds: int = 10
    error_seconds: int = 30
    wants_templates: bool = False


def lower_version(theirs: str, ours: str) -> str:
    """The version both sides use: the lower one."""
    return min(theirs, ours, key=_parts)


def read_stamp(text: str) -> str | None:
    """A stamp, which is opaque text; None for one that is missing or could forge an option when sent back."""
    return text if _STAMP.fullmatch(text) else None


def timezone_option(offset: timedelta) -> str:
    """`TimeZone`: whole hours (`8`, `-5`), half and quarter zones in minutes (`330`)."""
    minutes = round(offset / timedelta(minutes=1))
    return str(minutes // 60) if minutes % 60 == 0 else str(minutes)


def read_timezone_option(text: str) -> timedelta:
    """The offset that `TimeZone` stands for: up to 14 are hours, more are minutes. Raises ValueError."""
    if not _ZONE.fullmatch(text):
        raise ValueError(f"expected hours or minutes from UTC, such as 8 or -330, got {text[:40]!r}")
    number = int(text)
    return timedelta(hours=number) if abs(number) <= 14 else timedelta(minutes=number)


def attendance_terms(serial: str, stamps: Mapping[str, str], terms: Terms) -> str:
    """The answer to the handshake of Attendance PUSH; a table without a stored stamp is asked for from its start."""
    old = _parts(terms.version) < (2, 0)
    told = {_OLD_STAMPS.get(table, f"{table}Stamp") if old else f"{table}Stamp": table for table in STAMPED}
    words = ["AttLog", "OpLog", "EnrollUser", "ChgUser"]
    if terms.wants_templates:
        words += ["EnrollFP", "ChgFP", "FACE", "UserPic", "BioPhoto", "AttPhoto"]
    lines = [
        f"GET OPTION FROM: {serial}",
        *(f"{name}={stamps.get(table, ALL_AGAIN)}" for name, table in told.items()),
        f"ErrorDelay={terms.error_seconds}",
        f"Delay={terms.poll_seconds}",
        "TransTimes=00:00;14:05",
        "TransInterval=1",
        "TransFlag=TransData " + "\t".join(words),
        f"TimeZone={timezone_option(terms.offset)}",
        "Realtime=1",
        "Encrypt=None",
        f"ServerVer={terms.version}",
        f"PushProtVer={terms.version}",
        "PushOptionsFlag=1",
        "PushOptions=FingerFunOn,FaceFunOn",
    ]
    return "\n".join(lines) + "\n"


def security_terms(registry: str, session: str, terms: Terms) -> str:
    """The answer to the handshake of a registered terminal of Security PUSH."""
    return f"registry=ok\nRegistryCode={registry}\n" + security_options(session, terms)


def security_options(session: str, terms: Terms) -> str:
    """The answer to POST push of Security PUSH: the options without the registry."""
    lines = [
        f"ServerVersion={terms.version}",
        "ServerName=BiometricFlow",
        f"PushProtVer={terms.version}",
        f"ErrorDelay={terms.error_seconds}",
        f"RequestDelay={terms.poll_seconds}",
        "TransTimes=00:00;14:00",
        "TransInterval=1",
        "TransTables=User Transaction",
        "Realtime=1",
        f"SessionID={session}",
        "TimeoutSec=10",
    ]
    return "\n".join(lines) + "\n"


def read_terms(answer: str) -> Fields | None:
    """The options in a handshake answer of either protocol; None for one that registers nobody, such as `OK`."""
    lines = answer.splitlines()
    if not lines or not lines[0].startswith(("GET OPTION FROM", "registry=ok", "ServerVersion=")):
        return None
    pairs = (line.partition("=") for line in lines if "=" in line)
    return Fields({name.strip(): value.strip() for name, _, value in pairs})


def session_token(registry: str, serial: str, session: str) -> str:
    """What a registered terminal of Security PUSH sends as `Cookie: token=`: a check of consistency, no security."""
    return hashlib.md5(f"{registry}{serial}{session}".encode(), usedforsecurity=False).hexdigest()


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
