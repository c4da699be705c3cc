"""What the gateway knows of its places: their configuration, and which of them have gone silent."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from biometric_flow.model.ids import PlaceId
from biometric_flow.runtime.places import PlaceConfig, PlacesFile, TenantConfig


class Registry:
    """Tenants and places of this installation, and the rule that says when a place is silent."""

    def __init__(self, file: PlacesFile, limit: timedelta) -> None:
        self.file, self.limit = file, limit

    def tenants(self) -> list[tuple[TenantConfig, list[PlaceConfig]]]:
        """Each tenant with its places."""
        return [
            (tenant, [place for place in self.file.places if place.tenant == tenant.id]) for tenant in self.file.tenants
        ]

    def is_reporting(self, last_heard: datetime | None, now: datetime) -> bool:
        """Has a place been heard within the limit? One that never was is silent."""
        return last_heard is not None and now - last_heard <= self.limit

    def silent(self, heard: Mapping[PlaceId, datetime | None], now: datetime) -> frozenset[str]:
        """Those of the places that are not reporting."""
        return frozenset(place for place, moment in heard.items() if not self.is_reporting(moment, now))
