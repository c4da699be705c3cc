"""A place: one location with its own process, zone and ledger."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from biometric_flow.model.ids import PlaceId, TenantId


@dataclass(frozen=True, slots=True)
class Place:
    """One location."""

    id: PlaceId
    tenant: TenantId
    name: str
    zone: ZoneInfo
