"""Root keys in a cloud key service (AWS KMS): made there, named by an alias each, and never to be had in the clear.

A running place asks the service for nothing but new root keys: what is below one is unwrapped once, at the start.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from biometric_flow.identity.envelope import KEY_ID_BYTES, KeyId
from biometric_flow.identity.errors import EnvelopeRefused, KeyUnusable, RootKeyUnavailable
from biometric_flow.identity.keyring import RootKeys

ATTEMPTS: Final = 3
CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 5
"""No call lasts longer than about half a minute, whatever the service does."""
PENDING_DAYS: Final = 7
"""How long the service keeps a destroyed key before it is gone for good; it can do nothing meanwhile."""
CONTEXT: Final = "biometric-flow"
"""Name of the value that binds a wrapped key to where it belongs; the service writes it in its own log."""
_PERMANENT: Final = frozenset(
    {
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "IncompleteSignature",
        "NotFoundException",
        "DisabledException",
        "KMSInvalidStateException",
        "InvalidKeyUsageException",
        "InvalidAliasNameException",
        "LimitExceededException",
        "ValidationException",
    }
)
_REFUSED: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class RootKeyService:
    """Root keys of one key store, told from others by the prefix of their aliases.

    Credentials are found as by every AWS program: environment, profile, role of the machine.
    """

    def __init__(self, prefix: str, region: str | None = None, endpoint: str | None = None) -> None:
        self._prefix = f"alias/{prefix}-"
        settings = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        )
        with self._asked():
            self._client: Any = boto3.client("kms", region_name=region, endpoint_url=endpoint, config=settings)

    def ids(self) -> frozenset[KeyId]:
        """The root keys that are there."""
        with self._asked():
            pages = self._client.get_paginator("list_aliases").paginate()
            names = [one["AliasName"] for page in pages for one in page["Aliases"]]
        found = (name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))
        return frozenset(KeyId(bytes.fromhex(one)) for one in found if len(one) == 2 * KEY_ID_BYTES)

    def make(self, key: KeyId) -> None:
        """Make a root key of this id in the service."""
        if key in self.ids():
            return
        with self._asked():
            made = self._client.create_key(
                Description="biometric-flow root key", KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT"
            )
            self._client.create_alias(AliasName=self._alias(key), TargetKeyId=made["KeyMetadata"]["KeyId"])

    def wrap(self, key: KeyId, secret: bytes, associated: bytes) -> bytes:
        """The secret under this root key."""
        with self._asked(key):
            answer = self._client.encrypt(
                KeyId=self._alias(key), Plaintext=secret, EncryptionContext=_context(key, associated)
            )
            return bytes(answer["CiphertextBlob"])

    def unwrap(self, key: KeyId, wrapped: bytes, associated: bytes) -> bytes:
        """The secret again. Raises EnvelopeRefused when it was altered or belongs elsewhere."""
        with self._asked(key):
            answer = self._client.decrypt(
                KeyId=self._alias(key), CiphertextBlob=wrapped, EncryptionContext=_context(key, associated)
            )
            return bytes(answer["Plaintext"])

    def destroy(self, key: KeyId) -> None:
        """Let the service destroy a root key: it opens nothing from now on, and is gone for good after PENDING_DAYS."""
        if key not in self.ids():
            return
        with self._asked(key):
            target = self._client.describe_key(KeyId=self._alias(key))["KeyMetadata"]
            if target["KeyState"] != "PendingDeletion":
                self._client.schedule_key_deletion(KeyId=target["KeyId"], PendingWindowInDays=PENDING_DAYS)
            self._client.delete_alias(AliasName=self._alias(key))

    def _alias(self, key: KeyId) -> str:
        return self._prefix + key.hex()

    @contextmanager
    def _asked(self, key: KeyId | None = None) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _REFUSED:
                raise EnvelopeRefused("the key service does not unwrap it: it was altered, or moved") from None
            if code == "NotFoundException" and key is not None:
                raise KeyUnusable(
                    f"expected the root key {self._alias(key)} in the key service, it is not there: without it nothing"
                    " that was sealed can be read; use the account and region that belong to this key store"
                ) from None
            if code in _PERMANENT:
                raise KeyUnusable(f"the key service refused {error.operation_name}: {code}") from None
            raise RootKeyUnavailable(f"the key service answered {error.operation_name} with {code}") from None
        except (NoRegionError, NoCredentialsError, PartialCredentialsError) as error:
            raise KeyUnusable(f"the key service cannot be asked: {error}; see docs/keys.md") from None
        except (BotoCoreError, ValueError) as error:
            raise RootKeyUnavailable(f"the key service did not answer in time: {type(error).__name__}") from None


def _context(key: KeyId, associated: bytes) -> Mapping[str, str]:
    return {CONTEXT: base64.b64encode(associated).decode("ascii"), f"{CONTEXT}-root": key.hex()}


if TYPE_CHECKING:
    _provider: type[RootKeys] = RootKeyService
