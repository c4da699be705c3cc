"""`config/places.json`: the tenants and places of an installation, read by gateway, places and supervisor."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from biometric_flow.model.ids import SLUG
from biometric_flow.runtime.errors import SettingsInvalid
from biometric_flow.runtime.settings import FileModel, read_json

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG.pattern}$")]


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("an IANA time zone such as Africa/Cairo")
    return name


class Quota(FileModel):
    """What a tenant may take up of an installation; what is left out has no limit."""

    places: int | None = Field(None, ge=1, le=100_000)
    terminals: int | None = Field(None, ge=1, le=1_000_000)
    entries: int | None = Field(None, ge=1, description="Of all its ledgers: what storage grows with.")
    contact: str = Field("whoever runs this installation", min_length=1, max_length=200)
    """Who is asked for more; refusals name them."""


class TenantConfig(FileModel):
    """One customer."""

    id: Slug
    name: str = Field(min_length=1, max_length=80)
    quota: Quota = Field(default_factory=lambda: Quota.model_validate({}))


class PlaceConfig(FileModel):
    """One location. `credential_sha256` is the digest of a secret that it shows in a demo; elsewhere it signs."""

    id: Slug
    tenant: Slug
    name: str = Field(min_length=1, max_length=80)
    zone: Annotated[str, AfterValidator(_zone)]
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    credential_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    ledger_key: str | None = Field(None, max_length=400)
    """The vkey that signs its checkpoints; left out, the gateway believes the first one that the place shows."""

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone as an object."""
        return ZoneInfo(self.zone)


class PlacesFile(FileModel):
    """The whole file."""

    tenants: tuple[TenantConfig, ...] = Field(min_length=1)
    places: tuple[PlaceConfig, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for what, names in (
            ("place ids", [place.id for place in self.places]),
            ("tenant ids", [tenant.id for tenant in self.tenants]),
            ("addresses of places", [f"{place.host}:{place.port}" for place in self.places]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"different {what}; these stand twice: {', '.join(twice)}")
        for tenant in self.tenants:
            count = sum(place.tenant == tenant.id for place in self.places)
            limit = tenant.quota.places
            if limit is not None and count > limit:
                said = f"at most {limit} places of tenant {tenant.id}, got {count}; ask {tenant.quota.contact} for more"
                raise ValueError(said)
        unknown = {place.tenant for place in self.places} - {tenant.id for tenant in self.tenants}
        if unknown:
            raise ValueError(f"places of tenants listed under `tenants`; not listed: {', '.join(sorted(unknown))}")
        return self


def read_places(config: Path) -> PlacesFile:
    """The validated `places.json` of a configuration folder."""
    return read_json(config / "places.json", PlacesFile)


def find_place(config: Path, place: str) -> PlaceConfig:
    """One place's entry, or SettingsInvalid naming those that exist."""
    places = read_places(config).places
    for entry in places:
        if entry.id == place:
            return entry
    known = ", ".join(entry.id for entry in places)
    raise SettingsInvalid(f"{config / 'places.json'}: places: expected one with id {place!r}, got {known}")
