"""What the dashboard process can be told."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from biometric_flow.runtime.settings import Settings


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("a URL such as https://attendance.example.com, without a path")
    return text.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class DashboardSettings(Settings):
    """`BIOMETRIC_FLOW_DASHBOARD_*`."""

    host: str = "127.0.0.1"
    port: int = Field(8501, ge=1, le=65535)
    gateway_url: HttpUrl = "http://127.0.0.1:9000"
    public_url: HttpUrl = "http://127.0.0.1:8501"
    """What people type; `https://` here makes the session cookie Secure and `__Host-`, and sends HSTS."""
    idle_minutes: int = Field(30, ge=1, le=24 * 60)
    total_hours: int = Field(12, ge=1, le=24)
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    @property
    def has_secure_cookies(self) -> bool:
        """True behind https. Safari refuses Secure cookies on plain http even from loopback, so http goes without."""
        return self.public_url.startswith("https://")

    @property
    def idle(self) -> timedelta:
        """How long a login lives without its person doing anything."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def total(self) -> timedelta:
        """How long a login lives whatever its person does."""
        return timedelta(hours=self.total_hours)
