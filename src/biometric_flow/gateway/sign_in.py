"""Signing in: a password, a code where there is a second factor, or a refresh token for the next pair of tokens."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.gateway import CodeGrant, PasswordGrant, RefreshGrant, Token
from biometric_flow.gateway.counts import Failures, SeenAttacks
from biometric_flow.gateway.errors import CodeNeeded, TooManyFailures
from biometric_flow.gateway.factors import NOT_OPENED, Factors
from biometric_flow.gateway.shared_counts import SharedCounts
from biometric_flow.gateway.store import accounts, factors
from biometric_flow.identity.errors import BadCredentials, TokenRefused
from biometric_flow.identity.passwords import Passwords
from biometric_flow.identity.tokens import AccessTokens, digest, new_secret
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import acting
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


class SignIn:
    """Hands out tokens."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        tokens: AccessTokens,
        seconds: Factors,
        clock: Clock,
        refresh: timedelta,
        shared: SharedCounts | None = None,
    ) -> None:
        self._database, self._passwords, self._tokens, self._factors = database, passwords, tokens, seconds
        self._clock, self._refresh = clock, refresh
        self._failures = Failures("password", clock, shared)
        self.attacks = SeenAttacks(clock, shared)

    async def with_password(self, grant: PasswordGrant, address: str) -> Token:
        """Tokens for e-mail and password; raises BadCredentials alike for unknown, disabled and mistyped.

        Raises CodeNeeded when all is right and the account has a second factor, SharedAway while nobody can count.
        """
        if (action := acting()) is not None:
            action.about("email", grant.email.lower())
        key = f"{grant.email.lower()}|{address}"
        try:
            async with self._failures.turn(key):
                account = await self._guess(key, grant)
        except TooManyFailures:
            await self.attacks.failed("")
            raise
        tenant = TenantId(account.tenant_id)
        async with self._database.tenant(tenant) as connection:
            if await factors.is_confirmed(connection, account.account_id):
                raise CodeNeeded(self._tokens.issue_ticket(str(account.account_id), tenant, self._clock.now()))
            return await self._issue(connection, tenant, account.account_id, uuid4())

    async def with_code(self, grant: CodeGrant) -> Token:
        """Tokens for the code of a second factor after the password; raises BadCredentials whatever is wrong."""
        try:
            named, owner = self._tokens.verify_ticket(grant.ticket.get_secret_value(), self._clock.now())
        except TokenRefused:
            raise BadCredentials(NOT_OPENED) from None
        account, tenant = UUID(named), TenantId(owner)
        if (action := acting()) is not None:
            action.actor, action.tenant = f"account:{account}", tenant
        async with self._database.tenant(tenant) as connection:
            row = await factors.of_account(connection, account)
            await self._factors.check(connection, tenant, account, row, grant.code.get_secret_value())
            if row is None or row.confirmed_at is None or not row.is_enabled:
                raise BadCredentials(NOT_OPENED)
            return await self._issue(connection, tenant, account, uuid4())

    async def with_refresh_token(self, grant: RefreshGrant) -> Token:
        """The next pair. A token that comes back a second time was stolen or leaked: its whole family ends."""
        stored = digest(grant.refresh_token.get_secret_value())
        now = self._clock.now()
        async with self._database.anyone() as connection:
            tenant = await accounts.tenant_of_token(connection, stored)
        if tenant is None:
            raise BadCredentials("the refresh token is not valid; sign in again")
        refused = BadCredentials("the refresh token is not valid; sign in again")
        async with self._database.tenant(tenant) as connection:
            used = await accounts.use_token(connection, stored, now)
            account = None if used is None else await accounts.get(connection, used.account_id)
            if used is not None and account is not None and account.is_enabled:
                return await self._issue(connection, tenant, account.account_id, used.family)
            await accounts.revoke_family(connection, stored, now)
            if (action := acting()) is not None:
                action.refusal, action.tenant = refused, tenant
        raise refused

    async def _guess(self, key: str, grant: PasswordGrant) -> Row[Any]:
        account = await self._match(grant.email, grant.password.get_secret_value())
        if account is None:
            await self._failures.failed(key)
            await self.attacks.failed("" if (action := acting()) is None else action.tenant)
            raise BadCredentials(NOT_OPENED)
        await self._failures.succeeded(key)
        return account

    async def _match(self, email: str, password: str) -> Row[Any] | None:
        async with self._database.anyone() as connection:
            candidates = await accounts.by_email(connection, email)
        if not candidates:
            await self._passwords.verify(None, password)
        for account in candidates:
            if (action := acting()) is not None:
                action.tenant = account.tenant_id
            is_match = await self._passwords.verify(account.password_hash, password)
            if is_match and account.is_enabled:
                return account
        return None

    async def _issue(self, connection: AsyncConnection, tenant: TenantId, account: UUID, family: UUID) -> Token:
        now: datetime = self._clock.now()
        refresh = new_secret("bfr")
        if (action := acting()) is not None:
            action.actor = f"account:{account}"
        await accounts.keep_token(
            connection,
            now,
            tenant_id=tenant,
            digest=digest(refresh),
            account_id=account,
            family=family,
            expires_at=now + self._refresh,
        )
        return Token(
            access_token=self._tokens.issue(str(account), tenant, str(family), now),
            expires_in=int(self._tokens.lifetime.total_seconds()),
            refresh_token=refresh,
        )
