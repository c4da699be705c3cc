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
_PERMANENT: Final = (pkcs11.NoSuchToken, pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.UserPinNotInitialized)


class RootKeyToken:
    """Root keys that one token holds. The PIN opens the token; the keys are neither extractable nor readable."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        self._lock = threading.Lock()
        try:
            found = pkcs11.lib(module).get_token(token_label=token)
            self._session = found.open(user_pin=pin, rw=True)
        except (*_PERMANENT, RuntimeError, OSError) as error:
            raise KeyUnusable(
                f"expected the PKCS#11 token {token!r} behind {module} to open with its PIN: {type(error).__name__}"
            ) from None
        except pkcs11.PKCS11Error as error:
            raise RootKeyUnavailable(f"the PKCS#11 token {token!r} did not answer: {type(error).__name__}") from None

    def ids(self) -> frozenset[KeyId]:
        """The root keys that are there."""
        with self._asked():
            found = self._session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: LABEL})
            return frozenset(KeyId(bytes(one[Attribute.ID])) for one in found)

    def make(self, key: KeyId) -> None:
        """Make a root key of this id in the token."""
        if key in self.ids():
            return
        template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.TOKEN: True}
        capabilities = pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT
        with self._asked():
            self._session.generate_key(
                KeyType.AES, 256, id=key, label=LABEL, store=True, capabilities=capabilities, template=template
            )

    def wrap(self, key: KeyId, secret: bytes, associated: bytes) -> bytes:
        """The secret under this root key: nonce, then ciphertext and tag."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        with self._asked():
            return nonce + bytes(self._key(key).encrypt(secret, **_gcm(nonce, associated)))

    def unwrap(self, key: KeyId, wrapped: bytes, associated: bytes) -> bytes:
        """The secret again. Raises EnvelopeRefused when it was altered or belongs elsewhere."""
        nonce, rest = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        if len(rest) < TAG_BYTES:
            raise EnvelopeRefused("expected what a token wrapped, got fewer bytes than its tag has")
        with self._asked():
            held = self._key(key)
            try:
                return bytes(held.decrypt(rest, **_gcm(nonce, associated)))
            except (pkcs11.EncryptedDataInvalid, pkcs11.GeneralError, pkcs11.FunctionFailed):
                # Tokens differ in what they say of a wrong tag.
                raise EnvelopeRefused("the token does not unwrap it: it was altered, or moved from elsewhere") from None

    def destroy(self, key: KeyId) -> None:
        """Destroy a root key in the token."""
        if key in self.ids():
            with self._asked():
                self._key(key).destroy()

    def close(self) -> None:
        """End the session."""
        with self._lock:
            self._session.close()

    def _key(self, key: KeyId) -> Any:
        assert len(key) == KEY_ID_BYTES
        try:
            return self._session.get_key(object_class=ObjectClass.SECRET_KEY, id=key, label=LABEL)
        except pkcs11.NoSuchKey:
            raise KeyUnusable(
                f"expected the root key {key.hex()} in the token, it is not there: without it nothing that was sealed"
                " can be read; attach the token that belongs to this key store"
            ) from None

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """One thread at a time: a session is not safe for two."""
        with self._lock:
            try:
                yield
            except pkcs11.PKCS11Error as error:
                raise RootKeyUnavailable(f"the PKCS#11 token did not answer: {type(error).__name__}") from None


def _gcm(nonce: bytes, associated: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, associated, 8 * TAG_BYTES)}


if TYPE_CHECKING:
    _provider: type[RootKeys] = RootKeyToken
