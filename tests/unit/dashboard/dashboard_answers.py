"""Gateway answers to draw, with every field changeable."""

from datetime import UTC, datetime
from typing import Any

from biometric_flow.api.gateway import GatewayPunch, Kpis, TerminalStatus

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def kpis(**changes: Any) -> Kpis:
    values: dict[str, Any] = {
        "as_of": NOW,
        "present": 31,
        "seen_today": 41,
        "people": 52,
        "punches_today": 1204,
        "usual_seen": 44.0,
        "seen_trend": [40, 41],
        "terminals_online": 6,
        "terminals_total": 6,
        "missing": [],
    }
    return Kpis.model_validate(values | changes)


def punch(**changes: Any) -> GatewayPunch:
    values: dict[str, Any] = {
        "id": "a" * 64,
        "terminal": "CJ9X2012345",
        "pin": "17",
        "local_time": datetime(2026, 11, 23, 11, 30, 5),
        "instant": datetime(2026, 11, 23, 9, 30, 5, tzinfo=UTC),
        "state": 0,
        "verify": 1,
        "work_code": 0,
        "drift_ms": 0,
        "received_at": datetime(2026, 11, 23, 9, 30, 6, tzinfo=UTC),
        "channel": "live",
        "place": "cairo",
        "zone": "Africa/Cairo",
        "name": "Amina Hassan",
        "terminal_name": "Main gate",
        "position": 7,
    }
    return GatewayPunch.model_validate(values | changes)


def terminal(**changes: Any) -> TerminalStatus:
    values: dict[str, Any] = {
        "key": "gate-1",
        "name": "Main gate",
        "host": "10.0.3.7",
        "port": 4370,
        "is_enabled": True,
        "state": "online",
        "state_since": NOW,
        "serial": "CJ9X2012345",
        "place": "cairo",
        "as_of": NOW,
        "is_stale": False,
    }
    return TerminalStatus.model_validate(values | changes)
