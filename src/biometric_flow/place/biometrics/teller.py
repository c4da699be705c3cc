"""Tells the gateway what people signed here and in which words, whenever that has changed."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from biometric_flow.api.biometrics import Consent, ConsentReport, ConsentText, ReleaseView
from biometric_flow.api.clients import GatewayError
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.biometrics.texts import ConsentTexts
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

RELEASES: Final = 200
"""Of one message; with texts it stays below what the gateway reads."""


class ConsentTeller:
    """Remembers what was told since the start; the first time it tells everything."""

    def __init__(
        self,
        place: PlaceId,
        vault: Vault,
        texts: ConsentTexts,
        writer: Writer,
        clock: Clock,
        send: Callable[[ConsentReport], Awaitable[None]],
    ) -> None:
        self._place, self._vault, self._texts = place, vault, texts
        self._writer, self._clock, self._send = writer, clock, send
        self._told: dict[int, Consent] | None = None
        self._told_texts: set[tuple[str, str]] = set()

    async def tell(self) -> None:
        """Send what is new or changed. A gateway that does not answer is told the next time."""
        releases = {one.number: one for one in await self._writer.call(self._releases)}
        texts = [one for one in await self._writer.call(self._texts.all) if _name(one) not in self._told_texts]
        known = self._told or {}
        new = [one for number, one in releases.items() if known.get(number) != one]
        if self._told is not None and not texts and not new and known.keys() == releases.keys():
            return
        try:
            for text in texts:
                await self._send(ConsentReport(releases=[], texts=[text], numbers=None))
            for some in _steps(new):
                await self._send(ConsentReport(releases=some, texts=[], numbers=None))
            numbers = sorted(releases)
            await self._send(ConsentReport(releases=[], texts=[], numbers=numbers))
        except GatewayError as error:
            log.info("consent_not_told", reason=str(error))
            return
        self._told = releases
        self._told_texts |= {_name(one) for one in texts}

    def _releases(self) -> list[Consent]:
        now, shown = self._clock.now(), [name for name in ReleaseView.model_fields if name != "is_in_force"]
        return [
            Consent(
                **{name: getattr(one, name) for name in shown},
                is_in_force=one.is_in_force(now),
                place=self._place,
                pin=one.pin,
            )
            for one in self._vault.every_release()
        ]


def _name(text: ConsentText) -> tuple[str, str]:
    return text.version, text.language


def _steps(releases: list[Consent]) -> list[list[Consent]]:
    return [releases[start : start + RELEASES] for start in range(0, len(releases), RELEASES)]
