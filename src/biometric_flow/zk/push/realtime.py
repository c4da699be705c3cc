"""Security PUSH: door events as they happen and the state of doors (zk-push-protocol 6.5, 6.6, 6.9)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.attlog import read_time
from biometric_flow.zk.push.text import Fields, Lines, decode_text, read_fields, read_lines, value_text, whole_number
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.timecode import TIME_MAX, TerminalTime

VERIFY_BITS: Final = 0x1_0000
"""Added to a verify mode that came as a bit string, so that it is never mistaken for a small number."""

NO_STATE: Final = 255
_STATES: Final = {"0": 0, "1": 1, "2": NO_STATE}
_METHODS: Final = {1: "face", 2: "palm", 4: "finger", 9: "password", 10: "id", 11: "card"}

_DOORS: Final = ("none", "closed", "open", "none")

DOOR_ALARMS: Final = (
    "forced open", "tamper", "duress password", "duress finger", "held open", "mains", "battery", "reader tamper",
)  # fmt: skip
"""The bits of a door's alarm byte, lowest first."""


class EventKind(StrEnum):
    """What an event number means for attendance."""

    GRANTED = "granted"
    """0-19, 200-253, 4000-4999: somebody was let in, or the terminal did something normal."""
    REFUSED = "refused"
    """20-99, 5000-5999: it carries a real PIN and is no punch all the same."""
    ALARM = "alarm"
    """100-199, 6000-6999."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RealtimeEvent:
    """One event of a door, from rtlog or from the transaction table."""

    time: TerminalTime
    event: int
    pin: str
    """Empty when nobody is meant (`pin=0`)."""
    card: str = ""
    door: str = ""
    state: int = NO_STATE
    """0 in, 1 out, 255 none."""
    verify: int = 0
    """A small number as in ATTLOG, or VERIFY_BITS + the bits; see `verify_methods`."""
    index: str = ""
    raw: bytes = b""

    @property
    def kind(self) -> EventKind:
        """Granted, refused, alarm or other."""
        return event_kind(self.event)

    @property
    def punch(self) -> AttlogRecord | None:
        """The attendance row of a granted event of a person; None for everything else."""
        if self.kind is not EventKind.GRANTED or not self.pin:
            return None
        return AttlogRecord(0, self.pin, self.verify, self.state, self.time, 0, self.raw)

    def line(self) -> str:
        """The rtlog line a terminal sends. Raises ValueError for values that cannot stand there."""
        state = next(text for text, number in _STATES.items() if number == self.state)
        verify = f"{self.verify - VERIFY_BITS:016b}" if self.verify >= VERIFY_BITS else str(self.verify)
        values = {
            "time": self.time.text().replace("T", " "), "pin": self.pin or "0", "cardno": self.card, "sitecode": "0",
            "linkid": "0", "eventaddr": self.door, "event": self.event, "inoutstatus": state, "verifytype": verify,
            "index": self.index, "maskflag": "255", "temperature": "255",
        }  # fmt: skip
        return "\t".join(f"{key}={value_text(value, key)}" for key, value in values.items())

    def row(self) -> str:
        """The row of the transaction table of this event, as the answer to a query. Raises ValueError."""
        state = next(text for text, number in _STATES.items() if number == self.state)
        verify = f"{self.verify - VERIFY_BITS:016b}" if self.verify >= VERIFY_BITS else str(self.verify)
        values = {
            "cardno": self.card, "pin": self.pin or "0", "verified": verify, "doorid": self.door,
            "eventtype": self.event, "inoutstate": state, "time_second": int(self.time), "index": self.index,
        }  # fmt: skip
        return "transaction " + "\t".join(f"{key}={value_text(value, key)}" for key, value in values.items())


@dataclass(frozen=True, slots=True)
class DoorState:
    """The doors of a terminal at one moment, by its own clock."""

    time: TerminalTime
    doors: tuple[str, ...]
    """`none`, `closed` or `open` for each door."""
    relays: tuple[bool, ...]
    alarms: tuple[tuple[str, ...], ...]
    """For each door the alarms that are on, see DOOR_ALARMS."""

    def line(self) -> str:
        """The rtstate line a terminal sends; doors are filled up to four, relays to eight."""
        sensor, relay = bytearray(-(-len(self.doors) // 4)), bytearray(-(-len(self.relays) // 8))
        for number, door in enumerate(self.doors):
            sensor[number // 4] |= _DOORS.index(door) << 2 * (number % 4)
        for number, is_on in enumerate(self.relays):
            relay[number // 8] |= is_on << number % 8
        alarm = bytes(sum(1 << DOOR_ALARMS.index(name) for name in alarms) for alarms in self.alarms)
        time = self.time.text().replace("T", " ")
        return f"time={time}\tsensor={sensor.hex().upper()}\trelay={relay.hex().upper()}\talarm={alarm.hex().upper()}"


def read_rtlog(body: bytes) -> Lines[RealtimeEvent]:
    """The events of an rtlog upload. Raises ProtocolViolation for a body beyond all bounds."""
    return read_lines(body, lambda line: event_of(read_fields(decode_text(line)), line))


def read_rtstate(body: bytes) -> Lines[DoorState]:
    """The states of an rtstate upload. Raises ProtocolViolation for a body beyond all bounds."""
    return read_lines(body, lambda line: _state_of(read_fields(decode_text(line))))


def event_of(fields: Fields, raw: bytes) -> RealtimeEvent:
    """An rtlog line or a row of the transaction table. Raises ProtocolViolation."""
    if seconds := fields.first("time_second"):
        time = TerminalTime(whole_number(seconds, "a time", TIME_MAX))
    else:
        time = read_time(fields.first("time"))
    pin = fields.first("pin").strip()
    if len(pin) > 24 or not pin.isprintable():
        raise ProtocolViolation(f"expected a PIN of at most 24 printable characters, got {pin[:40]!r}")
    return RealtimeEvent(
        time=time,
        event=whole_number(fields.first("event", "eventtype"), "an event", 65_535),
        pin="" if pin == "0" else pin,
        card=fields.first("cardno")[:24],
        door=fields.first("eventaddr", "doorid")[:16],
        state=_STATES.get(fields.first("inoutstatus", "inoutstate"), NO_STATE),
        verify=read_verify(fields.first("verifytype", "verified")),
        index=fields.first("index")[:24],
        raw=raw,
    )


def event_kind(event: int) -> EventKind:
    """What an event number means (zk-push-protocol 6.5)."""
    if event <= 19 or 200 <= event <= 253 or 4000 <= event <= 4999:
        return EventKind.GRANTED
    if event <= 99 or 5000 <= event <= 5999:
        return EventKind.REFUSED
    if event <= 199 or 6000 <= event <= 6999:
        return EventKind.ALARM
    return EventKind.OTHER


def read_verify(text: str) -> int:
    """A verify mode: a small number, or 16 binary digits, never read as decimal. Raises ProtocolViolation."""
    if len(text) == 16 and not text.strip("01"):
        return VERIFY_BITS + int(text, 2)
    return whole_number(text, "a verify mode", VERIFY_BITS - 1, 0)


def verify_methods(verify: int) -> tuple[str, ...]:
    """What a verify mode of bits stands for, such as `("face", "card")`; empty for a small number."""
    if verify < VERIFY_BITS:
        return ()
    return tuple(name for bit, name in _METHODS.items() if verify >> bit & 1)


def _state_of(fields: Fields) -> DoorState:
    try:
        sensor, relay, alarm = (bytes.fromhex(fields.first(name) or "00") for name in ("sensor", "relay", "alarm"))
    except ValueError:
        raise ProtocolViolation("expected sensor, relay and alarm in hexadecimal digits, got others") from None
    if max(len(sensor), len(relay), len(alarm)) > 64:
        raise ProtocolViolation("expected the state of at most 64 doors, got more")
    doors = [_DOORS[byte >> shift & 3] for byte in sensor for shift in (0, 2, 4, 6)]
    return DoorState(
        time=read_time(fields.first("time")),
        doors=tuple(doors),
        relays=tuple(bool(byte >> bit & 1) for byte in relay for bit in range(8)),
        alarms=tuple(tuple(name for bit, name in enumerate(DOOR_ALARMS) if byte >> bit & 1) for byte in alarm),
    )
