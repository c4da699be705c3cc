"""How templates and pictures stand in commands: a table of the terminal for each kind of them (zk-push-protocol 7)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.columns import PIN, Column, check_pin, number, read_columns, write_columns
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.push.text import PushProtocol, read_fields

RawForm = tuple[type, str, Callable[[Any], str], Callable[[str], c.Command]]

_NUMBER: Final = number(0, 255, "a number")
_TYPE: Final = number(0, 10, "a type of template")

_TABLES: Final[Mapping[PushProtocol, Mapping[str, str]]] = {
    PushProtocol.ATTENDANCE: {
        "FP": "FINGERTMP", "FACE": "FACE", "FVEIN": "FVEIN", "BIODATA": "BIODATA", "USERPIC": "USERPIC",
        "BIOPHOTO": "BIOPHOTO",
    },
    PushProtocol.SECURITY: {"FP": "templatev10", "BIODATA": "biodata", "USERPIC": "userpic", "BIOPHOTO": "biophoto"},
}  # fmt: skip

_DELETE: Final[Mapping[str, Sequence[str]]] = {
    "FP": ("pin", "number"), "FACE": ("pin",), "FVEIN": ("pin", "number"), "BIODATA": ("pin", "type", "number"),
    "USERPIC": ("pin",), "BIOPHOTO": ("pin", "type"),
}  # fmt: skip
"""By what templates may be deleted, in the order in which each needs those before it."""
_QUERY: Final[Mapping[str, Sequence[str]]] = {"FP": ("pin", "number"), "BIODATA": ("type", "pin", "number")}

ASKED_FOR: Final = frozenset(_QUERY)
"""The kinds that a terminal can be asked for."""

_KEYS: Final = {"FP": "FID", "FVEIN": "FID", "BIODATA": "No"}
_SECURITY_KEYS: Final = {"FP": "FingerID", "BIODATA": "No"}
_INDEX: Final = re.compile(r"\tIndex=0(?=\t)")


def template_tags(protocol: PushProtocol) -> Sequence[str]:
    """The kinds of templates and pictures that this protocol has a table for."""
    return tuple(_TABLES[protocol])


def _forms(protocol: PushProtocol) -> Iterator[RawForm]:
    keys = _KEYS if protocol is PushProtocol.ATTENDANCE else _SECURITY_KEYS
    for tag, table in _TABLES[protocol].items():
        yield _update(tag, table, protocol)
        yield _selection(c.DeleteTemplates, tag, f"DATA DELETE {table} ", _DELETE[tag], keys)
        if tag in _QUERY:
            filtered = f"DATA QUERY tablename={table},fielddesc=*,filter="
            opening = f"DATA QUERY {table} " if protocol is PushProtocol.ATTENDANCE else filtered
            yield _selection(c.QueryTemplates, tag, opening, _QUERY[tag], keys)


def _update(tag: str, table: str, protocol: PushProtocol) -> RawForm:
    def write(command: c.SetTemplate) -> str:
        template = command.template
        if template.tag != tag:
            return ""
        check_pin(template.pin)
        if tag == "FP" and protocol is PushProtocol.SECURITY:
            valid = 3 if template.is_duress else int(template.is_valid)
            line = template.line().rpartition("TMP=")[2]
            return f"Pin={template.pin}\tFingerID={template.number}\tValid={valid}\tTemplate={line}"
        if tag in ("FP", "FACE") and template.index:
            raise ValueError(f"expected index 0 of a {tag} template, got {template.index}")
        rest = template.line().partition(" ")[2]
        return _INDEX.sub("", rest) if tag in ("FP", "FACE") else rest

    def read(rest: str) -> c.Command:
        return c.SetTemplate(TemplateLine.of(tag, read_fields(rest)))

    return c.SetTemplate, f"DATA UPDATE {table} ", write, read


def _selection(kind: type[Any], tag: str, opening: str, order: Sequence[str], keys: Mapping[str, str]) -> RawForm:
    """Some of the templates of a person: PIN, kind, which one; each only together with those before it."""
    named: dict[str, tuple[str, Column]] = {
        "pin": ("Pin" if tag in ("BIODATA", "FVEIN") else "PIN", PIN),
        "type": ("Type", _TYPE),
        "number": (keys.get(tag, "No"), _NUMBER),
    }
    columns = [named[what] for what in order]

    def write(command: Any) -> str:
        if command.tag != tag:
            return ""
        values = {"pin": command.pin or None, "type": command.type, "number": command.number}
        told = [values.pop(what) for what in order]
        if any(value is not None for value in values.values()) or told[0] is None:
            raise ValueError(f"expected {tag} templates chosen by {', '.join(order)}, got {command}")
        if any(later is not None and before is None for before, later in pairwise(told)):
            raise ValueError(f"expected {', '.join(order)} each with those before it, got {command}")
        return write_columns(columns, told)

    def read(rest: str) -> c.Command:
        found = dict(zip(order, read_columns(columns, read_fields(rest)), strict=True))
        if found[order[0]] is None:
            raise ProtocolViolation(f"expected {order[0]} of the templates, got {rest[:40]!r}")
        made: c.Command = kind(tag, found.get("pin") or "", found.get("type"), found.get("number"))
        return made

    return kind, opening, write, read


TEMPLATE_FORMS: Final[Mapping[PushProtocol, Sequence[RawForm]]] = {
    protocol: tuple(_forms(protocol)) for protocol in PushProtocol
}
"""The forms of all kinds. One that a value does not belong to writes an empty text."""
