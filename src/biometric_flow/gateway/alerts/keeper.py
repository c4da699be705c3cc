"""Looks after alerts: what is wrong, who has to hear of it, and that it arrives."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.alerts.channels import ChannelInvalid, Couriers, NotDelivered
from biometric_flow.gateway.alerts.machine import Notice, Quiet, Rules, advance, not_before, tell
from biometric_flow.gateway.alerts.signals import OpenedSeal, Process, signals
from biometric_flow.gateway.attention import RefusedNote, WitnessWord, attention
from biometric_flow.gateway.overview import REFUSED_SHOWN
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import alerts, break_glass, checkpoints, grants, outside, places, terminals
from biometric_flow.gateway.store.words import Said
from biometric_flow.gateway.views import place_view, terminal_view
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable

log = structlog.get_logger()

LEASE: Final = timedelta(minutes=1)
FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(hours=1)
GIVEN_UP: Final = timedelta(days=1)
TOGETHER: Final = 20
"""Messages for one channel that are sent as one, after a night or an outage."""

Inside = Callable[[TenantId], Awaitable[Process]]
"""What this process itself knows to be wrong."""


class AlertKeeper:
    """One task per process; of several, one at a time looks at a tenant, and each message is one's to send."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        inside: Inside,
        couriers: Couriers,
        clock: Clock,
        every: float,
        rules: Rules = Rules(),  # noqa: B008 - frozen
    ) -> None:
        self._database, self._registry, self._inside, self._couriers = database, registry, inside, couriers
        self._clock, self._every, self._rules = clock, every, rules

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._every)
            try:
                for tenant, _ in self._registry.tenants():
                    await self.look(TenantId(tenant.id))
                    await self.deliver(TenantId(tenant.id))
            except DatabaseUnavailable:
                continue
            except Exception:
                log.exception("alerts_failed")

    async def look(self, tenant: TenantId) -> None:
        """Bring a tenant's alerts up to date, and put what is to be told into the outbox."""
        now, process = self._clock.now(), await self._inside(tenant)
        async with self._database.tenant(tenant) as connection:
            if not await alerts.is_my_turn(connection, tenant):
                return
            rows = await places.listed(connection)
            known = [place_view(row, is_reporting=self._registry.is_reporting(row.last_heard, now)) for row in rows]
            reported = [terminal_view(row, is_stale=False) for row in await terminals.listed(connection)]
            refused = await checkpoints.last_refused(connection, now - REFUSED_SHOWN)
            notes = [RefusedNote(row.place_id, row.reason, row.received_at) for row in refused]
            asked = await outside.witnesses(connection)
            words = [
                WitnessWord(
                    row.witness.partition("+")[0], row.failure, is_refusal=True, since=row.reached_at or row.since
                )
                for row in asked
                if row.is_contradiction
            ]
            seals = await _opened_seals(connection)
            wrong = signals(attention(known, reported, notes, words), known, process, now, seals)
            before = await alerts.still_open(connection)
            after, notice = advance(before, wrong, now, self._rules), None
            channels = [one for one in await alerts.channels(connection) if one.is_enabled]
            if channels:
                after, notice = tell(after, now, self._rules)
            await alerts.save(connection, tenant, after)
            if notice is not None:
                for channel in channels:
                    due = not_before(quiet_of(channel), now, is_urgent=notice.is_urgent)
                    await alerts.put(connection, tenant, channel.name, notice, now, due)

    async def deliver(self, tenant: TenantId) -> None:
        """Send what is due, all of a channel as one message; what fails is tried again, for a day."""
        async with self._database.tenant(tenant) as connection:
            due = await alerts.claim(connection, self._clock.now(), LEASE)
        for _channel, found in groupby(due, key=lambda row: row.channel):
            rows = list(found)[:TOGETHER]
            await self._send(tenant, rows)

    async def _send(self, tenant: TenantId, rows: Sequence[Said]) -> None:
        notice, ids = _joined(rows), [row.message_id for row in rows]
        failure = ""
        try:
            await self._couriers.send(rows[0].url, notice.title, notice.body)
        except (NotDelivered, ChannelInvalid) as error:
            failure = str(error)
        now = self._clock.now()
        async with self._database.tenant(tenant) as connection:
            if not failure or now - rows[0].created_at > GIVEN_UP:
                await alerts.delivered(connection, ids)
            else:
                await alerts.failed(connection, ids, failure[:300], now + _wait(rows[0].attempts))
        if failure:
            log.warning("alert_not_delivered", tenant=tenant, channel=rows[0].channel, reason=failure[:300])


async def _opened_seals(connection: AsyncConnection) -> list[OpenedSeal]:
    rows = await break_glass.not_reviewed(connection)
    names = {str(row.account_id): row.email for row in await grants.accounts(connection)} if rows else {}
    return [
        OpenedSeal(
            str(row.opening_id),
            names.get(str(row.account_id), "an account that is gone"),
            names.get(row.opened_by, "an account that is gone"),
            row.ends_at,
        )
        for row in rows
    ]


def quiet_of(channel: Said) -> Quiet | None:
    """A channel's quiet hours."""
    if channel.quiet is None:
        return None
    begins, ends = (time.fromisoformat(channel.quiet[name]) for name in ("begins", "ends"))
    return Quiet(begins, ends, channel.quiet["zone"])


def _joined(rows: Sequence[Said]) -> Notice:
    if len(rows) == 1:
        return Notice(rows[0].title, rows[0].body, is_urgent=False)
    parts = (f"{_told(row.created_at)}\n{row.body}" for row in rows)
    return Notice(f"{rows[-1].title} ({len(rows)} messages)", "\n\n".join(parts), is_urgent=False)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _wait(attempts: int) -> timedelta:
    wait: timedelta = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(max(attempts - 1, 0), 20))
    return wait
