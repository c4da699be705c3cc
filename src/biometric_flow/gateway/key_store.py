"""The gateway's keys: for each tenant a key store of its own, apart from the database and its backups (K1, E2).

One secret for each owner: `subject_at(place, id)`, `person(id)`, `archived_at(place, id)`, and `PLACE` for what is
about nobody. A key is durable before the row that it seals: `prepare` owners, then write. It is destroyed after the
transaction that erases has been committed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from biometric_flow.identity.keyring import PLACE
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.key_store import KeyStore, open_keys
from biometric_flow.runtime.root_home import Service, Token, root_keys

INSTALLATION: Final = TenantId("-")
"""Whose audit log holds what nobody's credential or account assigns to a tenant; no tenant can be called so."""
HELD: Final = 20_000
"""Owners of a tenant whose keys are in memory, about a kilobyte each."""


class TenantKeys:
    """The key stores of all tenants; safe to use from any thread, and by several processes of one machine."""

    def __init__(self, stores: Mapping[TenantId, KeyStore]) -> None:
        self._stores = stores

    def of(self, tenant: TenantId) -> KeyStore:
        """The keys of one tenant. Its methods may wait for the disk: call those that make keys in a thread."""
        return self._stores[tenant]

    def tenants(self) -> list[TenantId]:
        """Whose key stores these are; the installation's own is one of them."""
        return list(self._stores)

    def close(self) -> None:
        """Close them."""
        for store in self._stores.values():
            store.close()


def open_tenant_keys(
    folder: Path, tenants: Iterable[TenantId], where: Token | Service | None = None, held: int = HELD
) -> TenantKeys:
    """The key stores of these tenants and the installation's own, `<folder>/<tenant>` each, made where there are none.

    Raises FolderUnusable.
    """
    stores = {}
    for tenant in (*tenants, INSTALLATION):
        home = replace(where, prefix=f"{where.prefix}-{tenant}") if isinstance(where, Service) else where
        own = folder / tenant
        stores[tenant] = open_keys(own, tenant, root_keys(own, home), held)
        stores[tenant].prepare([PLACE])
    return TenantKeys(stores)
