"""What can be set of the gateway: variables BIOMETRIC_FLOW_GATEWAY_*."""

from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from biometric_flow.gateway.traffic.addresses import Network, networks
from biometric_flow.identity.errors import PasswordWeak
from biometric_flow.identity.password_rules import check_password
from biometric_flow.runtime.backup_settings import BackupSettings
from biometric_flow.runtime.key_settings import KeySettings
from biometric_flow.runtime.settings import DEFAULT_SECRETS

PASSWORD_CHARACTERS: Final = 12


class GatewaySettings(BackupSettings, KeySettings):
    """Everything the gateway process is told at its start."""

    host: str = "127.0.0.1"
    port: int = Field(9000, ge=1, le=65535)
    data: Path = Path("biometric-flow-data/gateway")
    dsn: SecretStr | None = Field(None, description="PostgreSQL to use; left out, an embedded one runs in `data`.")
    owner_dsn: SecretStr | None = Field(
        None, description="For migrations, when the login of `dsn` may not create tables."
    )
    backup_dsn: SecretStr | None = Field(None, description="For backups, when the login of `dsn` may not replicate.")
    demo: bool = Field(False, description="Lets the admin password be short or well known. Never outside a demo.")
    admin_email: str | None = Field(None, min_length=3, max_length=254)
    admin_password: SecretStr | None = Field(None, validate_default=True)
    admin_tenant: str | None = Field(
        None, description="Tenant of the first account; the first one listed when left out."
    )
    report_limit_seconds: float = Field(15.0, gt=0, le=3600)
    archive: str | None = Field(
        None, min_length=1, description="Where cold punches go: a folder, or s3://bucket/prefix."
    )
    archive_months: int | None = Field(
        None, ge=1, le=1200, description="Whole months that stay in the database; older punches move by themselves."
    )
    archive_lock_days: int = Field(0, ge=0, le=36_500, description="Object lock of new files; 0 for none.")
    archive_s3_endpoint: str | None = Field(None, pattern="^https?://[^/]+$")
    archive_s3_region: str | None = None
    archive_s3_access_key: SecretStr | None = None
    archive_s3_secret_key: SecretStr | None = None
    retention_look_seconds: float = Field(600.0, gt=0, description="How often is looked at what has to go.")
    witnesses: Path | None = Field(
        None, description="File with a line `witness <name> <vkey> <url>` for each that cosigns the gateway's own log."
    )
    witness_seconds: float = Field(60, gt=0, le=86_400, description="How often they are shown what is new.")
    witness_limit_hours: float = Field(24, gt=0, description="A witness not reached for longer needs a person.")
    issuer: str = Field("biometric-flow", min_length=1, max_length=200)
    access_seconds: int = Field(600, ge=30, le=600)
    refresh_days: int = Field(14, ge=1, le=90)

    place_failures: int = Field(5, ge=1, le=100, description="In half a minute; then the place is left alone.")
    place_wait_seconds: float = Field(5, gt=0, le=60, description="For how long at first; it doubles up to a minute.")
    place_outstanding: int = Field(32, ge=1, le=1000, description="Questions that may wait for one place.")
    capacity: int = Field(256, ge=1, le=100_000, description="Requests under way; sign-in and health are never let go.")
    address_rate: float = Field(500, gt=0, le=1_000_000, description="Requests a second of one address.")
    identity_rate: float = Field(200, gt=0, le=1_000_000, description="Of one account, key or place.")
    tenant_rate: float = Field(2000, gt=0, le=1_000_000, description="Of all of a tenant together.")
    cache_megabytes: int = Field(64, ge=0, le=100_000, description="For answers that are remembered; 0 for none.")
    shared_url: SecretStr | None = Field(
        None,
        description="redis://... or rediss://...: instances share answers, limits, failed sign-ins, nonces there.",
    )
    leave_seconds: float = Field(
        0, ge=0, le=15, description="How long it serves on when it is told to end, while /health/ready says 503."
    )
    peer_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="How other instances reach this one, past any proxy, to ask places whose link ends here.",
    )
    alert_seconds: float = Field(5, gt=0, le=3600, description="How often is looked at what is wrong.")
    alert_private: bool = Field(False, description="Alerts may be sent to addresses inside the own network.")
    trusted_proxies: str = Field(
        "", max_length=2000, description="Addresses and networks whose X-Forwarded-For is believed, comma-separated."
    )

    def proxy_networks(self) -> tuple[Network, ...]:
        """The proxies that are believed about whom they speak for."""
        return networks(self.trusted_proxies.split(","))

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: str) -> str:
        try:
            networks(given.split(","))
        except ValueError as error:
            raise ValueError(f"addresses and networks such as 10.0.0.0/8,192.0.2.7: {error}") from None
        return given

    @field_validator("shared_url")
    @classmethod
    def _redis(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not given.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("redis://host:port, rediss://host:port or unix:///socket")
        return given

    @field_validator("peer_url")
    @classmethod
    def _found_by_others(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given is not None and info.data.get("shared_url") is None:
            raise ValueError("shared_url beside it, where instances find each other, or no peer_url")
        return given

    @field_validator("archive_months")
    @classmethod
    def _into_something(cls, months: int | None, info: ValidationInfo) -> int | None:
        if months is not None and info.data.get("archive") is None:
            raise ValueError("archive, a folder or a bucket where older punches go, or no archive_months")
        return months

    @field_validator("data")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @field_validator("admin_password")
    @classmethod
    def _own_and_long(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (info.data.get("admin_email") is None):
            raise ValueError("admin_email and admin_password together, or neither")
        if secret is not None and not info.data.get("demo"):
            password = secret.get_secret_value()
            if password.lower() in DEFAULT_SECRETS:
                raise ValueError("a password of your own, this is a well-known default")
            if len(password) < PASSWORD_CHARACTERS:
                raise ValueError(f"at least {PASSWORD_CHARACTERS} characters, this has {len(password)}")
            try:
                check_password(password, [info.data.get("admin_email") or ""])
            except PasswordWeak as error:
                raise ValueError(str(error).removeprefix("expected ")) from None
        return secret
