"""Send ledger entries to the gateway after the acknowledged position, and say how the place is; both outbound."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import structlog

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable, UplinkClient
from biometric_flow.api.gateway import PlaceReport
from biometric_flow.api.place import LedgerEntry
from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import Note, PublicKey
from biometric_flow.place.errors import RestoredFromOlderCopy
from biometric_flow.place.reader import PlaceReader
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.witnesses import check_cosigned
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

LinkState = Literal["connected", "unreachable", "refused", "not_configured"]
RETRY_MAX_SECONDS = 15.0
CONTRADICTIONS = ("ledger.chain_broken", "ledger.checkpoint_refused", "ledger.log_ended")
"""Answers of a gateway that holds another history of this ledger."""


class Uplink:
    """Drains the outbox whenever the gateway can be reached. The gateway's answer is the truth about what it holds."""

    def __init__(
        self,
        client: UplinkClient,
        settings: PlaceSettings,
        reader: PlaceReader,
        store: PlaceStore,
        writer: Writer,
        clock: Clock,
        report: Callable[[], PlaceReport],
        ledger_key: PublicKey,
    ) -> None:
        self._client, self._settings, self._clock = client, settings, clock
        self._reader, self._store, self._writer = reader, store, writer
        self._make_report, self._ledger_key = report, ledger_key
        self._gateway_key = PublicKey.parse(settings.gateway_key) if settings.gateway_key else None
        self._entries_waiting = asyncio.Event()
        self._report_due = asyncio.Event()
        self.state: LinkState = "unreachable"
        self.since: datetime = clock.now()
        self.acknowledged = 0
        self.refusal = ""
        """Why the gateway refuses this place, in its own words or in ours; empty while it does not."""
        self.forgotten = ""
        """What the gateway cosigned once and did not hold any more, empty when that never was."""
        self._has_sent = False

    def entries_waiting(self) -> None:
        """New entries are in the outbox."""
        self._entries_waiting.set()

    def report_due(self) -> None:
        """Something changed that the gateway should hear of now."""
        self._report_due.set()

    async def run_uploads(self) -> None:
        """Upload for ever: resume at the gateway's position, then send what is newer, in order."""
        attempt = 0
        while True:
            try:
                await self._upload_from(await self._client.position())
            except (GatewayUnreachable, GatewayProblem, RestoredFromOlderCopy, LedgerError) as error:
                is_refusal = not error.retryable
                self._turn("refused" if is_refusal else "unreachable")
                self.refusal = str(error) if is_refusal else ""
                if isinstance(error, RestoredFromOlderCopy) or getattr(error, "code", "") in CONTRADICTIONS:
                    await self._halt(str(error))
                log.warning("upload_failed", state=self.state, reason=str(error))
                attempt = 0 if self._has_sent else attempt + 1
            except Exception:
                log.exception("uplink_failed")
                attempt += 1
            await self._clock.sleep(_retry_after(attempt))

    async def run_reports(self) -> None:
        """Report for ever: at each change, and every few seconds."""
        while True:
            self._report_due.clear()
            try:
                await self._client.report(self._make_report())
            except (GatewayUnreachable, GatewayProblem) as error:
                log.debug("report_failed", reason=str(error))
            except Exception:
                log.exception("report_failed")
            try:
                await asyncio.wait_for(self._report_due.wait(), self._settings.report_seconds)
            except TimeoutError:
                continue
            # A burst of changes, such as a whole log read, becomes one report.
            await self._clock.sleep(0.2)

    async def _upload_from(self, position: int) -> None:
        self._has_sent = False
        await self._acknowledged(position)
        while True:
            self._entries_waiting.clear()
            entries = self._reader.entries(position, self._settings.upload_batch)
            if not entries:
                await self._show_checkpoint(position)
                await self._wait_for_entries()
                continue
            position = await self._client.upload(position, [wire(entry) for entry in entries])
            self._has_sent = True
            await self._acknowledged(position)

    async def _show_checkpoint(self, position: int) -> None:
        """Have the last checkpoint cosigned, once the gateway holds all that it covers."""
        signed = self._reader.tree.newest()
        if signed is None or signed.is_cosigned or signed.size > position:
            return
        shown = await self._client.checkpoint(str(signed.note), str(self._ledger_key))
        believed = await self._writer.call(
            self._store.witness_key, PublicKey.parse(shown.key), self._gateway_key, self._clock.now()
        )
        answer = check_cosigned(signed, Note.parse(shown.note), self._ledger_key, believed)
        await self._writer.call(self._store.keep_cosigned, signed.size, answer)

    async def _wait_for_entries(self) -> None:
        """Idle links are checked too, so that `connected` stays true to the facts."""
        try:
            await asyncio.wait_for(self._entries_waiting.wait(), self._settings.keepalive_seconds)
        except TimeoutError:
            await self._client.position()

    async def _acknowledged(self, position: int) -> None:
        head = self._reader.head()
        if position > head:
            raise RestoredFromOlderCopy(
                f"the gateway holds {position} entries of this place, the place only {head}: "
                "it was restored from an older copy; nothing is uploaded until an operator decides"
            )
        self._doubt(position)
        self._turn("connected")
        self.refusal = ""
        self.acknowledged = position
        await self._writer.call(self._store.acknowledge, position)

    def _doubt(self, position: int) -> None:
        """A gateway that holds less than it has vouched for was put back from an older copy; it gets the rest again."""
        newest = self._reader.tree.newest_cosigned()
        if newest is None or position >= newest.size or self.forgotten:
            return
        self.forgotten = (
            f"the gateway cosigned {newest.size} entries of this place and holds only {position}: it was put back from"
            " an older copy, and gets the rest again; see whether somebody wanted that"
        )
        log.error("gateway_forgot", cosigned=newest.size, held=position)

    async def _halt(self, reason: str) -> None:
        """Two histories of this ledger exist: nothing may be added to this one until an operator has decided."""
        try:
            if await self._writer.call(self._store.halt.begin, reason, self._clock.now()):
                log.error("ledger_halted", reason=reason)
        except sqlite3.Error as error:
            log.error("halt_not_kept", reason=str(error))

    def _turn(self, state: LinkState) -> None:
        if state != self.state:
            self.state, self.since = state, self._clock.now()
            log.info("uplink_turned", state=state)


def wire(entry: SealedEntry) -> LedgerEntry:
    """An entry as it travels."""
    return LedgerEntry.model_construct(
        sequence=entry.sequence, leaf=entry.leaf, record=entry.record, opening=entry.opening
    )


def _retry_after(attempt: int) -> float:
    ceiling = min(RETRY_MAX_SECONDS, 0.5 * 2.0 ** min(attempt, 10))
    return float(ceiling) * (0.5 + random.random() / 2)  # noqa: S311 - jitter, not a secret
