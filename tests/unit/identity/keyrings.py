"""A keyring whose root keys are in memory."""

from biometric_flow.identity.envelope import NONCE_BYTES, KeyId, SealingKey
from biometric_flow.identity.keyring import ROOT, KeyKind, KeyRecord, Keyring, Owner

TENANT = Owner(KeyKind.TENANT, "acme")
MESSAGES = 1000


class RootInMemory:
    """The provider of a test: keys that are forgotten with it."""

    def __init__(self) -> None:
        self._keys: dict[KeyId, SealingKey] = {}
        self._nonce = 0

    def ids(self) -> frozenset[KeyId]:
        return frozenset(self._keys)

    def make(self, key: KeyId) -> None:
        self._keys.setdefault(key, SealingKey(key, key + key))

    def wrap(self, key: KeyId, secret: bytes, associated: bytes) -> bytes:
        self._nonce += 1
        return self._keys[key].seal(associated, secret, self._nonce.to_bytes(NONCE_BYTES, "big"))

    def unwrap(self, key: KeyId, wrapped: bytes, associated: bytes) -> bytes:
        return self._keys[key].unseal(associated, wrapped)

    def destroy(self, key: KeyId) -> None:
        self._keys.pop(key, None)


def keyring(*owners: Owner) -> Keyring:
    """A keyring with its root and tenant keys and one active key for each of these owners."""
    ring = Keyring("acme", RootInMemory())
    for owner in (ROOT, TENANT, *owners):
        add(ring, owner)
    return ring


def add(ring: Keyring, owner: Owner) -> KeyRecord:
    """Make and load the owner's next active key, with messages granted where it seals data."""
    record = ring.make(owner)
    ring.load(record)
    if owner not in (ROOT, TENANT):
        ring.grant(record.id, MESSAGES)
    return record
