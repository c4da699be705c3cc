"""One suite for every provider of root keys: the sealed file, a PKCS#11 token (SoftHSM), a key service (AWS KMS)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from biometric_flow.identity.envelope import Binding, KeyId
from biometric_flow.identity.errors import EnvelopeRefused, KeyUnusable
from biometric_flow.identity.keyring import ROOT, KeyState, RootKeys, subject
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.identity.root_service import RootKeyService
from biometric_flow.place.keys import open_keys
from tests.key_service import CREDENTIALS, free_port, key_service
from tests.requires import install, require

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL, PIN = "biometric-flow-test", "8642097531"
KEY, OTHER = KeyId(b"k" * 16), KeyId(b"o" * 16)

Provider = Callable[[], RootKeys]


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The label of a token. SoftHSM looks for its tokens once in a process, so that all tests share this one."""
    if not MODULE.exists():
        install("softhsm2")
    require(MODULE.exists() and bool(shutil.which("softhsm2-util")), "SoftHSM", "sudo apt-get install softhsm2")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    file = folder / "softhsm2.conf"
    file.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(file)
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    return LABEL


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a key service that speaks as AWS KMS does: the emulator moto, in a process of its own."""
    with key_service(free_port()) as address:
        yield address


@pytest.fixture(params=["file", "token", "service"])
def provider(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Opens the same root keys again and again, as after restarts."""
    if request.param == "file":
        yield lambda: RootKeyFile(tmp_path / "root-keys.json")
        return
    if request.param == "service":
        address, prefix = request.getfixturevalue("service"), f"test-{uuid4().hex}"
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        yield lambda: RootKeyService(prefix, "eu-central-1", address)
        return
    label = request.getfixturevalue("token")
    from biometric_flow.identity.root_token import RootKeyToken

    made: list[RootKeyToken] = []

    def opened() -> RootKeys:
        for one in made:
            one.close()
        made[:] = [RootKeyToken(str(MODULE), label, PIN)]
        return made[0]

    yield opened
    opened()
    for key in made[0].ids():
        made[0].destroy(key)
    made[0].close()


def test_what_was_wrapped_unwraps_after_a_restart_and_only_as_what_it_was(provider: Provider) -> None:
    keys = provider()
    keys.make(KEY)
    keys.make(OTHER)
    keys.make(KEY)
    wrapped = keys.wrap(KEY, bytes(range(32)), b"tenant acme")
    assert bytes(range(32)) not in wrapped
    keys = provider()
    assert keys.ids() == {KEY, OTHER}
    assert keys.unwrap(KEY, wrapped, b"tenant acme") == bytes(range(32))
    for key, content, associated in (
        (KEY, wrapped, b"tenant umbrella"),
        (OTHER, wrapped, b"tenant acme"),
        (KEY, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"tenant acme"),
    ):
        with pytest.raises(EnvelopeRefused):
            keys.unwrap(key, content, associated)


def test_a_destroyed_root_key_is_gone_and_another_stays(provider: Provider) -> None:
    keys = provider()
    keys.make(KEY)
    keys.make(OTHER)
    wrapped = keys.wrap(KEY, bytes(32), b"")
    keys.destroy(KEY)
    keys.destroy(KEY)
    keys = provider()
    assert keys.ids() == {OTHER}
    with pytest.raises(KeyUnusable, match="it is not there"):
        keys.unwrap(KEY, wrapped, b"")


def test_a_place_seals_under_it_and_rotates_it(provider: Provider, tmp_path: Path) -> None:
    keys = open_keys(tmp_path / "keys", "acme", provider())
    name = Binding("person", "name", b"1")
    envelope = keys.seal(subject("a1"), name, b"Amina")
    steps = keys.rotation(ROOT, begin=True)
    while steps:
        keys.take(steps[0])
        keys.close()
        keys = open_keys(tmp_path / "keys", "acme", provider())
        assert keys.open(subject("a1"), name, envelope) == b"Amina"
        steps = keys.rotation(ROOT)
    assert [one.state for one in keys.versions(ROOT)] == [KeyState.DESTROYED, KeyState.ACTIVE]
    assert len(provider().ids()) == 1
    keys.close()


def test_a_wrong_pin_stops_the_start_without_showing_it() -> None:
    require(MODULE.exists(), "SoftHSM", "sudo apt-get install softhsm2")
    code = (
        "from biometric_flow.identity.errors import KeyUnusable\n"
        "from biometric_flow.identity.root_token import RootKeyToken\n"
        f"try: RootKeyToken({str(MODULE)!r}, 'no such token', '13579')\n"
        "except KeyUnusable as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "no such token" in said.stdout
    assert "13579" not in said.stdout + said.stderr
