"""What tests of every folder may use."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.root_homes import MODULE, PIN, RootHome, token_in

TOGETHER = {
    "tests/browser/test_demo_stack.py": "demo",
    "tests/services/test_demo.py": "demo",
    "tests/services/test_kill.py": "demo",
    "tests/browser/": "browser",
}
"""What one worker runs, so that no two demos run at once, and one stack and browser serve all; the first counts."""


class ByFile(LoadScopeScheduling):
    """A worker takes whole files, in the order of their names: what a file sets up is set up once.

    Groups by mark (`--dist loadgroup`) go by a name of the test that pytest 9 does not ask for any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for begin, group in TOGETHER.items() if nodeid.startswith(begin)), nodeid.partition("::")[0])


def pytest_configure() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and so would the commands that tests end with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Slow files come first by name, and the many quick ones of `unit` fill what is left."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that PostgreSQL's own account reaches. Every run of pytest closes the folders above `tmp_path` again."""
    with tempfile.TemporaryDirectory(prefix="bf-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The label of a PKCS#11 token. SoftHSM looks for tokens once in a process, so that all tests share this one."""
    return token_in(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a key service that speaks as AWS KMS does: the emulator moto, in a process of its own."""
    from tests.key_service import free_port, key_service

    with key_service(free_port()) as address:
        yield address


@pytest.fixture
def root_home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RootHome:
    """A home of root keys; parametrise it with `file`, `token` or `service`."""
    if request.param == "file":
        return RootHome("file")
    if request.param == "token":
        label = request.getfixturevalue("token")
        return RootHome("token", {"pkcs11_module": str(MODULE), "pkcs11_token": label, "pkcs11_pin": PIN})
    from tests.key_service import CREDENTIALS

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    address, prefix = request.getfixturevalue("service"), f"test-{uuid4().hex}"
    return RootHome("service", {"kms_prefix": prefix, "kms_region": "eu-central-1", "kms_endpoint": address})
