"""OPERLOG and BIODATA uploads: operations, people, templates and reports in one body (zk-push-protocol 5.2, 5.3)."""

import zlib
from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.archive import archive_members
from biometric_flow.zk.push.attlog import read_time
from biometric_flow.zk.push.people import TEMPLATE_TAGS, PushedUser, TemplateLine
from biometric_flow.zk.push.reports import REPORT_TAGS, Report, report_of
from biometric_flow.zk.push.text import (
    BODY_MAX,
    CONTENT_LINE_MAX,
    LINE_MAX,
    Lines,
    decode_text,
    read_fields,
    read_lines,
    value_text,
    whole_number,
)
from biometric_flow.zk.wire.timecode import TerminalTime

_ARCHIVE_RATIO_MAX: Final = 100
_SMALL: Final = 256 * 1024
"""What an archive may always unpack to: the padding of a tar with one short member is over a hundred times smaller."""
_GZIP: Final = 31


@dataclass(frozen=True, slots=True)
class Operation:
    """Something done at the terminal itself, as OPLOG numbers it (zk-push-protocol 9)."""

    code: int
    operator: str
    time: TerminalTime
    objects: tuple[str, ...] = ()

    def line(self) -> str:
        """The line a terminal sends."""
        time = self.time.text().replace("T", " ")
        objects = [value_text(item, "object") for item in self.objects]
        return "\t".join((f"OPLOG {self.code}", value_text(self.operator, "operator"), time, *objects))


OperlogRecord = Operation | PushedUser | TemplateLine | Report


def read_operlog(body: bytes) -> Lines[OperlogRecord]:
    """The lines of an OPERLOG, BIODATA, IDCARD or ERRORLOG upload. Raises ProtocolViolation beyond all bounds."""
    return read_lines(body, operlog_line, CONTENT_LINE_MAX)


def operlog_line(line: bytes) -> OperlogRecord:
    """One line by its first word. Raises ProtocolViolation."""
    text = decode_text(line).strip()
    tag, _, rest = text.partition("\t" if "\t" in text.partition(" ")[0] else " ")
    tag = tag.upper()
    if tag in TEMPLATE_TAGS:
        return TemplateLine.of(tag, read_fields(rest))
    if len(line) > LINE_MAX and tag != "IDCARD":  # which carries a picture
        raise ProtocolViolation(f"expected a {tag[:20]} line of at most {LINE_MAX} bytes, got {len(line)}")
    if tag == "OPLOG":
        return _operation(rest)
    if tag == "USER":
        return PushedUser.of(read_fields(rest))
    if tag in REPORT_TAGS:
        return report_of(tag, read_fields(rest))
    raise ProtocolViolation(f"expected {', '.join(('OPLOG', 'USER', *REPORT_TAGS, *TEMPLATE_TAGS))}, got {tag[:40]!r}")


def unpack_archive(body: bytes) -> bytes:
    """The lines of an upload that came as one tgz, in the order of its members.

    Raises ProtocolViolation for what is no such archive, and for more than 8 MiB, a hundred times its own size or
    1,000 members (security-design P5).
    """
    return b"\n".join(archive_members(_unzipped(body)))


def _unzipped(body: bytes) -> bytes:
    limit = min(BODY_MAX, max(_SMALL, len(body) * _ARCHIVE_RATIO_MAX))
    plain = bytearray()
    if not body:
        raise ProtocolViolation("expected a gzipped tar archive, got nothing")
    try:
        while body:
            stream = zlib.decompressobj(_GZIP)
            plain += stream.decompress(body, limit + 1 - len(plain))
            if len(plain) > limit:
                raise ProtocolViolation(f"expected an archive of at most {limit} bytes unpacked, got more")
            if not stream.eof:
                raise ProtocolViolation("expected a gzipped tar archive, got a part of one")
            body = stream.unused_data.lstrip(b"\0")
    except zlib.error as problem:
        raise ProtocolViolation(f"expected a gzipped tar archive, got {len(body)} other bytes") from problem
    return bytes(plain)


def _operation(rest: str) -> Operation:
    cells = [cell.strip() for cell in rest.split("\t")]
    if len(cells) < 3:
        raise ProtocolViolation(f"expected OPLOG code, operator and time with tabs between, got {len(cells)} columns")
    return Operation(
        code=whole_number(cells[0], "an operation", 65_535),
        operator=cells[1][:24],
        time=read_time(cells[2]),
        objects=tuple(cell[:64] for cell in cells[3:7]),
    )
