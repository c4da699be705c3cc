"""Leaves of the audit trail for what an operator does beside the gateway, on its machine: keys and backups."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import SQLAlchemyError

from biometric_flow.api.problems import STATUS
from biometric_flow.gateway.backup import WITNESS_KEY, Source, opened, reachable
from biometric_flow.gateway.key_store import INSTALLATION, TenantKeys, open_tenant_keys
from biometric_flow.gateway.trail import AuditTrail
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.acting import Action
from biometric_flow.runtime.backup import BackupRefused
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.signing import signing_key

ACTOR: Final = "process:cli"
_DONE: Final = 200


@contextmanager
def recorded(
    source: Source, operation: str, clock: Clock, about: Mapping[str, str], note: Callable[[str], None]
) -> Iterator[None]:
    """Have what is done inside leave one leaf in the log of each tenant and of the installation, also when it fails.

    Where the database is away, what was done stands, and a note says that it has no leaf.
    """
    failed = "internal"
    try:
        yield
        failed = ""
    except BiometricFlowError as error:
        failed = error.code
        raise
    finally:
        try:
            _leave(source, operation, clock, about, failed)
        except (BiometricFlowError, SQLAlchemyError) as error:
            note(f"note: the audit trail does not tell of this {operation}: {str(error)[:500]}")


def _leave(source: Source, operation: str, clock: Clock, about: Mapping[str, str], failed: str) -> None:
    key_file = source.folder / WITNESS_KEY
    if not (key_file.is_file() and source.key_stores.is_dir()):
        raise BackupRefused(f"expected the gateway's keys beside {source.folder}, it never ran there")
    actions = []
    for tenant in (*source.tenants, INSTALLATION):
        action = Action(operation, clock.now(), actor=ACTOR, tenant=tenant)
        # What only commands raise has no status of HTTP: it counts as 500, and is named beside it.
        action.state = {"problem": failed if failed in STATUS else "internal"} if failed else {}
        for name, value in {**about, **({"failed": failed} if failed else {})}.items():
            action.about(name, value)
        actions.append(action)
    with (
        reachable(source) as (dsn, _),
        closing(open_tenant_keys(source.key_stores, source.tenants, source.root)) as keys,
    ):
        asyncio.run(_settle(dsn, keys, signing_key(key_file), actions))


async def _settle(dsn: str, keys: TenantKeys, key: Ed25519PrivateKey, actions: Sequence[Action]) -> None:
    async with opened(dsn, keys) as database:
        trail = AuditTrail(database, key)
        for action in actions:
            await trail.settle(action, _DONE)
