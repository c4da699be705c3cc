"""Gives the gateway's own log of checkpoints to witnesses outside the operator's hands (security-design L6).

c2sp.org/tlog-witness. Whoever holds the gateway's disk and key can write its past anew; a witness that has seen the log
before does not cosign another one, and keeps what it was shown.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import structlog

from biometric_flow.gateway.store import checkpoints, outside
from biometric_flow.ledger.errors import LedgerError, NoteRefused
from biometric_flow.ledger.merkle import consistency
from biometric_flow.ledger.note import KeyKind, Note, PublicKey
from biometric_flow.ledger.witnessing import (
    MAX_ANSWER,
    SeenFurther,
    Submission,
    WitnessRefused,
    cosignatures,
    seen_size,
)
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.errors import SettingsInvalid

log = structlog.get_logger()

ANSWER_SECONDS: Final = 20.0
"""A witness answers a whole request within this time, or was not reached."""
READY_SECONDS: Final = 1.0


class WitnessUnreachable(LedgerError):
    """A witness did not answer, or not in a way that means anything."""

    code = "ledger.witness_unreachable"
    retryable = True


@dataclass(frozen=True, slots=True)
class OutsideWitness:
    """Somebody who is asked: the key that verifies their cosignatures, and the address before `/add-checkpoint`."""

    key: PublicKey
    url: str


def read_witnesses(file: Path) -> list[OutsideWitness]:
    """Lines `witness <name> <vkey> <url>` as in a C2SP tlog-policy; others that such a file may hold are passed over.

    Raises SettingsInvalid.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{file}: expected a readable list of witnesses, got: {error}") from None
    found: list[OutsideWitness] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split() if line.startswith("#") else line.split()
        if not words or words[0] in ("log", "group", "quorum"):
            continue
        try:
            if words[0] != "witness" or len(words) != 4 or not words[3].startswith(("https://", "http://")):
                raise ValueError(f"expected `witness <name> <vkey> <url>`, got {line[:80]!r}")
            key = PublicKey.parse(words[2])
            if key.kind is not KeyKind.COSIGNATURE:
                raise ValueError(f"expected a key for cosignatures, got {key}")
        except (ValueError, LedgerError) as error:
            raise SettingsInvalid(f"{file}: line {number}: {error}") from None
        found.append(OutsideWitness(key, words[3].rstrip("/")))
    return found


class OutsideWitnesses:
    """One supervised task for all tenants and witnesses."""

    def __init__(
        self,
        database: Database,
        tenants: Sequence[TenantId],
        witnesses: Sequence[OutsideWitness],
        clock: Clock,
        every: timedelta,
    ) -> None:
        self._database, self._tenants, self._witnesses, self._clock = database, tenants, witnesses, clock
        self._every = every

    async def run(self) -> None:
        """Until cancelled: show every witness what is new, whatever becomes of the others."""
        is_configured = False
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, follow_redirects=False) as http:
            while True:
                while not self._database.is_ready:
                    await self._clock.sleep(READY_SECONDS)
                try:
                    if not is_configured:
                        await self._configure()
                        is_configured = True
                    for tenant in self._tenants:
                        await asyncio.gather(*(self._show(http, tenant, one) for one in self._witnesses))
                except BiometricFlowError as error:
                    log.warning("witnesses_wait", reason=str(error))
                except Exception:
                    log.exception("witnesses_failed")
                await self._clock.sleep(self._every.total_seconds())

    async def _configure(self) -> None:
        told = [(str(one.key), one.url) for one in self._witnesses]
        for tenant in self._tenants:
            async with self._database.tenant(tenant) as connection:
                await outside.configure(connection, tenant, told, self._clock.now())

    async def _show(self, http: httpx2.AsyncClient, tenant: TenantId, witness: OutsideWitness) -> None:
        """Have the last checkpoint cosigned, once, and keep what came of it."""
        failure, is_contradiction = "", False
        try:
            await self._have_cosigned(http, tenant, witness)
        except (WitnessUnreachable, NoteRefused) as error:
            failure = str(error)
            log.warning("witness_not_reached", witness=witness.key.name, tenant=tenant, reason=failure)
        except WitnessRefused as error:
            failure = str(error)
            is_contradiction = error.status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
            log.error("witness_refused", witness=witness.key.name, tenant=tenant, reason=failure)
        async with self._database.tenant(tenant) as connection:
            now = self._clock.now()
            await outside.tried(connection, str(witness.key), now, failure[:500], is_contradiction=is_contradiction)

    async def _have_cosigned(self, http: httpx2.AsyncClient, tenant: TenantId, witness: OutsideWitness) -> None:
        async with self._database.tenant(tenant) as connection:
            old, kept = await outside.last(connection, str(witness.key))
            size, text = await checkpoints.own_log(connection, tenant)
        if not text or (size == old and Note.parse(text).text == Note.parse(kept).text):
            return
        for _ in range(2):
            if old > size:
                raise WitnessRefused(
                    HTTPStatus.CONFLICT,
                    f"{witness.key.name} has cosigned {old} leaves of this log, the gateway holds {size}: it was put"
                    " back from an older copy, or its past was written anew",
                )
            note = Note.parse(text)
            try:
                cosigned = await self._ask(http, tenant, witness, old, size, note)
            except SeenFurther as refused:
                if refused.size == old:
                    raise
                old = refused.size
                continue
            async with self._database.tenant(tenant) as connection:
                await outside.keep(connection, tenant, str(witness.key), size, str(cosigned), self._clock.now())
            log.info("checkpoint_witnessed", witness=witness.key.name, tenant=tenant, size=size)
            return
        raise WitnessUnreachable(f"{witness.key.name} does not say the same twice of how far it has seen this log")

    async def _ask(
        self, http: httpx2.AsyncClient, tenant: TenantId, witness: OutsideWitness, old: int, size: int, note: Note
    ) -> Note:
        async with self._database.tenant(tenant) as connection:
            tree = checkpoints.Tree(connection, tenant, checkpoints.OWN_LOG)
            proof = await tree.hashes(consistency(old, size), size) if 0 < old < size else []
        body = str(Submission(old, tuple(proof), note))
        try:
            status, answer = await asyncio.wait_for(_post(http, f"{witness.url}/add-checkpoint", body), ANSWER_SECONDS)
        except (httpx2.HTTPError, TimeoutError, UnicodeDecodeError) as error:
            raise WitnessUnreachable(f"{witness.url} did not answer: {error or type(error).__name__}") from None
        if status == HTTPStatus.OK:
            return cosignatures(answer, note, witness.key)
        seen = seen_size(answer) if status == HTTPStatus.CONFLICT else None
        if seen is not None:
            raise SeenFurther(seen)
        if status in (400, 403, 404, 409, 422):
            raise WitnessRefused(HTTPStatus(status), answer.strip()[:300] or f"{witness.key.name} does not cosign")
        raise WitnessUnreachable(f"{witness.url} answered {status}")


async def _post(http: httpx2.AsyncClient, url: str, body: str) -> tuple[int, str]:
    async with http.stream("POST", url, content=body.encode(), headers={"Content-Type": "text/plain"}) as answer:
        content = b""
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER:
                raise httpx2.DecodingError(f"expected an answer of at most {MAX_ANSWER} bytes, got more")
    return answer.status_code, content.decode("utf-8")
