"""Where root keys may live, as tests set it up: a file, a PKCS#11 token (SoftHSM), a key service (AWS KMS)."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.requires import install, require

MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL, PIN = "biometric-flow-test", "8642097531"


@dataclass(frozen=True)
class RootHome:
    """One home of root keys, as the settings of a process name it."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def lines(self, process: str) -> list[str]:
        """The same as lines of an environment file, such as of `place`."""
        return [f"BIOMETRIC_FLOW_{process.upper()}_{key.upper()}={value}" for key, value in self.settings.items()]


def token_in(folder: Path) -> str:
    """The label of a token that is made in this folder, or the test is skipped by name."""
    if not MODULE.exists():
        install("softhsm2")
    require(MODULE.exists() and bool(shutil.which("softhsm2-util")), "SoftHSM", "sudo apt-get install softhsm2")
    (folder / "tokens").mkdir()
    file = folder / "softhsm2.conf"
    file.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(file)
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    return LABEL
