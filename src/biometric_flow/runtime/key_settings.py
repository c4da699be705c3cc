"""Settings of a key store: where it lies, and what holds its root key. The same for a place and for a gateway."""

from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from biometric_flow.runtime.root_home import Service, Token
from biometric_flow.runtime.settings import Settings


class KeySettings(Settings):
    """Part of a process's settings."""

    keys: Path | None = None
    """The key store, best on another disk and out of every backup of the data; default: `keys` in the data's folder."""
    pkcs11_module: Path | None = None
    """The library of a PKCS#11 token that holds the root keys; a file beside the key store holds them without."""
    pkcs11_token: str | None = Field(None, min_length=1, max_length=32)
    pkcs11_pin: SecretStr | None = None
    """Label and PIN of the token."""
    kms_prefix: str | None = Field(None, pattern=r"^[a-zA-Z0-9_/-]{1,180}$")
    """A cloud key service (AWS KMS) holds the root keys, under aliases that begin so; one prefix for each process."""
    kms_region: str | None = None
    kms_endpoint: HttpUrl | None = None
    """Region and address of that service, where they are not what AWS programs find by themselves."""

    @field_validator("keys")
    @classmethod
    def _a_folder(cls, folder: Path | None) -> Path | None:
        if folder is not None and folder.parts and folder.parts[0].endswith(":"):
            raise ValueError("a folder on a disk of this machine; a key store in a database is not to be had")
        return folder

    @model_validator(mode="after")
    def _a_token_is_whole(self) -> Self:
        if len({self.pkcs11_module is None, self.pkcs11_token is None, self.pkcs11_pin is None}) > 1:
            raise ValueError("pkcs11_module, pkcs11_token and pkcs11_pin, all or none")
        return self

    @model_validator(mode="after")
    def _one_home_for_the_root_key(self) -> Self:
        if self.kms_prefix is not None and self.pkcs11_module is not None:
            raise ValueError("kms_prefix or pkcs11_module, not both")
        return self

    def root_home(self) -> Token | Service | None:
        """The token or service that holds the root keys, None when a file does."""
        if self.kms_prefix is not None:
            return Service(self.kms_prefix, self.kms_region, str(self.kms_endpoint) if self.kms_endpoint else None)
        if self.pkcs11_module is None or self.pkcs11_token is None or self.pkcs11_pin is None:
            return None
        return Token(str(self.pkcs11_module), self.pkcs11_token, self.pkcs11_pin.get_secret_value())
