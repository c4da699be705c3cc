"""What tests of every folder may use."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that PostgreSQL's own account reaches. Every run of pytest closes the folders above `tmp_path` again."""
    with tempfile.TemporaryDirectory(prefix="bf-test-") as folder:
        yield Path(folder)
