"""Where a root key lives: a file beside the keys it wraps, a PKCS#11 token, or a cloud key service (K1)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import RootKeys
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.runtime.errors import FolderUnusable

ROOT_FILE_NAME: Final = "root-keys.json"


@dataclass(frozen=True, slots=True)
class Token:
    """A PKCS#11 token: its library, label and PIN."""

    module: str
    label: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """A cloud key service (AWS KMS): what its aliases begin with, its region, its address where it is not the usual."""

    prefix: str
    region: str | None = None
    endpoint: str | None = None


def root_keys(folder: Path, where: Token | Service | None = None) -> RootKeys:
    """Where a root key lives: in a token, a service, or a file beside its keys. Raises FolderUnusable."""
    try:
        match where:
            case None:
                return RootKeyFile(folder / ROOT_FILE_NAME)
            case Token():
                from biometric_flow.identity.root_token import RootKeyToken

                return RootKeyToken(where.module, where.label, where.pin)
            case Service():
                from biometric_flow.identity.root_service import RootKeyService

                return RootKeyService(where.prefix, where.region, where.endpoint)
    except ImportError:
        needed = "python-pkcs11 for a token: pip install 'biometric-flow[hsm]'"
        if isinstance(where, Service):
            needed = "boto3 for a key service: pip install 'biometric-flow[kms]'"
        raise FolderUnusable(f"expected {needed}") from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None
