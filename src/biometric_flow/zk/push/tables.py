"""Security PUSH: rows of tables, uploaded at will or as the answer to a query (zk-push-protocol 6.7 to 6.9)."""

from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto, photo_of
from biometric_flow.zk.push.realtime import RealtimeEvent, event_of
from biometric_flow.zk.push.reports import Report, report_of
from biometric_flow.zk.push.text import CONTENT_LINE_MAX, LINE_MAX, Fields, Lines, read_lines, tagged_fields, value_text

_TEMPLATES: Final = {
    "templatev10": "FP", "fptemplate": "FP", "facev7": "FACE", "biodata": "BIODATA", "biophoto": "BIOPHOTO",
    "userpic": "USERPIC",
}  # fmt: skip

_REPORTS: Final = {"errorlog": "ERRORLOG", "identitycard": "IDCARD"}
_PICTURES: Final = ("attphoto", "identitycard")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table that has no meaning for us, such as timezone or userauthorize."""

    table: str
    fields: Fields

    def line(self) -> str:
        """The row a terminal sends. Raises ValueError for values that cannot stand there."""
        return f"{self.table} " + "\t".join(f"{key}={value_text(value, key)}" for key, value in self.fields.items())


TableRecord = RealtimeEvent | PushedUser | TemplateLine | AttendancePhoto | Report | TableRow


def read_table(table: str, body: bytes) -> Lines[TableRecord]:
    """The rows of one table; each line repeats its name. Raises ProtocolViolation for a body beyond all bounds."""
    return read_lines(body, lambda line: table_line(table, line), CONTENT_LINE_MAX)


def table_line(table: str, line: bytes) -> TableRecord:
    """One line of a table. Raises ProtocolViolation."""
    name = table.lower()
    if name not in _TEMPLATES and name not in _PICTURES and len(line) > LINE_MAX:
        raise ProtocolViolation(f"expected a {name[:20]} line of at most {LINE_MAX} bytes, got {len(line)}")
    _, fields = tagged_fields(line, name.upper())
    if name == "user":
        return PushedUser.of(fields)
    if name == "transaction":
        return event_of(fields, line)
    if name in _TEMPLATES:
        return TemplateLine.of(_TEMPLATES[name], fields)
    if name in _REPORTS:
        return report_of(_REPORTS[name], fields)
    if name == "attphoto":
        return photo_of(fields)
    return TableRow(name, fields)
