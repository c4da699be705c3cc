"""What everything that works on one terminal shares with the rest of its place."""

from dataclasses import dataclass
from pathlib import Path

from biometric_flow.ledger.note import PublicKey
from biometric_flow.model.place import Place
from biometric_flow.place.alarms import Alarms
from biometric_flow.place.biometrics.courier import Courier
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.blobs import Blobs
from biometric_flow.place.enrolments import Enrolments
from biometric_flow.place.findings import Incident
from biometric_flow.place.health import Health
from biometric_flow.place.incidents import Incidents
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.roster import Roster, RosterEntry
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.key_store import KeyStore


@dataclass(frozen=True, slots=True)
class Workplace:
    """The objects of `create_app` that collectors use."""

    place: Place
    settings: PlaceSettings
    store: PlaceStore
    writer: Writer
    health: Health
    incidents: Incidents
    alarms: Alarms
    jobs: Jobs
    blobs: Blobs
    enrolments: Enrolments
    file: Path
    """The place's database, for checks that read what is on the disk."""
    clock: Clock
    roster: Roster
    keys: KeyStore
    vault: Vault
    courier: Courier
    ledger_key: PublicKey
    """What its own checkpoints are signed with."""

    async def change_entry(self, key: str, **facts: object) -> RosterEntry:
        """Keep what was found out about a terminal."""
        return await self.writer.call(lambda: self.roster.learn(key, **facts))

    async def note(self, key: str, code: str, text: str) -> None:
        """Keep an incident of a terminal, and tell whoever watches."""
        await self.writer.call(self.incidents.note, key, Incident(code, text, self.clock.now()))
        self.health.noted(key)
