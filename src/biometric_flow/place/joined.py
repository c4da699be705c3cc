"""With what a place proves itself to its gateway: its own key since it joined, or the shared secret of a demo."""

import asyncio
import base64
import os
import secrets
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable, UplinkClient, place_headers
from biometric_flow.identity.place_requests import NONCE_BYTES, prove, sign_head, target_of
from biometric_flow.model.place import Place
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.signing import signing_key

log = structlog.get_logger()

LINK_KEY: Final = "link-key.pem"
NEXT_KEY: Final = f"next-{LINK_KEY}"
"""A key that the gateway may believe already: it takes the place of the first once that was heard."""
UNAUTHENTICATED: Final = 401
LOOK_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 5.0
"""A change whose answer was lost is finished soon; the gateway may have taken the next key already."""


class Signing(httpx2.Auth):
    """Signs every request with the place's key."""

    requires_request_body = True

    def __init__(self, place: Place, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._place, self.key, self._clock = place, key, clock

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Put the signature over the whole request into its head."""
        target = target_of(request.url.raw_path.decode("ascii"))
        request.headers["Authorization"] = self.head(request.method, target, request.content)
        yield request

    def head(self, method: str, target: str, body: bytes = b"") -> str:
        """The value of the Authorization header for one request."""
        place, nonce = self._place, secrets.token_bytes(NONCE_BYTES)
        return sign_head(self.key, place.tenant, place.id, method, target, body, self._clock.now(), nonce)


class Proof:
    """What the clients of the gateway are given. `signing` is None where a demo shows a secret."""

    def __init__(self, place: Place, folder: Path, credential: str | Signing) -> None:
        self.place, self.folder, self.credential = place, folder, credential

    @property
    def signing(self) -> Signing | None:
        """What signs, if something does."""
        return None if isinstance(self.credential, str) else self.credential

    def headers(self, path: str) -> dict[str, str]:
        """The head of the handshake that opens the link."""
        if isinstance(self.credential, str):
            return place_headers(self.credential)
        return {"Authorization": self.credential.head("GET", target_of(path))}


def proof_of(settings: PlaceSettings, place: Place, folder: Path, clock: Clock) -> Proof | None:
    """The key of a place that joined, else the secret of its settings; None for a place that works alone.

    One that has a gateway and did not join yet collects all the same: punches do not wait for an administrator.
    """
    if settings.gateway_url is None:
        return None
    if (folder / LINK_KEY).exists():
        return Proof(place, folder, Signing(place, signing_key(folder / LINK_KEY), clock))
    if settings.gateway_credential is not None:
        return Proof(place, folder, settings.gateway_credential.get_secret_value())
    log.error("place_not_joined", what_to_do=f"run `biometric-flow join --place {place.id}`, then start it again")
    return None


class LinkKeyTask:
    """Changes to the next key when the present one is old; what was cut short is finished at the next look."""

    def __init__(self, proof: Proof, client: UplinkClient, lasts: timedelta, clock: Clock) -> None:
        self._proof, self._client, self._lasts, self._clock = proof, client, lasts, clock

    async def run(self) -> None:
        """Until cancelled."""
        signing = self._proof.signing
        while signing is not None:
            pause = min(LOOK_SECONDS, self._lasts.total_seconds() / 2)
            try:
                await self._look(signing)
            except (GatewayProblem, GatewayUnreachable, OSError, StartRefused) as error:
                log.warning("link_key_not_changed", reason=str(error))
                pause = min(pause, RETRY_SECONDS)
            await self._clock.sleep(pause)

    async def _look(self, signing: Signing) -> None:
        current, following = (self._proof.folder / name for name in (LINK_KEY, NEXT_KEY))
        made = datetime.fromtimestamp(current.stat().st_mtime, UTC)
        was_begun = following.exists()
        if not was_begun and self._clock.now() - made < self._lasts:
            return
        key = await asyncio.to_thread(signing_key, following)
        try:
            await self._change_to(key)
        except GatewayProblem as problem:
            if not was_begun or problem.status != UNAUTHENTICATED:
                raise
            # An answer was lost and then the line, for longer than the present key counts beside the next one.
            before, signing.key = signing.key, key
            try:
                await self._change_to(key)
            except BaseException:
                signing.key = before
                raise
        await asyncio.to_thread(os.replace, following, current)
        signing.key = key
        log.info("link_key_changed")

    async def _change_to(self, key: Ed25519PrivateKey) -> None:
        place = self._proof.place
        await self._client.change_key(public_text(key), prove(key, f"{place.tenant}/{place.id}"))


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half of a key as it travels."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


Ask = Callable[[dict[str, str]], None]


def join(folder: Path, place: str, token: str, ask: Ask) -> None:
    """Make a key, have `ask` send what the gateway needs, and keep the key once it was believed."""
    following = folder / NEXT_KEY
    key = signing_key(following)
    ask({"token": token, "place": place, "key": public_text(key), "proof": prove(key, f"{place}\n{token}")})
    os.replace(following, folder / LINK_KEY)
