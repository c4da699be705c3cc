"""Values that many tests need, each with plain defaults."""

from datetime import UTC, datetime, timedelta

from biometric_flow.ledger.events import PersonEnrolled
from biometric_flow.model.ids import Pin, TenantId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch, clock_text, punch_id

MOMENT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TENANT = TenantId("demo")
GATE = TerminalSerial("CAI0001")


def person(pin: str, name: str = "Amina Hassan", terminal: TerminalSerial = GATE) -> PersonEnrolled:
    return PersonEnrolled(terminal, Pin(pin), int(pin), name, 0, 0, MOMENT)


def punch(
    pin: str = "7",
    instant: datetime = MOMENT,
    state: int = 0,
    terminal: TerminalSerial = GATE,
    channel: Channel = Channel.PULL,
    offset: timedelta = timedelta(hours=2),
    tenant: TenantId = TENANT,
) -> Punch:
    local = (instant + offset).replace(tzinfo=None)
    return Punch(
        id=punch_id(tenant, terminal, Pin(pin), clock_text(local), state),
        terminal=terminal,
        pin=Pin(pin),
        local_time=local,
        instant=instant,
        state=state,
        verify=1,
        work_code=0,
        drift=timedelta(milliseconds=1500),
        received_at=instant + timedelta(seconds=1),
        channel=channel,
    )
