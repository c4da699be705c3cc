"""The dashboard asks, shapes and draws; a cache that all tenants of the process share is used nowhere."""

import ast
from collections.abc import Iterator
from pathlib import Path

import biometric_flow.dashboard

SOURCES = sorted(Path(biometric_flow.dashboard.__file__).parent.rglob("*.py"))
SHARED = {"cache_data", "cache_resource", "experimental_memo", "experimental_singleton", "lru_cache"}
"""What keeps values of one account where another could get them."""


def named(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.name


def test_no_module_of_the_dashboard_uses_a_cache_that_accounts_share() -> None:
    assert len(SOURCES) > 20
    found = {path.name: SHARED & set(named(path.read_text("utf-8"))) for path in SOURCES}

    assert {name: used for name, used in found.items() if used} == {}


def test_the_lint_sees_a_cache_however_it_is_written() -> None:
    for line in ("st.cache_data(f)", "from streamlit import cache_data", "from functools import lru_cache as f"):
        assert SHARED & set(named(line)), line


def test_view_models_draw_nothing_and_ask_nothing() -> None:
    for path in SOURCES:
        if path.parent.name == "views":
            imported = {
                node.module or ""
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.ImportFrom)
            }
            assert not any(name.startswith(("streamlit", "biometric_flow.api.clients")) for name in imported), path.name
