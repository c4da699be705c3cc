"""Every bit of the files that lie beside a place's database: its keys, root keys and signing key.

A bit that is turned there is named by `ledger verify` (its error names the file, the key, or the first signature that
does not fit), or the keys that are read are the same as before. Only how many messages were reserved under a key may
differ: no hour follows from that.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from biometric_flow.identity.keyring import KeyRecord
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.ledger.note import Signer
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.handover import KEY_FILE
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_check import check_keys
from biometric_flow.runtime.key_file import FILE_NAME, KEYS_FOLDER
from biometric_flow.runtime.key_store import read_keys
from biometric_flow.runtime.root_home import ROOT_FILE_NAME, root_keys
from biometric_flow.runtime.signing import signing_key
from tests.builders import TENANT
from tests.services.test_place_audit import CAIRO, KEYS, SIGNER, SIGNING, ledger

RESERVED: Final = "a count of messages"
Read = tuple[list[KeyRecord], dict[bytes, bytes], bytes]
"""All that is read of these files: the key store's records, the root keys, and the public key that signs."""


class Beside:
    """A place's folder; `files` are those beside its database that are not empty."""

    def __init__(self, folder: Path, punches: int) -> None:
        self._file, self._keys, self._key = ledger(folder, punches), folder / KEYS_FOLDER, folder / KEY_FILE
        self._key.touch(mode=0o600)
        self._key.write_bytes(SIGNING.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        found = sorted(one for one in folder.rglob("*") if one.is_file() and one.stat().st_size)
        self.files = [one for one in found if not one.name.startswith(self._file.name)]
        assert {one.name for one in self.files} == {FILE_NAME, ROOT_FILE_NAME, KEY_FILE}
        self._truth = self._read()

    def turn(self, file: Path, bits: Iterable[int], every: int) -> Counter[str]:
        """Turn these bits one at a time; every so many that nobody named are shown to the whole verify too.

        Raises AssertionError for one that changes a key and that nobody finds.
        """
        content, count = file.read_bytes(), Counter[str]()
        for bit in bits:
            altered = bytearray(content)
            altered[bit // 8] ^= 1 << bit % 8
            file.write_bytes(altered)
            try:
                verdict = self._verdict(f"bit {bit} of {file.name}")
                count[verdict] += 1
                if verdict == "silent" and count[verdict] % every == 1:
                    self._verify()
            finally:
                file.write_bytes(content)
        return count

    def _verdict(self, where: str) -> str:
        try:
            read = self._read()
        except (FolderUnusable, LedgerAltered) as error:
            return "found" if "key" in str(error) else f"found, and nothing named: {error}"
        if read == self._truth:
            return "silent"
        if self._uncounted(read) == self._uncounted(self._truth):
            return RESERVED
        try:
            self._verify()
        except LedgerAltered:
            return "found"
        raise AssertionError(f"{where} changed a key, and nothing noticed")

    def _uncounted(self, read: Read) -> Read:
        return ([replace(one, reserved=0) for one in read[0]], *read[1:])

    def _read(self) -> Read:
        root = root_keys(self._keys)
        assert isinstance(root, RootKeyFile)
        keys = read_keys(self._keys, TENANT, root)
        try:
            check_keys(keys)
            signer = Signer(SIGNER.public.name, signing_key(self._key))
            return keys.records(), dict(root._keys), signer.public.raw
        finally:
            keys.close()

    def _verify(self) -> None:
        """As `ledger verify` does."""
        keys = read_keys(self._keys, TENANT, root_keys(self._keys))
        try:
            own = Signer(SIGNER.public.name, signing_key(self._key)).public
            audit(self._file, CAIRO, Keys(own, KEYS.gateway), keys)
        finally:
            keys.close()


def some_of(file: Path, count: int, chance: random.Random) -> Iterator[int]:
    """Bits of a file, spread over its bytes that are not zero and those that are alike."""
    content = file.read_bytes()
    written = [at for at, byte in enumerate(content) if byte]
    zero = [at for at, byte in enumerate(content) if not byte]
    for places, share in ((written, count * 4 // 5), (zero, count // 5)):
        for at in chance.sample(places, min(share, len(places))):
            yield at * 8 + chance.randrange(8)
