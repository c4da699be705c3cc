"""What terminals report beside people and punches: faults, work codes, identity cards (zk-push-protocol 5.5)."""

from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.text import Fields, pin_text, value_text, whole_number

REPORT_TAGS: Final = ("ERRORLOG", "WORKCODE", "IDCARD")


@dataclass(frozen=True, slots=True)
class TerminalFault:
    """Something the terminal could not do (ERRORLOG, from 2.4.1 on)."""

    code: str
    """Such as `D01E0001`, no face found."""
    message: str
    origin: str
    """`dev` for the terminal itself, `cmd` for a command of ours."""
    command: str = ""
    additional: str = ""

    @classmethod
    def of(cls, fields: Fields) -> "TerminalFault":
        """From the fields of an ERRORLOG line or an errorlog row. Raises ProtocolViolation."""
        code = fields.first("errcode")
        if not code:
            raise ProtocolViolation("expected ErrCode in an ERRORLOG line, got none")
        return cls(
            code=code[:16],
            message=fields.first("errmsg")[:200],
            origin=fields.first("dataorigin")[:16],
            command=fields.first("cmdid")[:16],
            additional=fields.first("additional")[:200],
        )

    def fields(self) -> list[str]:
        """`key=value` texts as both protocols carry them. Raises ValueError for a value that cannot stand there."""
        return _texts(
            ErrCode=self.code, ErrMsg=self.message, DataOrigin=self.origin, CmdId=self.command,
            Additional=self.additional,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorkCode:
    """What a number that people key in beside a punch stands for."""

    code: str
    name: str
    number: int = 0
    """The terminal's own running number, 0 when it does not tell."""

    @classmethod
    def of(cls, fields: Fields) -> "WorkCode":
        """From the fields of a WORKCODE line. Raises ProtocolViolation."""
        code = fields.first("code")
        if not code or len(code) > 24 or not code.isprintable():
            raise ProtocolViolation(f"expected a work code of 1 to 24 printable characters, got {code[:40]!r}")
        return cls(code, fields.first("name")[:72], whole_number(fields.first("pin"), "a number", 2**31 - 1, 0))

    def fields(self) -> list[str]:
        """`key=value` texts of a WORKCODE line. Raises ValueError for a value that cannot stand there."""
        return _texts(PIN=self.number, CODE=self.code, NAME=self.name)


@dataclass(frozen=True, slots=True)
class IdentityCard:
    """That an identity card was shown. What stands on it is nobody's business here and is never read out."""

    pin: str

    @classmethod
    def of(cls, fields: Fields) -> "IdentityCard":
        """From the fields of an IDCARD line or an identitycard row. Raises ProtocolViolation."""
        return cls(pin_text(fields.first("pin")))

    def fields(self) -> list[str]:
        """`key=value` texts without anything of the card. Raises ValueError."""
        return _texts(PIN=self.pin)


Report = TerminalFault | WorkCode | IdentityCard


def report_of(tag: str, fields: Fields) -> Report:
    """The meaning of a line by its first word, one of REPORT_TAGS. Raises ProtocolViolation."""
    if tag == "ERRORLOG":
        return TerminalFault.of(fields)
    return WorkCode.of(fields) if tag == "WORKCODE" else IdentityCard.of(fields)


def report_line(report: Report) -> str:
    """The line a terminal of Attendance PUSH sends. Raises ValueError."""
    tag = {TerminalFault: "ERRORLOG", WorkCode: "WORKCODE", IdentityCard: "IDCARD"}[type(report)]
    return f"{tag} " + "\t".join(report.fields())


def _texts(**values: object) -> list[str]:
    return [f"{key}={value_text(value, key)}" for key, value in values.items()]
