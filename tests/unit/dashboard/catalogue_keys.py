"""The texts of the dashboard, found in its sources: what a catalogue has to hold."""

import ast
from pathlib import Path

import biometric_flow.dashboard

SOURCES = sorted(Path(biometric_flow.dashboard.__file__).parent.rglob("*.py"))


def keys() -> dict[str, str]:
    """Text -> its plural, empty without one. Also what stands inside f-strings, which message extractors skip."""
    found: dict[str, str] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                if node.func.id in ("_", "noted") and texts:
                    found.setdefault(texts[0], "")
                elif node.func.id == "counted" and len(texts) == 2:
                    found[texts[0]] = texts[1]
    return found
