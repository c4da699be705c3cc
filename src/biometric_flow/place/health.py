"""What is known of each terminal right now, and the one word that says it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from biometric_flow.api.place import Capacity, Counters, TerminalIdentity, TerminalView
from biometric_flow.model.terminal import TerminalState
from biometric_flow.place.findings import Facts, Incident, findings
from biometric_flow.place.identity import Identity, differences
from biometric_flow.place.roster import RosterEntry


@dataclass(frozen=True, slots=True)
class Condition:
    """One terminal's last known condition. Frozen: each change makes a new one."""

    since: datetime
    """When it last went online, or was lost, or was blocked, or was switched off."""
    is_connected: bool = False
    is_blocked: bool = False
    reason: str = ""
    model: str = ""
    firmware: str = ""
    platform: str = ""
    last_contact: datetime | None = None
    drift: timedelta | None = None
    capacity: Capacity = field(default_factory=Capacity)
    asked_for_comm_key: bool | None = None
    told: Identity | None = None
    """What it said it is, at the last connect."""
    latency: timedelta | None = None
    """How long its answer to a short question took."""
    alarms: Mapping[str, int] = field(default_factory=dict)
    """How often each kind of alarm rang since this process started."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """How often it was lost or blocked since this process started, by the error's code."""


def state_of(entry: RosterEntry, condition: Condition, now: datetime, offline_after: timedelta) -> TerminalState:
    """The word for a terminal: a lost one is `late` at first and `offline` when it stays away."""
    if not entry.is_enabled:
        return TerminalState.DISABLED
    if condition.is_blocked:
        return TerminalState.BLOCKED
    if condition.is_connected:
        return TerminalState.ONLINE
    if now - condition.since >= offline_after:
        return TerminalState.OFFLINE
    return TerminalState.LATE if entry.serial else TerminalState.NEW


class Health:
    """The conditions of all terminals. `changed` is called with the key after each change a person would see."""

    def __init__(self, offline_after: timedelta, changed: Callable[[str], None]) -> None:
        self._conditions: dict[str, Condition] = {}
        self._offline_after = offline_after
        self._changed = changed

    def condition(self, key: str, now: datetime) -> Condition:
        """What is known of a terminal; a fresh condition when nothing is."""
        return self._conditions.setdefault(key, Condition(since=now))

    def contacted(self, key: str, now: datetime, **facts: object) -> None:
        """It answered, and said these things of itself."""
        before = self.condition(key, now)
        after = replace(before, last_contact=now, **facts)  # type: ignore[arg-type]
        self._conditions[key] = after
        if replace(after, last_contact=before.last_contact, drift=before.drift, latency=before.latency) != before:
            self._changed(key)

    def online(self, key: str, now: datetime) -> None:
        """It is connected and caught up."""
        self._turn(key, now, is_connected=True, is_blocked=False, reason="")

    def lost(self, key: str, now: datetime, reason: str, code: str) -> None:
        """It cannot be reached; trying again."""
        self._count(key, now, code)
        self._turn(key, now, is_connected=False, is_blocked=False, reason=reason)

    def blocked(self, key: str, now: datetime, reason: str, code: str) -> None:
        """It answers, but not as it should; an operator must act."""
        self._count(key, now, code)
        self._turn(key, now, is_connected=False, is_blocked=True, reason=reason)

    def switched(self, key: str, now: datetime) -> None:
        """It was switched on or off, or its settings changed."""
        self._conditions[key] = replace(
            self.condition(key, now), since=now, is_connected=False, is_blocked=False, reason=""
        )
        self._changed(key)

    def noted(self, key: str) -> None:
        """Something else than its condition changed that a person would see."""
        self._changed(key)

    def rang(self, key: str, now: datetime, kind: str) -> None:
        """An alarm rang."""
        before = self.condition(key, now)
        alarms = {**before.alarms, kind: before.alarms.get(kind, 0) + 1}
        self._conditions[key] = replace(before, alarms=alarms)

    def _count(self, key: str, now: datetime, code: str) -> None:
        before = self.condition(key, now)
        errors = {**before.errors, code: before.errors.get(code, 0) + 1}
        self._conditions[key] = replace(before, errors=errors)

    def _turn(self, key: str, now: datetime, *, is_connected: bool, is_blocked: bool, reason: str) -> None:
        before = self.condition(key, now)
        is_same = (before.is_connected, before.is_blocked) == (is_connected, is_blocked)
        after = replace(
            before,
            is_connected=is_connected,
            is_blocked=is_blocked,
            reason=reason,
            since=before.since if is_same else now,
        )
        self._conditions[key] = after
        if after != before:
            self._changed(key)

    def view(
        self,
        entry: RosterEntry,
        now: datetime,
        counters: tuple[int, int, int, int],
        last_punch: datetime | None,
        incidents: Sequence[Incident],
    ) -> TerminalView:
        """The terminal as the place's API shows it. `counters` are received, accepted, quarantined, duplicate."""
        condition = self.condition(entry.key, now)
        received, accepted, quarantined, duplicate = counters
        counted = Counters(received=received, accepted=accepted, quarantined=quarantined, duplicate=duplicate)
        facts = Facts(bool(entry.comm_key), condition.asked_for_comm_key, condition.drift, condition.capacity, counted)
        state = state_of(entry, condition, now, self._offline_after)
        since = condition.since
        if state is TerminalState.OFFLINE and condition.last_contact:
            since = condition.last_contact
        return TerminalView(
            key=entry.key,
            name=entry.name,
            host=entry.host,
            port=entry.port,
            is_enabled=entry.is_enabled,
            state=state,
            state_since=since,
            reason=condition.reason,
            serial=entry.serial,
            model=condition.model,
            firmware=condition.firmware,
            platform=condition.platform,
            last_contact=condition.last_contact,
            last_punch=last_punch,
            drift_ms=None if condition.drift is None else round(condition.drift / timedelta(milliseconds=1)),
            has_comm_key=bool(entry.comm_key),
            protocol=entry.protocol,
            may_push=bool(entry.push_secret),
            clock=entry.clock,
            clock_above_seconds=entry.clock_above_seconds,
            attlog_layout=entry.attlog_layout,
            unlock_unit=entry.unlock_unit,
            unconfirmed=_unconfirmed(entry, condition),
            counters=counted,
            capacity=condition.capacity,
            findings=findings(facts, incidents),
        )


def _unconfirmed(entry: RosterEntry, condition: Condition) -> TerminalIdentity | None:
    if condition.told is None or not condition.is_blocked or not differences(entry.identity, condition.told):
        return None
    return TerminalIdentity.model_validate(condition.told)
