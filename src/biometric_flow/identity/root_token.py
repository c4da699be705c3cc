"""Root keys in a PKCS#11 token (a hardware security module, or SoftHSM): they are made in it and never leave it."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.mechanisms import GCMParams

from biometric_flow.identity.envelope import KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES, KeyId
from biometric_flow.identity.errors import EnvelopeRefused, KeyUnusable, RootKeyUnavailable
from biometric_flow.identity.keyring import RootKeys

LABEL: Final = "biometric-flow root key"
_PASSING: Final = (
    *(pkcs11.DeviceError, pkcs11.DeviceMemory, pkcs11.DeviceRemoved, pkcs11.FunctionFailed, pkcs11.GeneralError),
    *(pkcs11.HostMemory, pkcs11.SessionCount, pkcs11.TokenNotPresent),
)
_LOST: Final = (
    *(pkcs11.DeviceRemoved, pkcs11.SessionClosed, pkcs11.SessionHandleInvalid),
    *(pkcs11.TokenNotPresent, pkcs11.UserNotLoggedIn),
)
"""After these a session is of no use any more, as when a token was pulled out; the next question opens another."""

_REASONS: Final[dict[type[Exception], str]] = {
    pkcs11.PKCS11Error: "that file is no PKCS#11 library that can be loaded",
    pkcs11.NoSuchToken: "there is no token of this label; attach it, or look at its label",
    pkcs11.MultipleTokensReturned: "there are several tokens of this label; give each a label of its own",
    pkcs11.PinIncorrect: "the PIN is wrong; most tokens close themselves after a few wrong ones",
    pkcs11.PinLocked: "its PIN is locked; whoever manages the token has to open it",
    pkcs11.UserPinNotInitialized: "it has no user PIN yet; whoever manages the token has to give it one",
    pkcs11.TokenNotRecognised: "it was never initialised; whoever manages the token has to do that",
}


class RootKeyToken:
    """Root keys that one token holds. The PIN opens the token; the keys are neither extractable nor readable.

    All that a process opens of one token share its login: a process has one at most, and whoever ends it ends it for
    all. So it lasts as long as the process, however many key stores, drills and restores come and go.
    """

    def __init__(self, module: str, token: str, pin: str) -> None:
        self._login = _login(module, token, pin)

    def ids(self) -> frozenset[KeyId]:
        """The root keys that are there."""
        with self._login.asked() as session:
            found = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: LABEL})
            return frozenset(KeyId(bytes(one[Attribute.ID])) for one in found)

    def make(self, key: KeyId) -> None:
        """Make a root key of this id in the token."""
        if key in self.ids():
            return
        template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.TOKEN: True}
        capabilities = pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT
        with self._login.asked() as session:
            session.generate_key(
                KeyType.AES, 256, id=key, label=LABEL, store=True, capabilities=capabilities, template=template
            )

    def wrap(self, key: KeyId, secret: bytes, associated: bytes) -> bytes:
        """The secret under this root key: nonce, then ciphertext and tag."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        with self._login.asked() as session:
            return nonce + bytes(_key(session, key).encrypt(secret, **_gcm(nonce, associated)))

    def unwrap(self, key: KeyId, wrapped: bytes, associated: bytes) -> bytes:
        """The secret again. Raises EnvelopeRefused when it was altered or belongs elsewhere."""
        nonce, rest = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        if len(rest) < TAG_BYTES:
            raise EnvelopeRefused("expected what a token wrapped, got fewer bytes than its tag has")
        with self._login.asked() as session:
            held = _key(session, key)
            try:
                return bytes(held.decrypt(rest, **_gcm(nonce, associated)))
            except (pkcs11.EncryptedDataInvalid, pkcs11.GeneralError, pkcs11.FunctionFailed):
                # Tokens differ in what they say of a wrong tag.
                raise EnvelopeRefused("the token does not unwrap it: it was altered, or moved from elsewhere") from None

    def destroy(self, key: KeyId) -> None:
        """Destroy a root key in the token."""
        if key in self.ids():
            with self._login.asked() as session:
                _key(session, key).destroy()


class _Login:
    """The one login of this process at one token, and its session; opened anew after it was lost."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        self.pin = pin
        self._module, self._token = module, token
        self._lock = threading.Lock()
        self._session: Any = None

    @contextmanager
    def asked(self) -> Iterator[Any]:
        """The session, for one thread at a time: it is not safe for two. Raises KeyUnusable, RootKeyUnavailable."""
        with self._lock:
            if self._session is None:
                self._session = self._opened()
            try:
                yield self._session
            except pkcs11.PKCS11Error as error:
                if isinstance(error, _LOST):
                    self._session = None
                raise RootKeyUnavailable(f"the PKCS#11 token did not answer: {type(error).__name__}") from None

    def _opened(self) -> Any:
        wanted = f"expected the PKCS#11 token {self._token!r} behind {self._module} to open with its PIN"
        try:
            found = pkcs11.lib(self._module).get_token(token_label=self._token)
            try:
                return found.open(user_pin=self.pin, rw=True)
            except pkcs11.UserAlreadyLoggedIn:
                # The session was lost and the login was not; it counts for all sessions of a process.
                return found.open(rw=True)
        except _PASSING as error:
            raise RootKeyUnavailable(
                f"the PKCS#11 token {self._token!r} did not answer: {type(error).__name__}"
            ) from None
        except pkcs11.PKCS11Error as error:
            raise KeyUnusable(f"{wanted}: {_REASONS.get(type(error), type(error).__name__)}") from None


_LOGINS: Final[dict[tuple[str, str], _Login]] = {}
_LOGINS_LOCK: Final = threading.Lock()


def _login(module: str, token: str, pin: str) -> _Login:
    with _LOGINS_LOCK:
        login = _LOGINS.get((module, token))
        if login is None:
            login = _Login(module, token, pin)
            with login.asked():
                _LOGINS[module, token] = login
    if login.pin != pin:
        raise KeyUnusable(f"expected one PIN for the PKCS#11 token {token!r} in a process, got another than before")
    return login


def _key(session: Any, key: KeyId) -> Any:
    assert len(key) == KEY_ID_BYTES
    try:
        return session.get_key(object_class=ObjectClass.SECRET_KEY, id=key, label=LABEL)
    except pkcs11.NoSuchKey:
        raise KeyUnusable(
            f"expected the root key {key.hex()} in the token, it is not there: without it nothing that was sealed"
            " can be read; attach the token that belongs to this key store"
        ) from None


def _gcm(nonce: bytes, associated: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, associated, 8 * TAG_BYTES)}


if TYPE_CHECKING:
    _provider: type[RootKeys] = RootKeyToken
