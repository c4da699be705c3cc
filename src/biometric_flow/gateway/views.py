"""Rows of the store -> what the API says: pure."""

from datetime import UTC, datetime
from typing import Any

from biometric_flow.api.gateway import GatewayPerson, GatewayPunch, PlaceView, TerminalStatus
from biometric_flow.gateway.store.subjects import Told
from biometric_flow.gateway.store.words import Said
from biometric_flow.model.punch import Channel


def punch_view(row: Told | Any) -> GatewayPunch:
    """One punch."""
    return GatewayPunch(
        id=bytes(row.punch_id).hex(),
        place=row.place_id,
        zone=row.zone,
        terminal=row.terminal,
        terminal_name=row.terminal_name,
        pin=row.pin,
        name=row.name,
        local_time=row.local_time,
        instant=row.instant.astimezone(UTC),
        state=row.state,
        verify=row.verify,
        work_code=row.work_code,
        drift_ms=row.drift_ms,
        received_at=row.received_at.astimezone(UTC),
        channel=Channel(row.channel),
        position=row.position,
    )


def place_view(row: Said, *, is_reporting: bool) -> PlaceView:
    """One place."""
    return PlaceView(
        id=row.place_id,
        name=row.name,
        zone=row.zone,
        position=row.position,
        head=row.head,
        last_report=row.last_heard,
        is_reporting=is_reporting,
        not_reporting_since=None if is_reporting else row.last_heard,
        terminals_online=row.terminals_online,
        terminals_total=row.terminals_total,
        people=row.people,
        punches=row.punches,
    )


def terminal_view(row: Said, *, is_stale: bool) -> TerminalStatus:
    """One terminal, as its place reported it."""
    return TerminalStatus.model_validate({**row.body, "place": row.place_id, "as_of": row.as_of, "is_stale": is_stale})


def person_view(row: Told) -> GatewayPerson:
    """One person at one place."""
    last: datetime | None = row.last_punch
    return GatewayPerson(place=row.place_id, pin=row.pin, name=row.name, terminals=list(row.terminals), last_punch=last)
