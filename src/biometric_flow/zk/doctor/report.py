"""What an examination of a terminal found out."""

from dataclasses import dataclass, field
from enum import StrEnum

from biometric_flow.zk.capture import Capture
from biometric_flow.zk.doctor.checks import Candidate
from biometric_flow.zk.families import Description
from biometric_flow.zk.terminal import TerminalInfo, Transport
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.timecode import TerminalTime


class Severity(StrEnum):
    """How much a finding matters, rising."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. Texts may hold words of the terminal: escape them where they are shown."""

    severity: Severity
    code: str
    """Stable, such as `key.wrong`."""
    text: str


def ok(code: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Severity.OK, code, text)


def note(code: str, text: str) -> Finding:
    """Worth knowing."""
    return Finding(Severity.NOTE, code, text)


def warning(code: str, text: str) -> Finding:
    """Will hurt some day."""
    return Finding(Severity.WARNING, code, text)


def problem(code: str, text: str) -> Finding:
    """Keeps punches from arriving, or may keep strangers from staying out."""
    return Finding(Severity.PROBLEM, code, text)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an examination found out. It names nobody; the serial number is in `info`."""

    host: str
    port: int
    findings: tuple[Finding, ...]
    transport: Transport | None = None
    """What it was reached over."""
    info: TerminalInfo | None = None
    asked_for_comm_key: bool | None = None
    """None when it did not come to that."""
    capacity: Capacity | None = None
    time: TerminalTime | None = None
    drift_seconds: int | None = None
    description: Description | None = None
    """What it is by its own words: family, credentials, doubts."""
    user_layouts: tuple[Candidate, ...] = ()
    """The likeliest first; empty when there was nobody to judge by."""
    attendance_layouts: tuple[Candidate, ...] = ()
    capture: Capture = field(default_factory=lambda: Capture(()), repr=False)
    """The traffic of this examination, masked."""

    @property
    def severity(self) -> Severity:
        """The worst of it."""
        order = list(Severity)
        return max((one.severity for one in self.findings), key=order.index, default=Severity.OK)

    @property
    def is_reached(self) -> bool:
        """Whether a terminal answered, be it with a no."""
        return not any(
            one.severity == Severity.PROBLEM and one.code.startswith(("reach.", "other.")) for one in self.findings
        )
