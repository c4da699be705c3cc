"""One suite for every provider of root keys: the sealed file, a PKCS#11 token (SoftHSM), a key service (AWS KMS)."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from biometric_flow.identity.envelope import Binding, KeyId
from biometric_flow.identity.errors import EnvelopeRefused, KeyUnusable, RootKeyUnavailable
from biometric_flow.identity.keyring import ROOT, KeyState, RootKeys, subject
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.identity.root_service import RootKeyService
from biometric_flow.identity.root_token import RootKeyToken
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME, copy_store
from biometric_flow.runtime.key_store import open_keys
from tests.key_service import CREDENTIALS
from tests.root_homes import LABEL, MODULE, PIN

KEY, OTHER = KeyId(b"k" * 16), KeyId(b"o" * 16)

Provider = Callable[[], RootKeys]


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

    def opened() -> RootKeyToken:
        return RootKeyToken(str(MODULE), label, PIN)

    yield opened
    for key in opened().ids():
        opened().destroy(key)


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


def test_a_copy_of_the_keys_from_before_a_rotation_opens_with_the_root_key_of_then_only(
    provider: Provider, tmp_path: Path
) -> None:
    keys = open_keys(tmp_path / "keys", "acme", provider())
    copy_store(tmp_path / "keys" / FILE_NAME, tmp_path / "copy")
    steps = keys.rotation(ROOT, begin=True)
    while steps:
        keys.take(steps[0])
        steps = keys.rotation(ROOT)
    keys.close()
    (tmp_path / "copy").rename(tmp_path / "keys" / FILE_NAME)
    with pytest.raises(FolderUnusable, match="of this key store, it is not there"):
        open_keys(tmp_path / "keys", "acme", provider())


def test_what_one_opened_of_a_provider_does_does_not_close_it_to_another(provider: Provider) -> None:
    keys, other = provider(), provider()
    keys.make(KEY)
    wrapped = other.wrap(KEY, bytes(32), b"")
    del keys
    assert provider().unwrap(KEY, wrapped, b"") == bytes(32)
    assert other.unwrap(KEY, wrapped, b"") == bytes(32)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_a_token_forgot_is_opened_anew(token: str) -> None:
    """As when it was pulled out and put back: one question fails as something that passes, the next one is answered."""
    keys = RootKeyToken(str(MODULE), token, PIN)
    keys.make(KEY)
    keys._login._session.close()
    with pytest.raises(RootKeyUnavailable):
        keys.ids()
    assert KEY in keys.ids()
    keys.destroy(KEY)


@pytest.mark.parametrize(
    ("module", "label", "pin", "reason"),
    [
        (MODULE, "no such token", "13579", "no token of this label"),
        (MODULE, LABEL, "13579", "the PIN is wrong"),
        (Path("/dev/null"), LABEL, "13579", "no PKCS#11 library"),
        (Path("/nonexistent.so"), LABEL, "13579", "no PKCS#11 library"),
    ],
)
def test_a_token_that_does_not_open_stops_the_start_with_the_reason_and_without_its_pin(
    token: str, module: Path, label: str, pin: str, reason: str
) -> None:
    code = (
        "from biometric_flow.identity.errors import KeyUnusable\n"
        "from biometric_flow.identity.root_token import RootKeyToken\n"
        f"try: RootKeyToken({str(module)!r}, {label!r}, {pin!r})\n"
        "except KeyUnusable as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert reason in said.stdout, said
    assert pin not in said.stdout + said.stderr
