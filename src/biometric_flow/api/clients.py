"""Typed clients of the gateway: for people's programs (async and blocking) and for places."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from biometric_flow.api.biometrics import ConsentReport
from biometric_flow.api.corrections import CorrectionOrder, CorrectionOrders
from biometric_flow.api.erasures import NobodyThere
from biometric_flow.api.gateway import (
    Acknowledged,
    CheckpointUpload,
    CosignedCheckpoint,
    DecidedLog,
    EntriesUpload,
    GatewayHealth,
    GatewayPunch,
    GatewayPunchPage,
    Me,
    Overview,
    PersonPage,
    PlaceReport,
    PlaceView,
    PunchCount,
    TerminalStatus,
    Token,
)
from biometric_flow.api.joining import Joined, KeyChange
from biometric_flow.api.place import LedgerEntry
from biometric_flow.api.problems import Problem
from biometric_flow.api.retention import PrivacyOrders

TIMEOUT: Final = httpx2.Timeout(10.0, connect=3.0)
STREAM_TIMEOUT: Final = httpx2.Timeout(10.0, connect=3.0, read=25.0)
"""The gateway says something at least every ten seconds; a stream that is silent for longer is dead."""

UPLOAD_TIMEOUT: Final = httpx2.Timeout(30.0, connect=3.0)
MAX_EVENT: Final = 1024 * 1024
MAX_UPLOAD: Final = 1024 * 1024
"""Bytes of leaves, records and openings in one upload; with base64 this stays below what the gateway reads."""

_FILE_NAME: Final = re.compile(r'filename="([A-Za-z0-9._-]+)"')

T = TypeVar("T")
Query = Mapping[str, str | int | None]


class GatewayError(Exception):
    """The root: no answer that can be used. `retryable` says whether asking again can help."""

    retryable = True


class GatewayUnreachable(GatewayError):
    """The gateway did not answer, or what answered is not a gateway."""


class GatewayProblem(GatewayError):
    """The gateway answered with a problem document; programs decide by its stable `code`."""

    def __init__(
        self,
        code: str,
        detail: str,
        status: int,
        retryable: bool,
        request_id: str,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(f"{detail} ({code}, request {request_id})")
        self.code, self.detail, self.status = code, detail, status
        self.retryable, self.request_id, self.more = retryable, request_id, more


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event. `id` is empty for events that a resumed stream does not repeat."""

    id: str
    event: str
    data: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file as the gateway sent it."""

    content: bytes
    media_type: str
    name: str
    """What the gateway calls it; empty where it gave no name."""


class GatewayClient:
    """The gateway for a program with an event loop; each call names the access token, so one client serves many.

    Every method raises GatewayProblem or GatewayUnreachable.
    """

    def __init__(self, base_url: str, timeout: httpx2.Timeout = TIMEOUT) -> None:
        # trust_env: a proxy for the outside world must not see tokens on their way to a neighbour.
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=timeout, trust_env=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def health(self) -> GatewayHealth:
        """How the gateway is."""
        return await self.ask(GatewayHealth, "GET", "/health")

    async def sign_in(self, email: str, password: str) -> Token:
        """Tokens for e-mail and password; GatewayProblem `access.code_needed` has the `ticket` for `second_step`."""
        return await self.ask(Token, "POST", "/v1/auth/token", json=_password_grant(email, password))

    async def second_step(self, ticket: str, code: str) -> Token:
        """Tokens for a code of the second factor, or a recovery code."""
        return await self.ask(Token, "POST", "/v1/auth/token", json=_code_grant(ticket, code))

    async def refresh(self, refresh_token: str) -> Token:
        """The next pair of tokens; the given refresh token is used up."""
        return await self.ask(Token, "POST", "/v1/auth/token", json=_refresh_grant(refresh_token))

    async def sign_out(self, token: str) -> None:
        """End the sign-in that this token descends from, with its refresh tokens."""
        try:
            response = await self._http.post("/v1/auth/sign-out", headers=_bearer(token))
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if not response.is_success:
            _refuse(response)

    async def me(self, token: str) -> Me:
        """Who is signed in."""
        return await self.ask(Me, "GET", "/v1/me", token)

    async def end_log(self, token: str, place: str, key: str, reason: str) -> DecidedLog:
        """Have it decided that a place may begin another log, which `key` will sign."""
        order = {"key": key, "reason": reason}
        return await self.ask(DecidedLog, "POST", f"/v1/places/{place}/logs", token, json=order)

    async def overview(self, token: str) -> Overview:
        """Everything the overview page shows."""
        return await self.ask(Overview, "GET", "/v1/overview", token)

    async def places(self, token: str) -> list[PlaceView]:
        """All places."""
        return await self.ask(list[PlaceView], "GET", "/v1/places", token)

    async def terminals(self, token: str, **query: str | int | None) -> list[TerminalStatus]:
        """Terminals; may be restricted by `place` and `state`."""
        return await self.ask(list[TerminalStatus], "GET", "/v1/terminals", token, query)

    async def pins(self, token: str, **query: str | int | None) -> PersonPage:
        """One page of PINs; may be restricted by `q`, `place` and `unheld`."""
        return await self.ask(PersonPage, "GET", "/v1/pins", token, query)

    async def punches(self, token: str, **query: str | int | None) -> GatewayPunchPage:
        """One page of punches; filters as the API document names them (`from` as `from_`)."""
        return await self.ask(GatewayPunchPage, "GET", "/v1/punches", token, query)

    async def latest_punches(self, token: str, places: Sequence[str], limit: int) -> list[GatewayPunch]:
        """The newest punches of these places, or of all when none is named, newest first."""
        pages = [await self.punches(token, place=place, limit=limit) for place in places or (None,)]
        found = [punch for page in pages for punch in page.items]
        return sorted(found, key=lambda punch: (punch.instant, punch.position), reverse=True)[:limit]

    async def punch_count(self, token: str, **query: str | int | None) -> PunchCount:
        """How many punches match."""
        return await self.ask(PunchCount, "GET", "/v1/punches/count", token, query)

    async def stream(
        self, token: str, last_id: str | None = None, topics: str | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        """Events as they happen, without end; after `last_id` when given. Ends by raising when the link breaks.

        `topics` are those that are wanted, comma-separated; the gateway's usual ones when left out.
        """
        headers = {**_bearer(token), "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            async with self._http.stream(
                "GET", "/v1/stream", params=_given({"topics": topics}), headers=headers, timeout=STREAM_TIMEOUT
            ) as response:
                if response.status_code != 200:
                    await response.aread()
                    _refuse(response)
                async for event in read_events(response.aiter_bytes()):
                    yield event
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise _unreachable(error) from error

    async def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        token: str | None = None,
        query: Query | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> T:
        """Any operation of the gateway's API, its answer read as `kind`."""
        try:
            response = await self._http.request(
                method, path, params=_given(query), headers=_bearer(token), json=json, content=content
            )
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        return _read(kind, response)

    async def order(self, method: str, path: str, token: str | None, json: Any = None) -> None:
        """Any operation that answers without a body."""
        try:
            response = await self._http.request(method, path, headers=_bearer(token), json=json)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if not response.is_success:
            _refuse(response)

    async def download(self, path: str, token: str, query: Query | None = None) -> Download:
        """An answer that is a file or a text, as its bytes."""
        try:
            response = await self._http.request("GET", path, params=_given(query), headers=_bearer(token))
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if not response.is_success:
            _refuse(response)
        named = _FILE_NAME.search(response.headers.get("content-disposition", ""))
        media_type = response.headers.get("content-type", "application/octet-stream")
        return Download(response.content, media_type, named.group(1) if named else "")


class BlockingGatewayClient:
    """The gateway for a script: signs in once and keeps the tokens. Raises GatewayProblem or GatewayUnreachable."""

    def __init__(self, base_url: str, token: str | None = None, timeout: httpx2.Timeout = TIMEOUT) -> None:
        self._http = httpx2.Client(base_url=base_url, timeout=timeout, trust_env=False)
        self._token = token
        self._refresh_token: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def health(self) -> GatewayHealth:
        """How the gateway is."""
        return self.ask(GatewayHealth, "GET", "/health")

    def sign_in(self, email: str, password: str, code: str = "") -> Token:
        """Sign in with e-mail and password, and a code where there is a second factor, for the calls that follow."""
        try:
            return self._keep(self.ask(Token, "POST", "/v1/auth/token", json=_password_grant(email, password)))
        except GatewayProblem as error:
            if error.code != "access.code_needed" or not code:
                raise
            grant = _code_grant(str(error.more.get("ticket", "")), code)
        return self._keep(self.ask(Token, "POST", "/v1/auth/token", json=grant))

    def refresh(self, refresh_token: str | None = None) -> Token:
        """Trade the refresh token for the next pair."""
        given = refresh_token or self._refresh_token or ""
        return self._keep(self.ask(Token, "POST", "/v1/auth/token", json=_refresh_grant(given)))

    def me(self) -> Me:
        """Who is signed in."""
        return self.ask(Me, "GET", "/v1/me")

    def overview(self) -> Overview:
        """Everything the overview page shows."""
        return self.ask(Overview, "GET", "/v1/overview")

    def places(self) -> list[PlaceView]:
        """All places."""
        return self.ask(list[PlaceView], "GET", "/v1/places")

    def terminals(self, **query: str | int | None) -> list[TerminalStatus]:
        """Terminals; may be restricted by `place` and `state`."""
        return self.ask(list[TerminalStatus], "GET", "/v1/terminals", query)

    def pins(self, **query: str | int | None) -> PersonPage:
        """One page of PINs; may be restricted by `q`, `place` and `unheld`."""
        return self.ask(PersonPage, "GET", "/v1/pins", query)

    def punches(self, **query: str | int | None) -> GatewayPunchPage:
        """One page of punches; filters as the API document names them (`from` as `from_`)."""
        return self.ask(GatewayPunchPage, "GET", "/v1/punches", query)

    def punch_count(self, **query: str | int | None) -> PunchCount:
        """How many punches match."""
        return self.ask(PunchCount, "GET", "/v1/punches/count", query)

    def _keep(self, token: Token) -> Token:
        self._token, self._refresh_token = token.access_token, token.refresh_token
        return token

    def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        query: Query | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """The answer to any operation of the API document, read as `kind`."""
        signed = {**_bearer(self._token), **(headers or {})}
        try:
            response = self._http.request(
                method, path, params=_given(query), headers=signed, json=json, content=content
            )
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        return _read(kind, response)


class UplinkClient:
    """The gateway for one place: upload its ledger, say how it is. Raises GatewayProblem or GatewayUnreachable.

    `credential` is what signs its requests, or the shared secret of a demo.
    """

    def __init__(
        self,
        base_url: str,
        place: str,
        credential: str | httpx2.Auth,
        log: int = 1,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._log = log
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            timeout=UPLOAD_TIMEOUT,
            trust_env=False,
            headers=place_headers(credential) if isinstance(credential, str) else {},
            auth=None if isinstance(credential, str) else credential,
            transport=transport,
        )
        self._path = f"/v1/places/{place}"

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def position(self) -> int:
        """How far the gateway holds this log of the place."""
        return _read(Acknowledged, await self._send("GET", f"/position?log={self._log}")).position

    async def upload(self, after: int, entries: Sequence[LedgerEntry]) -> int:
        """Send entries that follow a position, as many of them as one request takes; returns the position then held."""
        upload = EntriesUpload.model_construct(after=after, entries=list(within(entries, MAX_UPLOAD)), log=self._log)
        return _read(Acknowledged, await self._send("POST", "/entries", upload.model_dump_json())).position

    async def checkpoint(self, note: str, key: str) -> CosignedCheckpoint:
        """Show a signed checkpoint; returns it with the gateway's cosignature, and the key that this is by."""
        shown = CheckpointUpload(note=note, key=key).model_dump_json()
        return _read(CosignedCheckpoint, await self._send("PUT", "/checkpoint", shown))

    async def corrections(self, after: int) -> list[CorrectionOrder]:
        """Approved corrections that this place has not recorded yet, behind a position."""
        return _read(CorrectionOrders, await self._send("GET", f"/corrections?after={after}")).items

    async def privacy_orders(self) -> PrivacyOrders:
        """The tenant's retention policies and holds, and whose employment has ended."""
        return _read(PrivacyOrders, await self._send("GET", "/privacy"))

    async def tell_consent(self, report: ConsentReport) -> None:
        """Say what people signed at this place, and in which words."""
        await self._send("PUT", "/consent", report.model_dump_json())

    async def nobody_there(self, erasure: str, pin: str) -> None:
        """Say that this place knows nobody with a PIN that it was to erase."""
        said = NobodyThere(erasure=erasure, pin=pin).model_dump_json()
        await self._send("POST", "/privacy/nobody", said)

    async def change_key(self, key: str, proof: str) -> Joined:
        """Go on with another key; the one that signs this request counts for one more day."""
        return _read(Joined, await self._send("POST", "/keys", KeyChange(key=key, proof=proof).model_dump_json()))

    async def report(self, report: PlaceReport) -> None:
        """Say how the place and its terminals are."""
        await self._send("PUT", "/report", report.model_dump_json(exclude=None if report.backup else {"backup"}))

    async def _send(self, method: str, path: str, body: str | None = None) -> httpx2.Response:
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            response = await self._http.request(method, self._path + path, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if not response.is_success:
            _refuse(response)
        return response


def place_headers(credential: str) -> dict[str, str]:
    """With what a place proves itself to the gateway."""
    return _bearer(credential if credential.startswith("bfp_") else f"bfp_{credential}")


def within(entries: Sequence[LedgerEntry], limit: int) -> Sequence[LedgerEntry]:
    """The first entries that together stay within a number of bytes; one at least, if there is one."""
    total = 0
    for count, entry in enumerate(entries):
        total += len(entry.leaf) + len(entry.record) + len(entry.opening)
        if total > limit and count > 0:
            return entries[:count]
    return entries


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[StreamEvent]:
    """Server-sent events in a stream of bytes; comments are skipped. Raises GatewayUnreachable for endless lines.

    Lines end at LF only: names may hold other line separators that `str.splitlines` would break at.
    """
    buffer = b""
    fields: dict[str, str] = {}
    async for chunk in chunks:
        buffer += chunk
        if len(buffer) > MAX_EVENT:
            raise GatewayUnreachable(f"expected events of at most {MAX_EVENT} bytes, got more without an end")
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.decode("utf-8", "replace").partition(":")
                if name:
                    value = value.removeprefix(" ")
                    fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            elif fields:
                yield StreamEvent(fields.get("id", ""), fields.get("event", "message"), fields.get("data", ""))
                fields = {}


def _password_grant(email: str, password: str) -> dict[str, str]:
    return {"grant_type": "password", "email": email, "password": password}


def _code_grant(ticket: str, code: str) -> dict[str, str]:
    return {"grant_type": "code", "ticket": ticket, "code": code}


def _refresh_grant(refresh_token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def _given(query: Query | None) -> dict[str, str]:
    return {name.rstrip("_"): str(value) for name, value in (query or {}).items() if value is not None}


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _read(kind: type[T], response: httpx2.Response) -> T:
    if not response.is_success:
        _refuse(response)
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValidationError as error:
        raise GatewayUnreachable(
            f"expected a gateway's answer at {response.url.path}, got {error.error_count()} errors"
        ) from error


def _refuse(response: httpx2.Response) -> NoReturn:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        raise GatewayUnreachable(
            f"expected a gateway at {response.url.copy_with(path='/', query=None)}, got status {response.status_code}"
        ) from None
    raise GatewayProblem(
        problem.code, problem.detail, problem.status, problem.retryable, problem.request_id, problem.model_extra or {}
    )


def _unreachable(error: Exception) -> GatewayUnreachable:
    return GatewayUnreachable(f"the gateway cannot be reached: {type(error).__name__} {error}".strip())
