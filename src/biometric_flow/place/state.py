"""What the operations of one place use, handed to them per request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends, Request

from biometric_flow.api.place import TerminalView
from biometric_flow.ledger.note import PublicKey
from biometric_flow.model.place import Place
from biometric_flow.place.biometrics.caretaker import Caretaker
from biometric_flow.place.biometrics.courier import Courier
from biometric_flow.place.biometrics.texts import ConsentTexts
from biometric_flow.place.blobs import Blobs
from biometric_flow.place.collector import Collectors
from biometric_flow.place.enrolments import Enrolments
from biometric_flow.place.examiner import Examined, Examiner
from biometric_flow.place.feed import Feed
from biometric_flow.place.halt import WHAT_TO_DO, Halt
from biometric_flow.place.health import Health
from biometric_flow.place.incidents import Incidents
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.key_rotation import KeyRotation
from biometric_flow.place.push.tables import WorkCodes
from biometric_flow.place.reader import PlaceReader
from biometric_flow.place.retention_keeper import RetentionKeeper
from biometric_flow.place.rollout_runner import RolloutRunner
from biometric_flow.place.rollouts import Rollouts
from biometric_flow.place.roster import Roster, RosterEntry
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.place.uplink import LinkState, Uplink
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.backup_drill import DrillTask
from biometric_flow.runtime.backup_task import BackupTask
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.key_store import KeyStore


@dataclass(slots=True)
class PlaceState:
    """The objects that `create_app` built."""

    place: Place
    settings: PlaceSettings
    started_at: datetime
    clock: Clock
    roster: Roster
    incidents: Incidents
    jobs: Jobs
    blobs: Blobs
    rollouts: Rollouts
    rollout_runner: RolloutRunner
    enrolments: Enrolments
    collectors: Collectors
    health: Health
    writer: Writer
    reader: PlaceReader
    feed: Feed
    uplink: Uplink | None
    ledger_key: PublicKey
    halt: Halt
    examiner: Examiner
    keys: KeyStore
    biometrics: Caretaker
    courier: Courier
    work_codes: WorkCodes
    retention: RetentionKeeper
    texts: ConsentTexts
    rotation: KeyRotation
    backups: Sequence[BackupTask | DrillTask]

    @property
    def halted(self) -> str:
        """Why nothing is taken into the ledger, and what to do; empty when all is."""
        return f"{self.halt.reason}; {WHAT_TO_DO}" if self.halt.reason else ""

    @property
    def examined(self) -> Examined | None:
        """What the last look at the whole ledger found."""
        return self.examiner.last

    def terminal_views(self) -> list[TerminalView]:
        """All terminals as they are now, by key."""
        now, counters, last = self.clock.now(), self.reader.counters(), self.reader.last_punches()
        return [
            self.health.view(
                entry,
                now,
                counters.get(entry.serial, (0, 0, 0, 0)),
                last.get(entry.serial),
                self.incidents.of(entry.key),
            )
            for entry in self.roster
        ]

    def terminal_view(self, entry: RosterEntry) -> TerminalView:
        """One terminal as it is now."""
        return self.health.view(
            entry,
            self.clock.now(),
            self.reader.counters_of(entry.serial),
            self.reader.last_punch_of(entry.serial),
            self.incidents.of(entry.key),
        )

    @property
    def link(self) -> tuple[LinkState, datetime, int]:
        """State of the link to the gateway, since when, and the acknowledged position."""
        if self.uplink is None:
            return "not_configured", self.started_at, 0
        return self.uplink.state, self.uplink.since, self.uplink.acknowledged

    @property
    def backup_trouble(self) -> str:
        """What is wrong with backups and rehearsals of a restore; empty when all is well."""
        found = (one.trouble(self.clock.now()) for one in self.backups)
        return "; ".join(one.text for one in found if one is not None)

    @property
    def gateway_reason(self) -> str:
        """Why the gateway refuses this place, or what it has forgotten of it."""
        return "" if self.uplink is None else self.uplink.refusal or self.uplink.forgotten


def _of_request(request: Request) -> PlaceState:
    return cast("PlaceState", request.app.state.place)


State = Annotated[PlaceState, Depends(_of_request)]
