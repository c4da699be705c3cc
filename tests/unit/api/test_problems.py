"""Errors as the caller sees them."""

import importlib
import pkgutil
from collections.abc import Iterator

import biometric_flow
from biometric_flow.api.problems import STATUS
from biometric_flow.model.errors import BiometricFlowError

NEVER_ANSWERED = ("start.", "settings.", "backup.")
"""Codes of errors that stop a process before it serves; they reach a terminal, not a caller."""

SCRIPTS = (".migrations.", ".dashboard.app", ".dashboard.pages.", "__main__")
"""Modules that run when they are imported, by Alembic or Streamlit."""


def _children(kind: type[BiometricFlowError]) -> Iterator[type[BiometricFlowError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _children(child)


def test_every_error_of_the_house_has_a_status() -> None:
    for module in pkgutil.walk_packages(biometric_flow.__path__, "biometric_flow."):
        if not any(script in module.name for script in SCRIPTS):
            importlib.import_module(module.name)
    errors = [kind for kind in _children(BiometricFlowError) if not kind.code.startswith(NEVER_ANSWERED)]
    assert len(errors) > 10
    for kind in errors:
        assert kind.code in STATUS, f"{kind.__qualname__}: {kind.code}"
