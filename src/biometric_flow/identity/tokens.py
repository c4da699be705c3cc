"""Access tokens: JWT by RFC 8725 and RFC 9068, Ed25519 only; and opaque secrets that are stored as digests."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import extract_compact

from biometric_flow.identity.errors import TokenRefused

ALGORITHM: Final = "Ed25519"
TYPE: Final = "at+jwt"
TICKET_TYPE: Final = "biometric-flow-ticket+jwt"
TICKET_LIFETIME: Final = timedelta(minutes=5)
MAX_CHARACTERS: Final = 2048
_HEADERS: Final = {"alg", "typ", "kid"}
_SPOKEN: Final = "the access token is not valid here; sign in again"


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says about its bearer."""

    account: str
    tenant: str
    session: str
    """The sign-in that it descends from."""
    expires_at: datetime
    token_id: str


class AccessTokens:
    """Issues and checks the access tokens of one issuer. Pure but for the random token id."""

    def __init__(self, key: OKPKey, issuer: str, audience: str, lifetime: timedelta) -> None:
        self._issuer, self._audience, self.lifetime = issuer, audience, lifetime
        self.use([key])

    def use(self, keys: Sequence[OKPKey]) -> None:
        """Sign with the first of these keys from now on, and believe what any of them signed."""
        self._keys = {key.thumbprint(): key for key in keys}
        self._key_id, self._key = next(iter(self._keys.items()))

    def published(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517), the signing one first."""
        facts = {"use": "sig", "alg": ALGORITHM}
        return {"keys": [{**key.as_dict(private=False), "kid": name, **facts} for name, key in self._keys.items()]}

    def issue(self, account: str, tenant: str, session: str, now: datetime) -> str:
        """A signed token that ends after the lifetime."""
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._key_id}
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": account,
            "tenant": tenant,
            "sid": session,
            "iat": issued,
            "exp": issued + int(self.lifetime.total_seconds()),
            "jti": str(uuid4()),
        }
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def issue_ticket(self, account: str, tenant: str, now: datetime) -> str:
        """A signed word that somebody knew the password of an account, good for five minutes and for nothing alone."""
        header = {"alg": ALGORITHM, "typ": TICKET_TYPE, "kid": self._key_id}
        ends = int(now.timestamp()) + int(TICKET_LIFETIME.total_seconds())
        claims = {"iss": self._issuer, "sub": account, "tenant": tenant, "exp": ends}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def verify_ticket(self, ticket: str, now: datetime) -> tuple[str, str]:
        """Account and tenant of a ticket of ours that is not over. Raises TokenRefused."""
        claims = self._opened(ticket, TICKET_TYPE)
        account, tenant, ends = (claims.get(name) for name in ("sub", "tenant", "exp"))
        is_ours = claims.get("iss") == self._issuer and isinstance(account, str) and isinstance(tenant, str)
        if not is_ours or type(ends) is not int or now.timestamp() >= ends:
            raise TokenRefused(_SPOKEN)
        return str(account), str(tenant)

    def verify(self, token: str, now: datetime) -> Claims:
        """The claims of a token of ours that is not over. Raises TokenRefused, which never says what was wrong.

        A header with any field beyond alg, typ and kid is refused: jku, jwk, x5u, x5c, crit, b64 and zip let a token
        choose how it is checked.
        """
        return self._accept(self._opened(token, TYPE), now)

    def _opened(self, token: str, kind: str) -> dict[str, Any]:
        if len(token) > MAX_CHARACTERS:
            raise TokenRefused(_SPOKEN)
        try:
            header = extract_compact(token.encode("ascii")).headers()
            if set(header) != _HEADERS or header["typ"] != kind or header["kid"] not in self._keys:
                raise TokenRefused(_SPOKEN)
            claims: dict[str, Any] = jwt.decode(token, self._keys[header["kid"]], algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise TokenRefused(_SPOKEN) from error
        return claims

    def _accept(self, claims: dict[str, Any], now: datetime) -> Claims:
        names = ("sub", "tenant", "sid", "jti")
        texts = [claims.get(name) for name in names]
        expires, issued = claims.get("exp"), claims.get("iat")
        if (
            claims.get("iss") != self._issuer
            or claims.get("aud") != self._audience
            or not all(isinstance(text, str) and text for text in texts)
            or type(expires) is not int
            or type(issued) is not int
            or not issued - 60 <= now.timestamp() < expires <= issued + self.lifetime.total_seconds()
        ):
            raise TokenRefused(_SPOKEN)
        account, tenant, session, token_id = map(str, texts)
        return Claims(account, tenant, session, datetime.fromtimestamp(expires, now.tzinfo), token_id)


def new_secret(prefix: str) -> str:
    """An opaque secret of 256 bits, such as `bfr_...`, for its holder only."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> bytes:
    """What is stored of an opaque secret. A plain hash is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()
