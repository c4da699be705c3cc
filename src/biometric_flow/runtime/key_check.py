"""Is a key store as this program made it: its file whole, every key in it openable under the one above it?"""

from biometric_flow.identity.errors import IdentityError, RootKeyUnavailable
from biometric_flow.identity.keyring import KeyRecord, Keyring
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_store import KeyStore


def check_keys(store: KeyStore) -> None:
    """Read all of a key store anew. Raises LedgerAltered, naming the first key that is not right.

    Whoever seals with it meanwhile waits for the reading only. Raises FolderUnusable while the token or service that
    has the root key does not answer.
    """
    before: list[KeyRecord] | None = None
    while True:
        fault, keys, records = store.filed()
        first = fault or _first_bad(keys)
        if not first:
            return
        if records == before:  # else a rotation may have gone on between the reading and the look
            raise LedgerAltered(f"the key store: {first}; restore the keys beside the data")
        before = records


def _first_bad(keys: Keyring) -> str:
    for record in keys.records():
        try:
            keys.check(record)
        except RootKeyUnavailable as error:
            raise FolderUnusable(f"the key store cannot be checked: {error}") from None
        except IdentityError as error:
            return f"{record.owner.kind} key {record.id.hex()}, version {record.version}: {error}"
    return ""
