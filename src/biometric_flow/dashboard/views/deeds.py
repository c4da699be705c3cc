"""Buttons of a region: what each does, said in a dialog before it is done."""

from collections.abc import Mapping, Sequence
from typing import Any

from biometric_flow.dashboard.words import _

View = dict[str, Any]


def deed(
    name: str,
    text: str,
    told: Sequence[str] | None,
    fields: Sequence[View] = (),
    *,
    title: str = "",
    confirm: str = "",
    label: str = "",
    payload: Mapping[str, Any] | None = None,
    is_quiet: bool = False,
    is_danger: bool = False,
) -> View:
    """A button. `told` says its effect in the sentences of a dialog, and `fields` what has to be known for it.

    None: it is done at once. `label` names what the button is about, where several say the same.
    """
    dialog = {
        "title": title or text,
        "text": [line for line in told or () if line],
        "fields": list(fields),
        "confirm": confirm or text,
        "cancel": _("Cancel"),
    }
    return {
        "name": name,
        "text": text,
        "label": label,
        "is_quiet": is_quiet,
        "is_danger": is_danger,
        "dialog": None if told is None else dialog,
        "payload": dict(payload or {}),
    }


def text_field(name: str, label: str, *, maxlength: int = 80, pattern: str = "", is_needed: bool = True) -> View:
    """One line of text."""
    field: View = {"name": name, "label": label, "type": "text", "required": is_needed, "maxlength": maxlength}
    return field | ({"pattern": pattern} if pattern else {})


def select_field(name: str, label: str, options: Sequence[tuple[str, str]]) -> View:
    """One of these, as value and text."""
    return {"name": name, "label": label, "type": "select", "options": [list(one) for one in options]}


def checks_field(name: str, label: str, options: Sequence[tuple[str, str]]) -> View:
    """Some of these, as value and text; what is chosen comes as a list."""
    return {"name": name, "label": label, "type": "checks", "options": [list(one) for one in options]}
