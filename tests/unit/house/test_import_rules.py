"""The house rules are held by import-linter; this shows that it bites."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("module", "violation", "contract"),
    [
        ("model/punch.py", "import biometric_flow.ledger.chain", "Downward only"),
        ("place/feed.py", "import biometric_flow.gateway.app", "Downward only"),
        ("zk/errors.py", "import biometric_flow.model.ids", "zk imports nothing of ours"),
        ("ledger/chain.py", "import socket", "Pure modules do no I/O"),
    ],
)
def test_a_deliberate_violation_is_caught(tmp_path: Path, module: str, violation: str, contract: str) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "src" / "biometric_flow" / module
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{violation}\n", encoding="utf-8")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(contract in line and "BROKEN" in line for line in result.stdout.splitlines()), result.stdout
