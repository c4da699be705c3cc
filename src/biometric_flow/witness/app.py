"""The witness as a process: `POST /add-checkpoint`, its key and what it has seen, over HTTP."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.ledger.note import Checkpoint, Cosigner, PublicKey
from biometric_flow.ledger.witnessing import (
    MAX_REQUEST,
    SIZE_TYPE,
    SeenFurther,
    Submission,
    WitnessRefused,
    check,
)
from biometric_flow.runtime.clock import Clock, SystemClock
from biometric_flow.runtime.logging import configure_logging
from biometric_flow.runtime.process import bind, hold, serve, usable_folder
from biometric_flow.runtime.signing import signing_key
from biometric_flow.witness.seen import Seen

log = structlog.get_logger()

KEY_FILE: Final = "witness-key.pem"
STATE_FILE: Final = "witness.sqlite3"
_BODY_SECONDS: Final = 20.0
_CONTRADICTS: Final = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


class Witness:
    """Cosigns what continues what it cosigned before."""

    def __init__(
        self, name: str, key: Ed25519PrivateKey, trusted: Sequence[PublicKey], seen: Seen, clock: Clock
    ) -> None:
        self._cosigner, self._trusted, self._seen, self._clock = Cosigner(name, key), trusted, seen, clock
        self._turn = asyncio.Lock()

    @property
    def key(self) -> PublicKey:
        """What verifies its cosignatures."""
        return self._cosigner.public

    async def add_checkpoint(self, request: Request) -> Response:
        """C2SP add-checkpoint: the cosignature line, or 400, 403, 404, 409 with the size seen, 413, 422."""
        try:
            body = await asyncio.wait_for(_body(request), _BODY_SECONDS)
            async with self._turn:
                line = await asyncio.to_thread(self._cosign, Submission.parse(body))
        except SeenFurther as refused:
            return PlainTextResponse(f"{refused.size}\n", HTTPStatus.CONFLICT, media_type=SIZE_TYPE)
        except WitnessRefused as refused:
            return PlainTextResponse(f"{refused.why}\n", refused.status)
        except StorageUnavailable as error:
            log.error("witness_storage_failed", reason=str(error))
            return PlainTextResponse(f"{error}\n", HTTPStatus.SERVICE_UNAVAILABLE)
        except TimeoutError:
            return PlainTextResponse("the request did not come in time\n", HTTPStatus.REQUEST_TIMEOUT)
        return PlainTextResponse(line)

    async def read_key(self, _request: Request) -> Response:
        """The public key, a line."""
        return PlainTextResponse(f"{self.key}\n")

    async def read_checkpoint(self, request: Request) -> Response:
        """The last checkpoint of `?origin=`, as log and witness signed it: keep it, and compare."""
        async with self._turn:
            note = self._seen.note(request.query_params.get("origin", ""))
        return PlainTextResponse(str(note)) if note else PlainTextResponse("no such log\n", HTTPStatus.NOT_FOUND)

    def _cosign(self, submission: Submission) -> str:
        now = self._clock.now()
        with self._seen.turn():
            origin = submission.note.text.partition("\n")[0]
            try:
                shown = check(submission, self._seen.last(origin), self._trusted)
            except SeenFurther:
                raise
            except WitnessRefused as refused:
                if refused.status not in _CONTRADICTS:
                    raise
                self._seen.refuse(origin, submission.note, str(refused), now)
                log.error("second_history", origin=origin, reason=str(refused))
                refusal = refused
            else:
                return self._kept(submission, shown, now)
        raise refusal

    def _kept(self, submission: Submission, shown: Checkpoint, now: datetime) -> str:
        signature = self._cosigner.cosign(submission.note.text, int(now.timestamp()))
        known = [one for one in submission.note.signatures if one.name == shown.origin]
        note = replace(submission.note, signatures=tuple(known)).with_signature(signature)
        self._seen.keep(shown.origin, note, now)
        return signature.line()


def create_app(witness: Witness) -> ASGIApp:
    """The witness as an ASGI app."""
    return Starlette(
        routes=[
            Route("/add-checkpoint", witness.add_checkpoint, methods=["POST"]),
            Route("/key", witness.read_key, methods=["GET"]),
            Route("/checkpoint", witness.read_checkpoint, methods=["GET"]),
        ]
    )


def run(folder: Path, name: str, trusted: Sequence[PublicKey], host: str, port: int) -> int:
    """Serve until told to stop. Raises StartRefused."""
    configure_logging("witness")
    usable_folder(folder)
    listener, lock = bind(host, port, "--port"), hold(folder)
    seen = Seen(folder / STATE_FILE)
    witness = Witness(name, signing_key(folder / KEY_FILE), trusted, seen, SystemClock())
    log.info("witness_started", key=str(witness.key), logs=[key.name for key in trusted])
    try:
        serve(create_app(witness), listener)
    finally:
        seen.close()
        lock.close()
    return 0


async def _body(request: Request) -> str:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_REQUEST:
            raise WitnessRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MAX_REQUEST} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise WitnessRefused(HTTPStatus.BAD_REQUEST, "expected UTF-8") from None
