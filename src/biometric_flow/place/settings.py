"""Settings of a place process: BIOMETRIC_FLOW_PLACE_* and its line in places.json."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, HttpUrl, model_validator

from biometric_flow.ledger.errors import KeyTextInvalid
from biometric_flow.ledger.note import PublicKey
from biometric_flow.runtime.backup_settings import BackupSettings
from biometric_flow.runtime.key_settings import KeySettings
from biometric_flow.runtime.settings import StrongSecret


def _verifier_key(text: str) -> str:
    """Raises ValueError for what is no key."""
    try:
        return str(PublicKey.parse(text))
    except KeyTextInvalid as error:
        raise ValueError(str(error)) from None


VerifierKey = Annotated[str, AfterValidator(_verifier_key)]
"""A C2SP vkey."""


class PlaceSettings(BackupSettings, KeySettings):
    """One place process. Durations are seconds."""

    id: str
    data: Path = Path("biometric-flow-data")
    """Parent of this place's own folder, `places/<id>`."""
    host: str | None = None
    port: int | None = Field(None, ge=1, le=65535)
    """Host and port default to the place's line in places.json."""
    api_key: StrongSecret
    """Bearer token of this place's own HTTP interface."""
    gateway_url: HttpUrl | None = None
    gateway_credential: StrongSecret | None = None
    """The shared secret of a demo; elsewhere the place joins and signs (`biometric-flow join`)."""
    link_key_days: float = Field(30, gt=0, le=365)
    """How long it signs with one key before it changes to the next by itself."""
    gateway_key: VerifierKey | None = None
    """What verifies the gateway's cosignatures (`GET /v1/ledger/keys`, first line); else the first that it shows."""

    reconcile_seconds: float = Field(60, gt=0)
    """How often the counters are compared with what was read, and the log read again when they differ."""
    full_reconcile_seconds: float = Field(6 * 3600, gt=0)
    """How often the whole log is read whatever the counters say."""
    keepalive_seconds: float = Field(30, gt=0)
    connect_seconds: float = Field(10, gt=0)
    backoff_seconds: float = Field(1, gt=0)
    backoff_max_seconds: float = Field(60, gt=0)
    blocked_retry_seconds: float = Field(300, gt=0)
    """How often a terminal is tried that answered with a refusal only an operator can lift."""
    offline_after_seconds: float = Field(15, gt=0)
    """A terminal that cannot be reached is `late` for this long, then `offline`."""
    clearing_is_allowed: bool = False
    """Whether a terminal's list may be cleared on request, once every row is in the ledger and at the gateway."""
    report_seconds: float = Field(5, gt=0)
    corrections_seconds: float = Field(5, gt=0)
    """How often the gateway is asked for approved corrections that this place has to record."""
    upload_batch: int = Field(500, ge=1, le=1000)
    push_host: str = "127.0.0.1"
    push_port: int | None = Field(None, ge=0, le=65535)
    """Where terminals dial that push; none of them can without it."""
    push_tls_certificate: Path | None = None
    push_tls_key: Path | None = None
    """PEM files; many terminals accept no certificate but those of well-known issuers."""
    push_poll_seconds: int = Field(10, ge=1, le=60)
    """How often a terminal asks for commands; after three missed polls it counts as lost."""
    push_reconcile_seconds: float = Field(3600, gt=0)
    """How often a terminal is asked to count its punches of a day, which are asked for again when some are missing."""
    push_answer_seconds: float = Field(120, gt=0)
    """How long a terminal may take for a command before it is handed over again, three times at most."""
    biometrics_are_kept: bool = False
    """Whether templates and pictures are kept, sealed, of people who gave a written release."""
    destruction_look_seconds: float = Field(30, gt=0)
    """How often is looked at what terminals have confirmed to have destroyed."""
    retention_look_seconds: float = Field(600, gt=0)
    """How often is looked at what has to go, and at what the gateway says of policies and holds."""
    rotation_settle_seconds: float = Field(60, gt=0, le=86_400)
    """How long a replaced key stays once nothing stored is under it; then it is destroyed."""
    archive_bytes: int = Field(64 * 1024 * 1024, ge=0)
    """Deflated bytes of uploads kept of one terminal, the oldest go first; 0 keeps none."""
    archive_days: int = Field(90, ge=1, le=3650)
    examine_seconds: float = Field(86_400, gt=0)
    """How often the whole ledger is checked, beside the newest entries at each start."""
    checkpoint_quiet_seconds: float = Field(1, gt=0, le=60)
    """New entries are signed once none came for this long, and after a minute whatever comes."""
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="after")
    def _a_certificate_needs_a_key(self) -> Self:
        if (self.push_tls_certificate is None) != (self.push_tls_key is None):
            raise ValueError("push_tls_certificate and push_tls_key, both or neither")
        return self
