"""Security PUSH: rows of tables, uploaded at will or as the answer to a query (zk-push-protocol 6.7 to 6.9)."""

from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.realtime import RealtimeEvent, event_of
from biometric_flow.zk.push.text import CONTENT_LINE_MAX, LINE_MAX, Fields, Lines, read_lines, tagged_fields

_TEMPLATES: Final = {
    "templatev10": "FP", "fptemplate": "FP", "facev7": "FACE", "biodata": "BIODATA", "biophoto": "BIOPHOTO",
    "userpic": "USERPIC",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table that has no meaning for us, such as identitycard or errorlog."""

    table: str
    fields: Fields


TableRecord = RealtimeEvent | PushedUser | TemplateLine | TableRow


def read_table(table: str, body: bytes) -> Lines[TableRecord]:
    """The rows of one table; each line repeats its name. Raises ProtocolViolation for a body beyond all bounds."""
    return read_lines(body, lambda line: table_line(table, line), CONTENT_LINE_MAX)


def table_line(table: str, line: bytes) -> TableRecord:
    """One line of a table. Raises ProtocolViolation."""
    name = table.lower()
    if name not in _TEMPLATES and len(line) > LINE_MAX:
        raise ProtocolViolation(f"expected a {name[:20]} line of at most {LINE_MAX} bytes, got {len(line)}")
    _, fields = tagged_fields(line, name.upper())
    if name == "user":
        return PushedUser.of(fields)
    if name == "transaction":
        return event_of(fields, line)
    if name in _TEMPLATES:
        return TemplateLine.of(_TEMPLATES[name], fields)
    return TableRow(name, fields)
