"""Carries out what must go and holds back what must stay: erasures asked for, retention, what the gateway orders."""

from datetime import timedelta
from typing import Final

import structlog

from biometric_flow.api.clients import GatewayError, UplinkClient
from biometric_flow.api.privacy import ErasureDone
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.model.ids import Pin
from biometric_flow.place.biometrics.caretaker import Caretaker
from biometric_flow.place.biometrics.errors import ReleaseUnknown
from biometric_flow.place.biometrics.teller import ConsentTeller
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.errors import ErasureWaits, PersonUnknown
from biometric_flow.place.push.archive import UploadArchive
from biometric_flow.place.retention import Retention
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

BY_POLICY: Final = "retention policy"
OVER: Final = "kept for as long as the policy says"


class RetentionKeeper:
    """The one way by which people are erased at a place, and the task that looks for what is due."""

    def __init__(
        self,
        retention: Retention,
        erasures: Erasures,
        archive: UploadArchive,
        caretaker: Caretaker,
        writer: Writer,
        clock: Clock,
        gateway: UplinkClient | None,
        teller: ConsentTeller | None,
        look_every: timedelta,
    ) -> None:
        self.retention = retention
        self._erasures, self._archive, self._caretaker = erasures, archive, caretaker
        self._writer, self._clock = writer, clock
        self._gateway, self._teller, self._look_every = gateway, teller, look_every

    async def erase(self, pin: Pin, by: str, reason: str, erasure: bytes | None = None) -> ErasureDone:
        """Erase a person, or say what stays, why and until when, and do it then. Templates go in any case.

        Raises PersonUnknown, ErasureWaits, StorageUnavailable.
        """
        now = self._clock.now()
        stays = await self._writer.call(self.retention.stays, pin, now)
        if stays:
            templates = await self._end_release(pin, "withdrawn, an erasure was asked for")
            await self._writer.call(self.retention.wait, pin, by, reason, now, erasure)
            return ErasureDone(erasure="", entries=0, rows=0, uploads=0, templates=templates, stays=stays)
        await self._writer.call(self._erasures.check, pin)
        uploads = await self._archive.forget_person(pin)
        done = await self._writer.call(self._erasures.erase, pin, by, reason, now, erasure)
        await self._writer.call(self._erasures.finish)
        await self._writer.call(self.retention.done, pin)
        return ErasureDone(
            erasure=done.erasure, entries=done.entries, rows=done.rows, uploads=uploads, templates=0, stays=[]
        )

    async def run(self) -> None:
        """Look for what is due, for ever."""
        while True:
            try:
                await self.look()
            except LedgerError as error:
                log.error("retention_waits", reason=str(error))
            except Exception:
                log.exception("retention_failed")
            await self._clock.sleep(self._look_every.total_seconds())

    async def look(self) -> None:
        """One round. Raises StorageUnavailable."""
        await self._ask_gateway()
        now = self._clock.now()
        wanted = {pin: (by, why, at) for pin, by, why, at in await self._writer.call(self.retention.waiting)}
        over = dict.fromkeys(await self._writer.call(self.retention.over, now), (BY_POLICY, OVER, None))
        for pin, (by, reason, erasure) in (over | wanted).items():
            try:
                done = await self.erase(pin, by, reason, erasure) if pin in wanted else await self._let_go(pin)
            except PersonUnknown:
                await self._nobody(pin, erasure)
            except ErasureWaits as error:
                log.info("erasure_waits", reason=str(error))
            else:
                if done is not None and done.erasure:
                    log.info("person_erased", erasure=done.erasure, asked=pin in wanted)
        if gone := await self._writer.call(self.retention.purge, now):
            log.info("rows_purged", rows=gone)
        if self._teller is not None:
            await self._teller.tell()

    async def _let_go(self, pin: Pin) -> ErasureDone | None:
        """Erase whom the policy does not keep any longer, unless something holds them."""
        if await self._writer.call(self.retention.stays, pin, self._clock.now()):
            return None
        await self._end_release(pin, "nobody punched for as long as the policy keeps hours")
        return await self.erase(pin, BY_POLICY, OVER)

    async def _ask_gateway(self) -> None:
        if self._gateway is None:
            return
        try:
            orders = await self._gateway.privacy_orders()
        except GatewayError as error:
            log.info("privacy_orders_unknown", reason=str(error))
            return
        await self._writer.call(self.retention.take, orders)
        for pin in orders.left:
            if await self._writer.call(self._caretaker.vault.release_of, pin):
                await self._end_release(Pin(pin), "employment_ended, as the gateway knows")
        for one in orders.erase:
            erasure = bytes.fromhex(one.erasure)
            if not await self._writer.call(self._erasures.is_done, Pin(one.pin), erasure):
                await self._end_release(Pin(one.pin), "withdrawn, an erasure was asked for")
                await self._writer.call(
                    self.retention.wait, Pin(one.pin), one.by, one.reason, self._clock.now(), erasure
                )

    async def _nobody(self, pin: Pin, erasure: bytes | None) -> None:
        if erasure is not None and self._gateway is not None:
            try:
                await self._gateway.nobody_there(erasure.hex(), pin)
            except GatewayError as error:
                log.info("erasure_not_told", reason=str(error))
                return
        await self._writer.call(self.retention.done, pin)

    async def _end_release(self, pin: Pin, reason: str) -> int:
        try:
            return (await self._caretaker.end(pin, reason))[0]
        except ReleaseUnknown:
            return 0
